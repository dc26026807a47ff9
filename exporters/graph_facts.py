"""What an ONNX file says of itself: versions, names and shapes."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from exporters.errors import ArtifactDamaged
from exporters.native.operators import DOMAIN, RUNTIME_DOMAIN

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
    """Versions, inputs and outputs, and how many nodes the graph has. Inputs that are weights are none.

    Args:
        opset: of ONNX's own operators.
        ir_version: of the file.
        inputs: in their order.
        outputs: in their order.
        nodes: how many there are.
        native: how many native operators of each name (`exporters.native.operators`).
        native_version: that the file asks for; None without such operators.
        blocks: the blocks that native operators name; 0 is the plain layout.
        in_blocks: whether a node has images in blocks, one of the runtime's own or a native one.
        hard_swish_inside: whether a convolution in blocks has HardSwish inside, which older runtimes do not know.
    """

    opset: int | None
    ir_version: int | None
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    nodes: int
    native: dict[str, int]
    native_version: int | None
    blocks: frozenset[int]
    in_blocks: bool
    hard_swish_inside: bool


def read_graph_facts(path: Path) -> GraphFacts:
    """Read an artifact's ONNX file. Raises `ArtifactDamaged` for bytes that are none, and for weights elsewhere."""
    import onnx  # here, for those who push no graph

    from exporters.outside_tensors import locations

    try:
        model = onnx.load(path, load_external_data=False)
        facts = graph_facts(model)
    except Exception as error:  # protobuf has a family of its own
        raise ArtifactDamaged(f"{path} is no ONNX file.", "Export again.") from error
    if elsewhere := locations(model):
        raise ArtifactDamaged(
            f"{path} has weights in another file, “{elsewhere[0]}”: no digest of the artifact covers what is there.",
            "Export again: `groupnl export FILE.onnx` takes the weights that lie beside a file into the artifact.",
        )
    return facts


def graph_facts(model: "onnx.ModelProto") -> GraphFacts:
    """The same of a model that is in memory."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return GraphFacts(
        next((known.version for known in model.opset_import if known.domain in ("", "ai.onnx")), None),
        model.ir_version or None,
        tuple(_value(value) for value in model.graph.input if value.name not in weights),
        tuple(map(_value, model.graph.output)),
        len(model.graph.node),
        *_native(model),
        _has_hard_swish_inside(model),
    )


def _native(model: "onnx.ModelProto") -> tuple[dict[str, int], int | None, frozenset[int], bool]:
    """Of native operators: how many of each, their version, their blocks, and whether anything is in blocks."""
    nodes = [node for node in model.graph.node if node.domain == DOMAIN]
    blocks = frozenset(entry.i for node in nodes for entry in node.attribute if entry.name == "block")
    in_blocks = any(blocks) or any(node.domain == RUNTIME_DOMAIN for node in model.graph.node)
    version = next((known.version for known in model.opset_import if known.domain == DOMAIN), None)
    return dict(Counter(node.op_type for node in nodes)), version, blocks, in_blocks


def _has_hard_swish_inside(model: "onnx.ModelProto") -> bool:
    convs = (node for node in model.graph.node if node.domain == RUNTIME_DOMAIN and node.op_type == "Conv")
    return any(entry.name == "activation" and entry.s == b"HardSwish" for node in convs for entry in node.attribute)


def _value(value: "onnx.ValueInfoProto") -> Value:
    from onnx.helper import tensor_dtype_to_np_dtype

    tensor = value.type.tensor_type
    axes = (axis.dim_value if axis.HasField("dim_value") else axis.dim_param or "?" for axis in tensor.shape.dim)
    return Value(value.name, str(tensor_dtype_to_np_dtype(tensor.elem_type)), tuple(axes))
