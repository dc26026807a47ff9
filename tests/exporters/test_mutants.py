"""Is the gate any good? Rewritten graphs with one thing wrong in each, which it must refuse.

A mutant that passes is *equivalent* where no output moves by more than the tolerance on images that the gate has not
seen either (other photographs, noise, flat ones; each is computed). It is on the *edge* where it moves one of those by
up to twice as much: the worst of other images is always a little worse. Anything else *survived*: the gate is too weak.
"""

import collections
from functools import partial

import numpy as np
import onnx
import pytest
import torch

from device_agent import native
from exporters.onnx_exporter import export_onnx
from exporters.optimize import optimize
from exporters.parity import onnx_logits, prove_onnx
from exporters.reference import reference_of
from exporters.tolerances import TOLERANCE
from groupnl_deploy.export import parity_inputs, wider_inputs
from groupnl_deploy.images.bench_images import bench_images
from groupnl_deploy.images.preprocessing import as_input, preprocessing
from groupnl_deploy.models.layers.groupnl import GroupNLConv2d
from groupnl_deploy.models.registry import model_spec
from groupnl_deploy.training.checkpoint import initialise_checkpoint

EDGE = 2.0
NOT_COMMUTATIVE = ("Sub", "Div", "Pow", "Concat", "MatMul")
OF_OURS = {"activation": 3, "function": 4, "normalize": 2}  # of our operators, with how many words there are to take
OPPOSITE = {"Add": "Sub", "Sub": "Add", "Mul": "Div", "Sin": "Cos", "Relu": "Abs", "Sqrt": "Exp"}


def mutants(model):
    """(what is wrong, the graph) for every place where one thing can be; deterministic in its order."""
    for index, tensor in enumerate(model.graph.initializer):
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.any():
            yield f"{tensor.name} × 1.01", partial(_with_tensor, model, index, values * np.float32(1.01))
            yield f"−{tensor.name}", partial(_with_tensor, model, index, -values)
        if values.dtype == np.float32 and values.ndim and len(values) > 1:
            yield f"{tensor.name} in another order", partial(_with_tensor, model, index, np.roll(values, 1, axis=0))
    for index, node in enumerate(model.graph.node):
        if node.op_type in NOT_COMMUTATIVE and len(set(node.input)) > 1:
            yield f"{node.op_type} {node.name} with its inputs swapped", partial(_swapped, model, index)
        if node.op_type in OPPOSITE:
            other = OPPOSITE[node.op_type]
            yield f"{node.op_type} {node.name} made {other}", partial(_renamed, model, index, other)
        for attribute in node.attribute:
            if attribute.name == "axis":
                yield f"axis of {node.op_type} {node.name}", partial(_other_axis, model, index)
            if attribute.name in OF_OURS and node.domain:
                yield (
                    f"{attribute.name} of {node.op_type} {node.name}",
                    partial(_other_word, model, index, attribute.name),
                )


def _copy(model):
    mutant = onnx.ModelProto()
    mutant.CopyFrom(model)
    return mutant


def _with_tensor(model, index, values):
    mutant = _copy(model)
    tensor = mutant.graph.initializer[index]
    tensor.CopyFrom(onnx.numpy_helper.from_array(np.ascontiguousarray(values), tensor.name))
    return mutant


def _swapped(model, index):
    mutant = _copy(model)
    node = mutant.graph.node[index]
    node.input[0], node.input[1] = node.input[1], node.input[0]
    return mutant


def _renamed(model, index, other):
    mutant = _copy(model)
    mutant.graph.node[index].op_type = other
    return mutant


def _other_axis(model, index):
    mutant = _copy(model)
    attribute = next(one for one in mutant.graph.node[index].attribute if one.name == "axis")
    attribute.i = 2 if attribute.i == 1 else 1
    return mutant


def _other_word(model, index, name):
    mutant = _copy(model)
    attribute = next(one for one in mutant.graph.node[index].attribute if one.name == name)
    attribute.i = (attribute.i + 1) % OF_OURS[name]
    return mutant


def rewritten(name, method, semantics, knobs, width, level="full", register=None):
    """(the reference, the graph) of a small net whose own rounding is far below the tolerance."""
    pixels = 32 if name.endswith("_cifar") else 64
    size = {"input_shape": (3, pixels, pixels), "num_classes": 7, "width": width}
    draft, model = initialise_checkpoint(model_spec(name, method, semantics, knobs=knobs, **size))
    random = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, GroupNLConv2d) and not module.normalize:
            module.conv1.weight.data.mul_(module.seed_channels**0.5)  # wide, as training makes them
        if isinstance(module, torch.nn.BatchNorm2d):
            for tensor, low, high in (
                (module.running_mean, -0.2, 0.2),
                (module.running_var, 1.0, 3.0),
                (module.weight.data, 0.5, 1.5),
                (module.bias.data, -0.2, 0.2),
            ):
                tensor.copy_(torch.empty_like(tensor).uniform_(low, high, generator=random))
    reference = reference_of(model.eval(), parity_inputs(draft), more=partial(wider_inputs, draft))
    assert reference.main.eager_error < TOLERANCE / 2 * reference.main.spread, "chosen to be calm"
    raw = export_onnx(model, (1, 3, pixels, pixels))
    return reference, optimize(raw, partial(prove_onnx, reference, register=register), level).model


def unseen(shape):
    """Images that the gate has not: other crops, noise of pixels, and flat ones."""
    shown = bench_images(None, shape, 56)
    random = np.random.default_rng(7)
    noise = random.integers(0, 256, (8, *shape), dtype=np.uint8)
    flat = np.stack([np.full(shape, level, dtype=np.uint8) for level in (32, 64, 192)])
    images = np.concatenate([shown.images[32:], noise, flat])
    return as_input(torch.tensor(images), *preprocessing(None, 3)).numpy()


def verdict(reference, right, images, mutant, register=None):
    """ "caught", "equivalent", "edge" or "survived"."""
    try:
        prove_onnx(reference, mutant, register)
    except Exception:  # refused, or ONNX Runtime cannot even run it: either way nothing is written
        return "caught"
    moved = np.abs(onnx_logits(mutant, images, register=register) - right).max() / (TOLERANCE * reference.main.spread)
    return "equivalent" if moved <= 1 else "edge" if moved <= EDGE else "survived"


def judged(net, most, level="full", register=None):
    """(verdict, what is wrong) of `most` mutants of a net, evenly spaced over its graph."""
    reference, graph = rewritten(*net, level, register)
    images = unseen(reference.samples[0]["input"].shape[1:])
    right = onnx_logits(graph, images, register=register)
    places = list(mutants(graph))
    chosen = places[:: max(1, len(places) // most)][:most]
    return [(verdict(reference, right, images, make(), register), what) for what, make in chosen]


TINY = ("vgg11_cifar", "groupnl", "paper", {"ratio": 8, "nl_groups": 1}, 0.25)
ZOO = [
    TINY,
    ("resnet18_cifar", "groupnl", "released", {"ratio": 2, "nl_groups": 2}, 0.125),
    ("mobilenetv3_large_100", "groupnl-sparse", "paper", {"ratio": 2, "nl_groups": 2}, 0.25),
    ("resnet18_cifar", "groupnl-sparse", "paper", {"ratio": 4, "nl_groups": 2}, 0.25),
    ("resnet50", "groupnl", "released", {"ratio": 2, "nl_groups": 2}, 0.125),
    ("mobilenetv2_100", "groupnl-sparse", "released", {"ratio": 2, "nl_groups": 2}, 0.25),
    ("mobilenetv3_large_100", "groupnl-sparse", "released", {"ratio": 2, "nl_groups": 4}, 0.5),
    ("efficientnet_lite0", "groupnl-sparse", "paper", {"ratio": 2, "nl_groups": 2}, 0.25),
    ("efficientnet_es", "groupnl-sparse", "released", {"ratio": 2, "nl_groups": 2}, 0.25),
    ("resnet18_cifar", "ghost", "released", None, 0.25),
    ("resnet18_cifar", "groupnl", "released", {"nlf": "monomial", "ratio": 4, "nl_groups": 2}, 0.125),
    ("mobilenetv2_100", "standard", "released", None, 0.25),
]


def counted(nets, most, say, level="full", register=None):
    """All verdicts over several nets, and the names of what survived; told as they come."""
    answers, survivors = collections.Counter(), []
    for net in nets:
        found = judged(net, most, level, register)
        counts = collections.Counter(answer for answer, _ in found)
        say(f"{' '.join(map(str, net[:3]))}: {dict(counts)}")
        for answer, what in found:
            if answer in ("edge", "survived"):
                say(f"  {answer}: {what}")
        answers += counts
        survivors += [what for answer, what in found if answer == "survived"]
    say(f"all: {dict(answers)}")
    return answers, survivors


def test_the_gate_catches_what_is_wrong_in_a_rewritten_graph():
    answers, survivors = counted([TINY], 20, lambda line: None)
    assert not survivors and answers["caught"] >= 14 and answers["edge"] <= 1


@pytest.mark.slow
def test_the_gate_catches_hundreds_of_mutants_over_the_zoo(capsys):
    with capsys.disabled():
        answers, survivors = counted(ZOO, 24, print)
    assert not survivors
    assert answers.total() >= 250 and answers["caught"] >= 0.8 * answers.total()
    assert answers["edge"] <= 0.02 * answers.total()


@pytest.fixture
def register(native_library):
    """Gives a session our operators."""
    return partial(native.register, library=native_library.path, sha256=native_library.record.sha256)


def test_the_gate_catches_what_is_wrong_in_a_graph_with_operators_of_ours(register):
    answers, survivors = counted([TINY], 24, lambda line: None, "native", register)
    assert not survivors and answers["caught"] >= 16 and answers["edge"] <= 1


@pytest.mark.slow
def test_the_gate_catches_hundreds_of_mutants_of_native_graphs(capsys, register):
    with capsys.disabled():
        answers, survivors = counted([net for net in ZOO if net[1] != "ghost"], 24, print, "native", register)
    assert not survivors
    assert answers.total() >= 250 and answers["caught"] >= 0.75 * answers.total()
    assert answers["edge"] <= 0.02 * answers.total()
