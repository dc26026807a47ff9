"""The passes over a raw ONNX graph, in order, each with its count of nodes before and after.

`PASSES` is the whole pipeline: to know what runs, read it. A pass is a function from a model to a model.
"""

from collections.abc import Callable

import onnx
import onnxsim

from device_agent.wire import PassReport
from exporters.errors import ExportFailed

Pass = Callable[[onnx.ModelProto], onnx.ModelProto]


def simplify(model: onnx.ModelProto) -> onnx.ModelProto:
    """onnxsim: fold constants, fuse BatchNorm into the conv before it, drop what nothing reads."""
    simplified: onnx.ModelProto
    simplified, equal = onnxsim.simplify(model)
    if not equal:
        raise ExportFailed("onnxsim's own check of its result failed.", "Report this with the model's name.")
    return simplified


def strip_metadata(model: onnx.ModelProto) -> onnx.ModelProto:
    """Remove what depends on where and by whom the export ran, so that equal models have equal bytes."""
    stripped = onnx.ModelProto()
    stripped.CopyFrom(model)
    stripped.doc_string = ""
    stripped.graph.doc_string = ""
    del stripped.metadata_props[:]
    for node in stripped.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    return stripped


PASSES: tuple[tuple[str, Pass], ...] = (
    ("simplify", simplify),
    ("strip_metadata", strip_metadata),
)


def optimize(model: onnx.ModelProto) -> tuple[onnx.ModelProto, tuple[PassReport, ...]]:
    """Run every pass and check the result with ONNX's checker."""
    reports = []
    for name, apply in PASSES:
        before = len(model.graph.node)
        changed = _applied(name, apply, model)
        fired = int(changed.SerializeToString() != model.SerializeToString())
        reports.append(PassReport(name, fired, before, len(changed.graph.node)))
        model = changed
    _applied("check", _checked, model)
    return model, tuple(reports)


def _applied(name: str, apply: Pass, model: onnx.ModelProto) -> onnx.ModelProto:
    try:
        return apply(model)
    except ExportFailed:
        raise
    except Exception as error:  # onnx and onnxsim raise families of their own
        raise ExportFailed(
            f"The pass {name} failed: {str(error).strip().splitlines()[0] if str(error) else type(error).__name__}.",
            "Nothing was written; report it with the model's name.",
        ) from error


def _checked(model: onnx.ModelProto) -> onnx.ModelProto:
    onnx.checker.check_model(model, full_check=True)
    return model
