"""Small networks for the target x86: a file in blocks of 16 and one in blocks of 8, each proved, no image reordered."""

from functools import partial

import onnx
import pytest

from device_agent.machine import this_machine
from device_agent.manifest import Parity
from device_agent.native import register
from exporters.model_files import variants
from exporters.native.nodes import native_operators
from exporters.native.this_runtime import runtimes_block
from exporters.onnx_exporter import export_onnx
from exporters.optimize import optimize
from exporters.parity import prove_onnx
from exporters.reference import reference_of
from exporters.runtimes import NEWEST_TRIED
from exporters.targets import TARGETS
from exporters.tolerances import DYNAMIC, ONE_BY_ONE
from groupnl_deploy.export import parity_inputs
from groupnl_deploy.models.layers.shape import ConvShape
from groupnl_deploy.models.registry import model_spec
from groupnl_deploy.training.checkpoint import initialise_checkpoint
from tests.rigs.groupnl_layers import layer_net, shaken

X86 = TARGETS["x86"]
KNOBS = {"nl_groups": 2}


@pytest.fixture
def forms(native_library):
    """The forms of a narrow network for x86."""

    def make(name, method, batch="1", opset=17):
        knobs = KNOBS if method.startswith("groupnl") else None
        size = {"input_shape": (3, 64, 64), "num_classes": 7, "width": 0.25}
        draft, model = initialise_checkpoint(model_spec(name, method, "released", knobs=knobs, **size))
        inputs = parity_inputs(draft)[:4]
        reference = reference_of(shaken(model), inputs, DYNAMIC if batch == "dynamic" else ONE_BY_ONE)
        operators = partial(register, library=native_library.path, sha256=native_library.record.sha256)
        proof = partial(prove_onnx, reference, register=operators)
        raw = export_onnx(model, (1, *inputs.shape[1:]), opset, dynamic_batch=batch == "dynamic")
        return variants(optimize(raw, proof, "native", X86), X86, proof)

    return make


def counted(model, kind):
    return sum(node.op_type.startswith(kind) for node in model.graph.node)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, method, batch, opset",
    [
        ("mobilenetv3_large_100", "groupnl-sparse", "dynamic", 13),
        pytest.param("mobilenetv3_large_100", "groupnl-sparse", "1", 17, marks=pytest.mark.slow),
        pytest.param("mobilenetv3_large_100", "standard", "1", 17, marks=pytest.mark.slow),
        pytest.param("tf_efficientnet_es", "groupnl-sparse", "dynamic", 17, marks=pytest.mark.slow),
        pytest.param("resnet18", "groupnl", "dynamic", 17, marks=pytest.mark.slow),
    ],
)
def test_a_network_has_a_file_for_each_block_and_no_image_is_reordered(forms, name, method, batch, opset):
    made = forms(name, method, batch, opset)
    assert [(one.about.file, one.about.block) for one in made] == [("model.onnx", 16), ("model-block8.onnx", 8)]
    for one in made:
        own = one.about.block == runtimes_block() == this_machine().block
        assert one.about.proof == ("run" if own else "decoded") and one.about.newest_runtime == NEWEST_TRIED
        assert counted(one.best.model, "Reorder") == 0
        assert one.best.parity.max_abs_error <= one.best.parity.tolerance * one.best.parity.output_std
        assert one.best.passes[-1].name == f"blocks_of_{one.about.block}"
    assert native_operators(made[0].best.model) == native_operators(made[1].best.model)


@pytest.mark.slow
def test_hardswish_in_a_convolution_narrows_the_range_of_runtimes(forms):
    assert {one.about.oldest_runtime for one in forms("mobilenetv3_large_100", "standard")} == {"1.30.0"}
    assert {one.about.oldest_runtime for one in forms("mobilenetv2_100", "standard")} == {X86.oldest_runtime}


def test_a_network_without_operators_of_ours_stays_plain(forms):
    (one,) = forms("vgg11_cifar", "standard")
    assert one.about.block == 0 and not native_operators(one.best.model)
    onnx.checker.check_model(one.best.model)


def test_at_other_levels_it_is_generic():
    small = layer_net(ConvShape(16, 16, 3, padding=1), "relu")
    raw, proved = export_onnx(small, (1, 16, 8, 8)), Parity(1, 0.0, 0.0, 1.0, 1.0, True)
    for level in ("none", "standard", "full"):
        one, other = (optimize(raw, lambda model: proved, level, TARGETS[name]).model for name in ("x86", "generic"))
        assert one == other
