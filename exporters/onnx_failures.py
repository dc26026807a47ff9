"""What torch's TorchScript exporter raises → one sentence of what is wrong and where, and one of what to do.

It raises errors of its own for operators without a form in ONNX (`UnsupportedOperatorError`) and for those whose
form needs what is not known (`SymbolicValueError`), and whatever Python has besides: assertions about unknown sizes,
type and value errors of a symbolic function or of the tracer.
"""

import re
from types import TracebackType
from typing import Any

import torch
from torch import nn

from exporters.amplification import where_it_fails
from exporters.choices import OPSETS
from exporters.errors import ExportFailed

MOST_BYTES = 2**31 - 1  # protobuf's limit for one message, and so for an ONNX file without others beside it
GRAPH_BYTES = 1 << 20  # of nodes, names and shapes: a large network has half of that
_FITS = "Export it with --format torch, or make it narrower (--width)."


def require_fits_one_file(model: nn.Module) -> None:
    """Raise `ExportFailed` for weights that no single ONNX file holds, before minutes of work are lost."""
    tensors = {tensor.data_ptr(): tensor for tensor in (*model.parameters(), *model.buffers())}
    count = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    if count + GRAPH_BYTES > MOST_BYTES:
        raise ExportFailed(f"Weights of {count / 2**30:.1f} GiB do not fit one ONNX file, which ends at 2 GiB.", _FITS)


def explained(error: Exception, model: nn.Module, example: torch.Tensor, opset: int, dynamic: bool) -> ExportFailed:
    """The error to raise in place of one that left `torch.onnx.export`."""
    said, (operator, place) = _sentence(error), _at_work(error)
    used = f"{operator}, which {place} uses," if operator else "an operator"
    if isinstance(error, torch.onnx.errors.UnsupportedOperatorError):
        return _unsupported(said, operator, place, opset)
    if "2GiB" in said.replace(" ", "") or "2GB" in said.replace(" ", "") or "must be a file path" in said:
        return ExportFailed(f"The model does not fit one ONNX file, which ends at 2 GiB: {said}.", _FITS)
    if operator:
        remedy = "Write it with other operators"
        remedy += ", or export without --batch dynamic, with which sizes are not known." if dynamic else "."
        return ExportFailed(f"torch cannot write {used} in ONNX at opset {opset}: {said}.", remedy)
    failing = where_it_fails(model, example)
    if failing is not None:
        inside = f"in {failing} " if failing else ""
        shape = tuple(example.shape)
        return ExportFailed(
            f"The network itself fails {inside}on an input of shape {shape}: {said}.", "Mend it, then export again."
        )
    return ExportFailed(
        f"torch {torch.__version__} cannot trace this network: {said}.",
        "Let forward take one tensor and return one, by tensor operations alone.",
    )


def _unsupported(said: str, operator: str, place: str, opset: int) -> ExportFailed:
    named = re.search(r"operator '([^']+)'|namespace (\S+?)\.", said)
    name = operator or (next(group for group in named.groups() if group) if named else "an operator")
    later = re.search(r"added in version (\d+)", said)
    message = f"The operator {name}{f' of {place}' if place else ''} has no form in ONNX at opset {opset}"
    if later and int(later[1]) in OPSETS:
        return ExportFailed(f"{message}; it has one from opset {later[1]} on.", f"Ask for --opset {later[1]}.")
    return ExportFailed(
        f"{message}, and torch knows none.",
        "Write the layer with operators that ONNX has: reshape, transpose, products, convolutions.",
    )


def _sentence(error: Exception) -> str:
    """The first line without the addresses and shapes of torch's own graph; the error's type where it says nothing."""
    text = str(error).partition("[Caused by the value")[0].strip()
    text = text.partition(" Please feel free to request support")[0]
    first = text.splitlines()[0].strip().rstrip(".") if text else ""
    plain = isinstance(error, RuntimeError | ValueError)
    return first if first and plain else f"{type(error).__name__}{f': {first}' if first else ''}"


def _at_work(error: Exception) -> tuple[str, str]:
    """(operator, module) that were being written when the error came; ("", "") for neither.

    The traceback still has the exporter's frame, and the frame the node.
    """
    node = _node(error.__traceback__)
    if node is None:
        return "", ""
    class_name, _, path = str(node.scopeName()).rpartition("/")[2].partition("::")
    return str(node.kind()), f"{path or 'the network itself'} ({class_name.rpartition('.')[2]})"


def _node(traceback: TracebackType | None) -> Any:
    found = None
    while traceback is not None:
        if traceback.tb_frame.f_code.co_name == "_run_symbolic_function":
            found = traceback.tb_frame.f_locals.get("node")
        traceback = traceback.tb_next
    return found
