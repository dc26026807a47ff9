"""What an ONNX file may hold and no artifact can: each with its own sentence and remedy."""

import math
from collections import Counter
from collections.abc import Iterable

import onnx
from onnx import TensorProto

from exporters.errors import OnnxRefused
from exporters.native.operators import DOMAIN
from exporters.own_onnx.functions import require_countable
from exporters.own_onnx.nodes import nodes_of
from exporters.own_onnx.quantized import is_quantizers_own

FIRST_READ = 7
"""The oldest operator set that ONNX Runtime computes; before, operators broadcast by attributes."""
_CONVERT_TO = 13
_MOST_NUMBERS = 1 << 28  # of an input or output: a gigabyte, and each is computed with many times
_OWN = ("", "ai.onnx", "ai.onnx.ml")
_FUSED = ("com.microsoft", "com.ms.internal.nhwc", "com.microsoft.nchwc")
_RANDOM = frozenset(
    ["Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"]
)
_LOOPS = frozenset(["Loop", "Scan", "SequenceMap"])
_EVALUATION = "Export it in evaluation mode: model.eval() first, and no training=TrainingMode.TRAINING."


def require_runnable(model: onnx.ModelProto) -> None:
    """Raise `OnnxRefused` for operators, types or names that no artifact can have."""
    _require_opset(model)
    require_countable(model)
    _require_known_operators(model)
    _require_names(model)
    _require_tensors(model)
    for node in nodes_of(model):
        if node.op_type in _LOOPS:
            raise _flow(node)
        if node.op_type in _RANDOM and node.domain in _OWN:
            raise OnnxRefused(
                f"The graph draws lots: {_named(node)}, so it answers in another way each time.",
                "Export it without: in evaluation mode, and with noise as an input where it is needed.",
            )
    _require_evaluation(model)


def require_straight(model: onnx.ModelProto) -> None:
    """Raise `OnnxRefused` for a branch that is left when the sizes are known and constants are folded."""
    branch = next((node for node in nodes_of(model) if node.op_type == "If"), None)
    if branch is not None:
        raise _flow(branch)


def _flow(node: onnx.NodeProto) -> OnnxRefused:
    return OnnxRefused(
        f"The graph has control flow: {_named(node)} chooses by numbers what is computed, which no pass is proved on.",
        "Export it without: unroll the loop, write the choice as Where, and give fixed sizes.",
    )


def _named(node: onnx.NodeProto) -> str:
    where = node.name or (node.output[0] if node.output else "")
    return f"{node.op_type} ({where})" if where else node.op_type


def _require_opset(model: onnx.ModelProto) -> None:
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), None)
    if opset is None or opset < FIRST_READ:
        raise OnnxRefused(
            f"The file {'names no opset' if opset is None else f'has opset {opset}'}; {FIRST_READ} and newer are read.",
            f"Convert it: onnx.save(onnx.version_converter.convert_version(onnx.load('FILE'), {_CONVERT_TO}), 'NEW').",
        )


def _require_known_operators(model: onnx.ModelProto) -> None:
    own = {function.domain for function in model.functions}
    known = {(function.domain, function.name) for function in model.functions}
    foreign = Counter(
        (node.domain, node.op_type)
        for node in nodes_of(model)
        if node.domain not in _OWN and (node.domain, node.op_type) not in known and not is_quantizers_own(node)
    )
    if not foreign:
        return
    named = ", ".join(f"{domain}::{name} ({count})" for (domain, name), count in sorted(foreign.items())[:5])
    if any(domain == DOMAIN for domain, _ in foreign):
        raise OnnxRefused(
            f"The file was exported with --optimize native already: it has operators of our own, {named}.",
            "Name the file or the checkpoint that it was made from.",
        )
    if all(domain in _FUSED for domain, _ in foreign):
        raise OnnxRefused(
            f"The file was optimised by ONNX Runtime already: it has its fused operators {named}, of which every "
            "version has others.",
            "Name the file that it was made from, or write it again with ORT_ENABLE_BASIC.",
        )
    hint = " They belong to functions that the file does not have." if own & {domain for domain, _ in foreign} else ""
    raise OnnxRefused(
        f"The graph needs custom operators, which no runtime on a device has: {named}.{hint}",
        "Write these layers with operators that ONNX has, then export again.",
    )


def _require_names(model: onnx.ModelProto) -> None:
    for what, values in (("input", model.graph.input), ("output", model.graph.output)):
        twice = [name for name, count in Counter(value.name for value in values).items() if count > 1]
        if twice:
            raise OnnxRefused(
                f"The {what} {twice[0]} is there twice: answers are told apart by their names.",
                "Give each its own name.",
            )
    if not model.graph.output:
        raise OnnxRefused("The graph has no output.", "Export it again, with what it shall answer.")


def _require_tensors(model: onnx.ModelProto) -> None:
    for value in (*model.graph.input, *model.graph.output):
        kind = value.type.WhichOneof("value")
        if kind != "tensor_type":
            what = (kind or "unknown type").removesuffix("_type").replace("_", " ")
            raise OnnxRefused(f"{value.name} is a {what}, and not a tensor.", "Export it with tensors alone.")
        element = value.type.tensor_type.elem_type
        if element not in NUMPY_TYPES:
            raise OnnxRefused(
                f"{value.name} has the element type {_type_name(element)}, which no program can give or read here.",
                f"Cast it inside the graph, to one of {', '.join(NUMPY_TYPES.values())}.",
            )
        sizes = [axis.dim_value for axis in value.type.tensor_type.shape.dim if axis.HasField("dim_value")]
        if 0 in sizes:
            raise OnnxRefused(f"{value.name} has an axis of size 0, so it holds nothing.", "Export it for one sample.")
        if math.prod(sizes) > _MOST_NUMBERS:
            raise OnnxRefused(
                f"{value.name} has {math.prod(sizes):.3g} numbers, and {_MOST_NUMBERS:.3g} are the most here.",
                "Export it for smaller inputs.",
            )


# The element types that NumPy has, and so inputs and outputs may have.
NUMPY_TYPES = {
    getattr(TensorProto, name): str(onnx.helper.tensor_dtype_to_np_dtype(getattr(TensorProto, name)))
    for name in (
        *("FLOAT", "FLOAT16", "DOUBLE", "BOOL"),
        *("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"),
    )
}


def _type_name(element: int) -> str:
    return TensorProto.DataType.Name(element).lower() if element in TensorProto.DataType.values() else str(element)


def _require_evaluation(model: onnx.ModelProto) -> None:
    constants = _truths(model)
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    for node in nodes_of(model):
        if node.op_type == "BatchNormalization" and _trains(node, opset):
            raise OnnxRefused(
                f"{_named(node)} is in training mode: it normalises by the batch that it sees.", _EVALUATION
            )
        if node.op_type == "Dropout" and len(node.input) > 2 and node.input[2] and constants.get(node.input[2], True):
            raise OnnxRefused(f"{_named(node)} is in training mode: it draws lots.", _EVALUATION)


def _trains(node: onnx.NodeProto, opset: int) -> bool:
    said = next((attribute.i for attribute in node.attribute if attribute.name == "training_mode"), 0)
    return bool(said) or (opset < 14 and sum(1 for name in node.output if name) > 1)


def _truths(model: onnx.ModelProto) -> dict[str, bool]:
    """What the constants of one truth value are."""
    tensors: Iterable[tuple[str, TensorProto]] = [(tensor.name, tensor) for tensor in model.graph.initializer]
    nodes = (node for node in nodes_of(model) if node.op_type == "Constant" and node.output)
    tensors = [*tensors, *((node.output[0], a.t) for node in nodes for a in node.attribute if a.name == "value")]
    bools = [(name, tensor) for name, tensor in tensors if tensor.data_type == TensorProto.BOOL]
    return {name: bool(onnx.numpy_helper.to_array(tensor).any()) for name, tensor in bools}
