"""Torch's errors by kind: which operator, of which module, and what to do; nothing on standard output."""

import ctypes
import os

import pytest
import torch
from torch import nn
from torch.nn import functional

from exporters import onnx_failures
from exporters.errors import ExportFailed
from exporters.onnx_exporter import export_onnx
from exporters.quiet import stdout_to_stderr
from groupnl_deploy.models.layers.groupnl import GroupNLConv2d
from groupnl_deploy.models.layers.shape import ConvShape
from groupnl_deploy.models.spec import ConvSpec

SHAPE = (1, 3, 8, 8)


class Calls(nn.Module):
    """A function as a module."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Doubling(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def symbolic(g, x):
        return g.op("mine::Double", x)


def network(*middle: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 8, 1), nn.Sequential(*middle), nn.AdaptiveAvgPool2d(1), nn.Flatten())


NO_FORM, OTHER = "operators that ONNX has", "other operators"
REFUSED = {
    "shuffle": (
        Calls(lambda x: functional.channel_shuffle(x, 4)),
        r"operator aten::channel_shuffle of 1\.0 \(Calls\) has no form in ONNX at opset 17",
        "reshape, transpose",
    ),
    "fft": (Calls(lambda x: torch.fft.fft2(x).real), r"operator aten::fft_fft2 of 1\.0 \(Calls\)", NO_FORM),
    "pool": (
        nn.AdaptiveAvgPool2d(5),
        r"cannot write aten::adaptive_avg_pool2d, which 1\.0 \(AdaptiveAvgPool2d\) uses, .*not factor of input",
        OTHER,
    ),
    "forward": (
        Calls(lambda x: x @ torch.zeros(3, 3)),
        r"network itself fails in 1\.0 on an input of shape \(1, 3, 8, 8\): mat1 and mat2",
        "Mend it",
    ),
    "own": (Calls(Doubling.apply), "mine::Double, which is not of ONNX's own", NO_FORM),
}


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("middle, message, remedy", REFUSED.values(), ids=REFUSED)
def test_an_operator_is_told_by_name_and_module(middle, message, remedy, dynamic, capfd):
    with pytest.raises(ExportFailed, match=message) as caught:
        export_onnx(network(middle).eval(), SHAPE, dynamic_batch=dynamic)
    assert remedy in caught.value.remedy
    out, err = capfd.readouterr()
    assert out == "" and "Torch IR graph" not in err


def test_an_assertion_of_torch_is_an_export_error():
    model = network(nn.BatchNorm2d(8, track_running_stats=False)).eval()
    export_onnx(model, SHAPE)
    with pytest.raises(
        ExportFailed, match=r"aten::batch_norm, which 1\.0 \(BatchNorm2d\) uses, .*AssertionError"
    ) as caught:
        export_onnx(model, SHAPE, dynamic_batch=True)
    assert "--batch dynamic" in caught.value.remedy


def test_an_operator_of_a_later_opset_says_from_which_on():
    model = network(Calls(lambda x: functional.grid_sample(x, torch.zeros(1, 4, 4, 2), align_corners=False))).eval()
    with pytest.raises(ExportFailed, match="from opset 16 on") as caught:
        export_onnx(model, SHAPE, opset=13)
    assert "--opset 16" in caught.value.remedy
    export_onnx(model, SHAPE, opset=16)


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("behind", [nn.AdaptiveAvgPool2d(2), nn.InstanceNorm2d(8)], ids=["pool", "instance norm"])
def test_what_needs_sizes_exports_behind_a_groupnl_layer_as_behind_a_convolution(behind, normalize):
    layer = GroupNLConv2d(ConvSpec("groupnl", nl_groups=2, normalize=normalize), ConvShape(8, 8, 3, padding=1))
    for before in (nn.Conv2d(8, 8, 3, padding=1), layer):
        export_onnx(network(before, behind).eval(), SHAPE, dynamic_batch=True)


def test_over_two_gib_is_told_before_anything_is_computed(monkeypatch):
    model = network(nn.Conv2d(8, 8, 3)).eval()
    monkeypatch.setattr(onnx_failures, "MOST_BYTES", onnx_failures.GRAPH_BYTES + 1000)
    monkeypatch.setattr(model, "forward", None)
    with pytest.raises(ExportFailed, match=r"Weights of \d\.\d GiB do not fit one ONNX file") as caught:
        export_onnx(model, SHAPE)
    assert "--format torch" in caught.value.remedy


def test_weights_that_are_shared_count_once(monkeypatch):
    layer = nn.Conv2d(8, 8, 3, bias=False)
    monkeypatch.setattr(onnx_failures, "MOST_BYTES", onnx_failures.GRAPH_BYTES + 4 * 8 * 8 * 9)
    onnx_failures.require_fits_one_file(nn.Sequential(layer, layer))
    with pytest.raises(ExportFailed):
        onnx_failures.require_fits_one_file(nn.Sequential(layer, nn.Conv2d(8, 8, 3, bias=False)))


def test_what_is_printed_meanwhile_goes_to_standard_error(capfd):
    with stdout_to_stderr():
        print("from Python")  # noqa: T201
        os.write(1, b"from a descriptor\n")
        ctypes.CDLL(None).puts(b"from C")
        print("Torch IR graph at exception: graph(…")  # noqa: T201
        os.write(1, b"Torch IR graph at exception: graph(%input")
    print("after")  # noqa: T201
    out, err = capfd.readouterr()
    assert out == "after\n" and all(words in err for words in ("from Python", "from a descriptor", "from C"))
    assert "%input" not in err
