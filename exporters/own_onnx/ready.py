"""The graph that the passes begin with: plain, of versions that they know and the target reads, equal to the file."""

import onnx

from exporters.errors import ExportError
from exporters.onnx_exporter import opset_of
from exporters.own_onnx.plain import at_readable_opset, lower_ir_version, opset_refused, plain_graph
from exporters.own_onnx.read import require_valid
from exporters.parity import prove_onnx
from exporters.reference import first_line
from exporters.right_answers import Reference
from exporters.targets.base import Target


def ready(
    model: onnx.ModelProto, reference: Reference, target: Target, dynamic: bool
) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """The graph, and sentences on what was converted. `model` may be changed.

    Raises `OnnxRefused` for versions that the target does not read and that cannot be lowered.
    """
    inputs = {name: array.shape for name, array in reference.samples[0].items()}
    outputs = {name: answers.values[0].shape for name, answers in reference.outputs.items()}
    plain = plain_graph(model, inputs, outputs, dynamic)
    said = []
    converted = at_readable_opset(plain, target)
    if converted is not None:
        why = _difference(reference, converted)
        if why is None:
            said.append(f"It was converted from opset {opset_of(plain)} to {opset_of(converted)}.")
            plain = converted
        elif opset_of(plain) > target.newest_opset:
            raise opset_refused(opset_of(plain), target, why)
    before = plain.ir_version
    if lower_ir_version(plain, target.newest_ir_version):
        said.append(f"Its IR version {before} is written as {plain.ir_version}, which says as much and is read.")
    require_valid(plain)
    return plain, tuple(said)


def _difference(reference: Reference, converted: onnx.ModelProto) -> str | None:
    """Why a converted graph is another one, as a clause; None where it is equal."""
    try:
        prove_onnx(reference, converted)
    except ExportError as error:
        return first_line(error.message)
    except Exception as error:  # ONNX Runtime has a family of its own
        return first_line(error)
    return None
