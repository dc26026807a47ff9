"""A graph from elsewhere → the form that the passes take: known sizes, no weights among its inputs, no functions.

Nothing here changes what is computed; that the result equals the file is proved as for every pass.
"""

from collections.abc import Mapping

import onnx
import onnxsim
from onnx import inliner

from exporters.choices import BATCH_NAME, OPSETS
from exporters.errors import OnnxRefused
from exporters.own_onnx.nodes import nodes_of
from exporters.own_onnx.refusals import FIRST_READ, require_straight
from exporters.quiet import stdout_to_stderr
from exporters.reference import first_line
from exporters.targets.base import Target

Shape = tuple[int, ...]
_WITHOUT_WEIGHTS_AS_INPUTS = 4  # the IR version from which initializers need not be inputs


def plain_graph(
    model: onnx.ModelProto, inputs: Mapping[str, Shape], outputs: Mapping[str, Shape], dynamic: bool
) -> onnx.ModelProto:
    """Change the model in place, and return it or another.

    Args:
        model: as it was read.
        inputs: shapes for one sample.
        outputs: likewise, as they came out.
        dynamic: whether the first axis of all of them may be of any size.

    Raises `OnnxRefused` for a branch that no constant decides.
    """
    if model.functions:
        model = inliner.inline_local_functions(model)
    _fix_sizes(model, inputs, outputs, dynamic)
    model.ClearField("training_info")
    if any(node.op_type == "If" for node in nodes_of(model)):
        with stdout_to_stderr():
            model, _ = onnxsim.simplify(model)
        require_straight(model)
    return model


def _fix_sizes(
    model: onnx.ModelProto, inputs: Mapping[str, Shape], outputs: Mapping[str, Shape], dynamic: bool
) -> None:
    graph = model.graph
    weights = [value for value in graph.input if value.name not in inputs]
    for value in weights:
        graph.input.remove(value)
    if weights:
        model.ir_version = max(model.ir_version, _WITHOUT_WEIGHTS_AS_INPUTS)
    graph.ClearField("value_info")  # sizes that an exporter wrote for another batch
    for value, shape in [(value, inputs[value.name]) for value in graph.input] + [
        (value, outputs[value.name]) for value in graph.output
    ]:
        tensor = value.type.tensor_type
        tensor.ClearField("shape")
        for index, size in enumerate(shape):
            open_batch = dynamic and index == 0
            tensor.shape.dim.add(**({"dim_param": BATCH_NAME} if open_batch else {"dim_value": size}))


def at_readable_opset(model: onnx.ModelProto, target: Target) -> onnx.ModelProto | None:
    """The model at an operator set that the passes know and the target reads; None where it is at one already.

    Raises `OnnxRefused` where it is newer, or older than any that is read, and cannot be converted.
    """
    opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    wanted = min(max(opset, OPSETS.start), target.newest_opset)
    if wanted == opset:
        return None
    try:
        return onnx.version_converter.convert_version(model, wanted)
    except Exception as error:  # a family of its own, from C++
        if FIRST_READ <= opset <= target.newest_opset:
            return None  # an old one runs as it is, and some rules pass by
        raise opset_refused(opset, target, first_line(error)) from error


def opset_refused(opset: int, target: Target, why: str) -> OnnxRefused:
    """The error to raise for an operator set that the target does not read."""
    allowed = f"{FIRST_READ} to {target.newest_opset}"
    return OnnxRefused(
        f"The file has opset {opset}; {allowed} are read for {target.name}, and it cannot be converted: {why}.",
        f"Export it again at opset {min(target.newest_opset, 17)}.",
    )


def lower_ir_version(model: onnx.ModelProto, newest: int) -> bool:
    """Call a file that has nothing of the newer versions of the format by the newest that is read; whether it did.

    Raises `OnnxRefused` where it has.
    """
    if model.ir_version <= newest:
        return False
    newer = _of_newer_versions(model)
    if newer is not None:
        raise OnnxRefused(
            f"The file has IR version {model.ir_version}, IR {newest} is read at most, and it has {newer}, which came "
            "later.",
            "Export it again without, or for a target with a newer runtime.",
        )
    model.ir_version = newest
    return True


def _of_newer_versions(model: onnx.ModelProto) -> str | None:
    """What no IR version up to 9 has. (Metadata of nodes, which came with 10, is stripped.)"""
    known = {"FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ"}
    types = {tensor.data_type for tensor in model.graph.initializer}
    types |= {a.i for node in nodes_of(model) for a in node.attribute if node.op_type == "Cast" and a.name == "to"}
    names = {onnx.TensorProto.DataType.Name(number) for number in types}
    late = sorted(name for name in names if name.startswith(("FLOAT8", "FLOAT4", "INT4", "UINT4", "INT2", "UINT2")))
    late = [name for name in late if name not in known]
    return f"numbers of type {late[0].lower()}" if late else None
