"""What a network asks of its image cannot be in a graph; what it asks of sizes and of its own settings can."""

import pytest
import torch
from torch import Tensor, nn

from exporters.errors import ExportFailed
from exporters.onnx_exporter import export_onnx


def by_branch(y: Tensor, x: Tensor) -> Tensor:
    if x.sum() > 0:
        return y * 2
    return y


def by_loop(y: Tensor, x: Tensor) -> Tensor:
    while y.max() > 1:
        y = y / 2
    return y


def by_number(y: Tensor, x: Tensor) -> Tensor:
    return y * y.max().item()


def by_array(y: Tensor, x: Tensor) -> Tensor:
    return y * float(x.numpy().mean())


def by_assertion(y: Tensor, x: Tensor) -> Tensor:
    assert x.abs().max() < 1e9
    return y


def by_size(y: Tensor, x: Tensor) -> Tensor:
    return y * int(x.shape[2] / 2) if x.shape[0] == 1 else y


def by_own_setting(y: Tensor, x: Tensor) -> Tensor:
    return y * 2 if torch.ones(1) > 0 else y


def by_guarded_assertion(y: Tensor, x: Tensor) -> Tensor:
    if not torch.jit.is_tracing():
        assert x.abs().max() < 1e9
    return y


class Net(nn.Module):
    def __init__(self, step) -> None:
        super().__init__()
        self.conv, self.step = nn.Conv2d(3, 8, 3), step

    def forward(self, x: Tensor) -> Tensor:
        return self.step(self.conv(x).mean((2, 3)), x)


@pytest.mark.parametrize(
    ("step", "line"),
    [
        (by_branch, "if x.sum() > 0:"),
        (by_loop, "while y.max() > 1:"),
        (by_number, "return y * y.max().item()"),
        (by_array, "return y * float(x.numpy().mean())"),
        (by_assertion, "assert x.abs().max() < 1e9"),
    ],
)
def test_what_the_image_decides_is_refused_with_its_line(step, line):
    with pytest.raises(ExportFailed) as caught:
        export_onnx(Net(step).eval(), (1, 3, 8, 8))
    assert f"test_data_dependence.py, line {step.__code__.co_firstlineno + 1} ({line})" in caught.value.message
    assert "torch.where" in caught.value.remedy


@pytest.mark.parametrize("step", [by_size, by_own_setting, by_guarded_assertion])
def test_what_sizes_and_settings_decide_is_exported(step):
    assert export_onnx(Net(step).eval(), (1, 3, 8, 8)).graph.node
