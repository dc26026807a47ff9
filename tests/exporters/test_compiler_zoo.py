"""Whole networks of the zoo through the full compiler, with the BatchNorms that break a careless rewrite."""

import itertools
import json
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import onnxsim
import pytest
import torch

from exporters.errors import ParityError
from exporters.onnx_exporter import export_onnx, opset_of
from exporters.optimize import Optimized, optimize
from exporters.parity import compare, onnx_logits, prove_onnx
from exporters.reference import reference_of, torch_logits
from exporters.targets import TARGETS
from exporters.tolerances import DYNAMIC, ONE_BY_ONE, TOLERANCE
from groupnl_deploy.export import parity_inputs
from groupnl_deploy.models.methods import CONVOLUTIONS, METHODS
from groupnl_deploy.models.registry import list_models, model_spec
from groupnl_deploy.models.spec import InvalidSpec
from groupnl_deploy.training.checkpoint import initialise_checkpoint

NAMES = [entry.name for entry in list_models()]
SEMANTICS = ("released", "paper")
# Left of a GroupNL layer by the exporter, and of none by the compiler.
# A BatchNormalization of mean 0 and variance 1 is how the arguments of a sine are written.
NEEDLESS = {"Tile", "Expand", "ConstantOfShape", "Range"}
VARIANCES = (1.0, 3.0)
CALMING = (1, 2, 4, 16, 64)  # the variances times these, until rounding alone no longer moves the logits
# Cut to three layers it has every rule's pattern but those of sums, for claims about a layer, an opset or a batch.
SHALLOW = "vgg11_cifar"
# Every ratio meets every number of groups somewhere in the cross.
CORNERS = [(2, 4), (4, 1), (8, 2), (2, 1), (4, 2), (8, 4), (2, 2), (4, 4), (8, 1)]


def built(name, method, semantics="released", knobs=None, width=0.25, pixels=None, calming=1):
    """A small net with random BatchNorms, and images of the kind that the gate sees."""
    pixels = pixels or (32 if name.endswith("_cifar") else 64)
    knobs = (knobs or {}) | METHODS[method].sample
    size = {"input_shape": (3, pixels, pixels), "num_classes": 7, "width": width}
    spec = model_spec(name, method, semantics, knobs=knobs or None, **size)
    draft, model = initialise_checkpoint(spec)
    inputs = parity_inputs(draft)[:8]
    randomise_batchnorm(model, calming)
    return model.eval(), inputs


def shallow(method, semantics="released", knobs=None):
    """Three layers with a halving before the second and the third, and a classifier."""
    model, inputs = built(SHALLOW, method, semantics, knobs, 0.125)
    model.features = model.features[:11]
    torch.manual_seed(0)
    model.classifier = torch.nn.Linear(32, 7)
    return model, inputs


def randomise_batchnorm(model, calming=1):
    """Random statistics, and in every layer a scale of zero, a tiny one and negative ones.

    Variances above one keep the maps from growing layer by layer: the sine of a huge argument is noise, and two
    runtimes that both round correctly would differ by more than the tolerance.
    """
    random = torch.Generator().manual_seed(0)

    def uniform(tensor, low, high):
        tensor.copy_(torch.empty_like(tensor).uniform_(low, high, generator=random))

    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            uniform(module.running_mean, -0.2, 0.2)
            uniform(module.running_var, *(calming * variance for variance in VARIANCES))
            uniform(module.weight.data, 0.5, 1.5)
            uniform(module.bias.data, -0.2, 0.2)
            module.weight.data[::5] *= -1
            module.weight.data[1:2], module.weight.data[3:4] = 0.0, 1e-8


def rounding_moves(model, inputs):
    """How far single precision alone moves the logits, in their spread: chaotic nets prove nothing."""
    try:
        reference = reference_of(model, inputs)
    except ParityError:  # no numbers
        return float("inf")
    return reference.main.eager_error / reference.main.spread if reference.main.spread > 0 else float("inf")


def calm(*net, pixels):
    """The net with the smallest variances at which rounding does not drown the proof."""
    for calming in CALMING:
        model, inputs = built(*net, pixels=pixels, calming=calming)
        if rounding_moves(model, inputs) <= TOLERANCE / 10:
            return model, inputs
    raise AssertionError(f"{net} is chaotic at every variance")


def compiled(model, inputs, opset=17, dynamic_batch=False, target="generic") -> tuple[onnx.ModelProto, Optimized]:
    """As exported and at full; every pass is proved on the way."""
    raw = export_onnx(model, (1, *inputs.shape[1:]), opset, dynamic_batch)
    reference = reference_of(model, inputs, DYNAMIC if dynamic_batch else ONE_BY_ONE)
    return raw, optimize(raw, partial(prove_onnx, reference), target=TARGETS[target])


def require_right(model, inputs, method) -> Optimized:
    """Equal to the eager net on images and on noise, of the target's opset and IR, nothing needless left."""
    raw, best = compiled(model, inputs)
    assert best.parity.same_top1 and best.parity.max_abs_error <= TOLERANCE * best.parity.output_std
    noise = np.random.default_rng(3).standard_normal((4, *inputs.shape[1:])).astype(np.float32)
    expected, found = torch_logits(model, noise), onnx_logits(best.model, noise)
    assert np.abs(expected - found).max() <= TOLERANCE * expected.std()
    assert opset_of(best.model) == 17 and best.model.ir_version <= 9
    if method.startswith("groupnl"):
        assert not NEEDLESS & {node.op_type for node in best.model.graph.node}
    else:
        spread = sum(node.op_type == "Resize" for node in best.model.graph.node)  # it saves two changes of layout
        assert len(best.model.graph.node) - spread <= len(onnxsim.simplify(raw)[0].graph.node)
    return best


def slow(*values: object) -> object:
    """A case that `make test-all` alone runs."""
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    "name, method, semantics, width, ratio",
    [
        slow("resnet18_cifar", "groupnl", "released", 0.125, 2),
        slow("resnet18_cifar", "groupnl", "paper", 0.125, 2),
        slow("resnet18_cifar", "groupnl", "released", 0.125, 4),
        slow("resnet18_cifar", "groupnl", "paper", 0.125, 4),
        slow("resnet50", "groupnl", "released", 0.125, 2),
        slow("mobilenetv3_large_100", "groupnl-sparse", "released", 0.25, 2),
        slow("mobilenetv3_large_100", "groupnl-sparse", "paper", 0.25, 2),  # "released" at twice the width is below
        slow("efficientnetv2_s", "groupnl-sparse", "paper", 0.125, 2),
        ("vgg11_cifar", "groupnl", "released", 0.125, 8),
    ],
)
def test_one_net_of_each_family_is_right(name, method, semantics, width, ratio):
    model, inputs = built(name, method, semantics, {"ratio": ratio, "nl_groups": 1 if ratio == 8 else 2}, width)
    require_right(model, inputs, method)


@pytest.mark.parametrize(
    "nlf",
    ["gaussian", *(pytest.param(nlf, marks=pytest.mark.slow) for nlf in ("monomial", "laplace", "laplace-literal"))],
)
def test_every_nonlinearity_is_right(nlf):
    model, inputs = shallow("groupnl", "released", {"nlf": nlf, "ratio": 4, "nl_groups": 2})
    require_right(model, inputs, "groupnl")


@pytest.mark.parametrize("position", [slow("concat"), "seeds"])
def test_a_batchnorm_over_the_seeds_is_right(position):
    knobs = {"bn_position": position, "ratio": 4, "nl_groups": 2}
    model, inputs = shallow("groupnl-sparse", "paper", knobs)
    require_right(model, inputs, "groupnl-sparse")


@pytest.mark.parametrize(
    "name, method",
    [slow("mobilenetv3_large_100", "standard"), slow("resnet18_cifar", "ghost"), ("vgg11_cifar", "ghost")],
)
def test_a_net_without_groupnl_has_no_more_nodes_than_onnxsim_leaves(name, method):
    require_right(*built(name, method), method)


@pytest.mark.parametrize("method, semantics", [("groupnl", "released"), slow("groupnl-sparse", "paper")])
def test_a_dynamic_batch_gives_the_same_for_one_and_for_three(method, semantics):
    model, inputs = shallow(method, semantics, {"ratio": 4, "nl_groups": 2})
    _, best = compiled(model, inputs, dynamic_batch=True)
    assert not NEEDLESS & {node.op_type for node in best.model.graph.node}
    session = onnxruntime.InferenceSession(best.model.SerializeToString(), providers=["CPUExecutionProvider"])
    expected = torch_logits(model, inputs[:3])
    for count in (1, 3):
        found = session.run(None, {"input": inputs[:count]})[0]
        assert found.shape == (count, 7)
        assert np.abs(found - expected[:count]).max() <= TOLERANCE * expected.std()


@pytest.mark.parametrize("opset, method", [(13, "groupnl-sparse"), (18, "groupnl")])
def test_other_opsets_are_right_and_stay_what_was_asked_for(opset, method):
    model, inputs = shallow(method, "released", {"ratio": 4, "nl_groups": 2})
    _, best = compiled(model, inputs, opset)
    assert opset_of(best.model) == opset and best.model.ir_version <= 9
    assert not NEEDLESS & {node.op_type for node in best.model.graph.node}


def test_a_net_of_denormal_scales_is_right():
    model, inputs = shallow("groupnl", "paper", {"nl_groups": 2})
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # what weight decay leaves of a channel that died
            module.weight.data[2], module.bias.data[2] = 1e-40, 1e-41
    require_right(model, inputs, "groupnl")


@pytest.mark.parametrize("value", [float("nan"), slow(float("inf"))])
def test_weights_that_are_no_numbers_break_the_proof(value):
    model, inputs = shallow("groupnl")
    with torch.no_grad():
        model.classifier.weight[0, 0] = value
    with pytest.raises(ParityError):
        compiled(model, inputs)


def sizes(name):
    """The smallest, and one whose maps are odd on their way down."""
    return (32, 48) if name.endswith("_cifar") else (64, 112)


def cross():
    """Every network with every convolution at every size; where code and paper differ, both at three corners."""
    for name, method in itertools.product(NAMES, CONVOLUTIONS):
        if not method.startswith("groupnl"):
            yield from ((name, method, "released", None, pixels) for pixels in sizes(name))
            continue
        for semantics in SEMANTICS:
            turn = NAMES.index(name) + 3 * SEMANTICS.index(semantics) + CONVOLUTIONS.index(method)
            for step, pixels in enumerate((*sizes(name), sizes(name)[0])):
                yield name, method, semantics, CORNERS[(turn + 4 * step) % len(CORNERS)], pixels


@pytest.mark.slow
@pytest.mark.parametrize("name, method, semantics, corner, pixels", list(cross()))
def test_the_full_cross_is_right(name, method, semantics, corner, pixels):
    ratio, groups = corner or (2, 1)
    knobs = {"ratio": ratio, "nl_groups": groups} if corner else None
    try:
        net = calm(name, method, semantics, knobs, pixels=pixels)
    except InvalidSpec as error:  # seeds that are no multiple of g
        assert groups > 1 and "equal groups" in str(error)
        net = calm(name, method, semantics, {"ratio": ratio, "nl_groups": 1}, pixels=pixels)
    require_right(*net, method)


# With whole blocks of channels and BatchNorms that can be folded into the seed convolution every rule of GroupNL fires.
FIRING = {
    "released": {"drop_identity_tile", "cheapest_normalise", "sink_concat", "gather_affine", "depthwise_seeds"},
    "paper": {"drop_identity_tile", "fold_seed_half", "sink_concat", "gather_affine", "depthwise_seeds"},
}


@pytest.mark.slow
@pytest.mark.parametrize("semantics", ["released", slow("paper")])
def test_the_rules_of_groupnl_fire_where_they_can_and_are_right(semantics: str) -> None:
    model, inputs = built("mobilenetv3_large_100", "groupnl-sparse", semantics, width=0.5)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.data[1:4:2] = 0.7
    best = require_right(model, inputs, "groupnl-sparse")
    fired = {report.name for report in best.passes if report.fired}
    assert fired >= FIRING[semantics] | {"simplify", "pool_means", "spread_gate", "tidy"}


OLD_RUNTIME = "1.15.1"
RUNNER = """
import json, sys
import numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
logits = {}
for path in sys.argv[1:]:
    images = numpy.load(path + ".npy")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    logits[path] = [session.run(None, {"input": images[i : i + 1]})[0][0].tolist() for i in range(len(images))]
print(json.dumps([onnxruntime.__version__, logits]))
"""


@pytest.fixture(scope="module")
def old_python(tmp_path_factory) -> Path:
    """An interpreter beside whose numpy ONNX Runtime 1.15.1, the paper's, can be imported."""
    interpreter = sys.executable if sys.version_info[:2] == (3, 11) else shutil.which("python3.11")
    if interpreter is None:
        pytest.skip(f"no Python 3.11, the newest that ONNX Runtime {OLD_RUNTIME} has a wheel for")
    folder = tmp_path_factory.mktemp("old") / "venv"
    subprocess.run([interpreter, "-m", "venv", folder], check=True, capture_output=True)
    wanted = ["--only-binary", ":all:", "numpy<2", f"onnxruntime=={OLD_RUNTIME}"]
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"pip cannot get ONNX Runtime {OLD_RUNTIME}: {done.stderr.strip().splitlines()[-1]}")
    return folder / "bin" / "python"


@pytest.mark.slow
@pytest.mark.parametrize("semantics", SEMANTICS)
def test_the_papers_runtime_gives_the_same(old_python: Path, tmp_path: Path, semantics: str) -> None:
    expected = {}
    for name, method, ratio in (("resnet18_cifar", "groupnl", 4), ("mobilenetv3_large_100", "groupnl-sparse", 2)):
        model, inputs = built(name, method, semantics, {"nl_groups": 1, "ratio": ratio})
        for target, opset in [("generic", 17), *(("rpi4", opset) for opset in TARGETS["rpi4"].opsets)]:
            path = tmp_path / f"{name}-{target}-{opset}.onnx"
            path.write_bytes(compiled(model, inputs, opset, target=target)[1].model.SerializeToString())
            np.save(f"{path}.npy", inputs)
            expected[str(path)] = torch_logits(model, inputs)
    done = subprocess.run([old_python, "-c", RUNNER, *expected], capture_output=True, text=True, check=True)
    version, found = json.loads(done.stdout)
    assert version == OLD_RUNTIME
    for path, logits in expected.items():
        assert compare(logits, np.array(found[path], dtype=np.float32)).same_top1
