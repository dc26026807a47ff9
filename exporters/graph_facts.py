"""What an ONNX file says of itself: versions, names and shapes."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from exporters.errors import ArtifactDamaged

if TYPE_CHECKING:
    import onnx

Axes = tuple[int | str, ...]


@dataclass(frozen=True)
class Value:
    """An input or output: its name, its element type, its axes; an axis of any size has a name or is "?"."""

    name: str
    dtype: str
    shape: Axes

    def __str__(self) -> str:
        return f"{self.name} {self.dtype} {'x'.join(map(str, self.shape)) or 'a single number'}"


@dataclass(frozen=True)
class GraphFacts:
    """Versions, inputs and outputs, and how many nodes the graph has. Inputs that are weights are none."""

    opset: int | None
    ir_version: int | None
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    nodes: int


def read_graph_facts(path: Path) -> GraphFacts:
    """Read an ONNX file, and no file of weights beside it. Raises `ArtifactDamaged` for bytes that are none."""
    import onnx  # here, for those who push no graph

    try:
        return _facts(onnx.load(path, load_external_data=False))
    except Exception as error:  # protobuf has a family of its own
        raise ArtifactDamaged(f"{path} is no ONNX file.", "Export again.") from error


def _facts(model: "onnx.ModelProto") -> GraphFacts:
    weights = {tensor.name for tensor in model.graph.initializer}
    return GraphFacts(
        next((known.version for known in model.opset_import if known.domain in ("", "ai.onnx")), None),
        model.ir_version or None,
        tuple(_value(value) for value in model.graph.input if value.name not in weights),
        tuple(map(_value, model.graph.output)),
        len(model.graph.node),
    )


def _value(value: "onnx.ValueInfoProto") -> Value:
    from onnx.helper import tensor_dtype_to_np_dtype

    tensor = value.type.tensor_type
    axes = (axis.dim_value if axis.HasField("dim_value") else axis.dim_param or "?" for axis in tensor.shape.dim)
    return Value(value.name, str(tensor_dtype_to_np_dtype(tensor.elem_type)), tuple(axes))
