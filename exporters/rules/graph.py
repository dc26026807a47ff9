"""Reading and mending an ONNX graph, in the words that the rules are written in."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from exporters.rules.answers import Refused

Array = npt.NDArray[Any]

# One input, one output, the same shape, every element on its own.
_MATHS = {"Abs", "Cos", "Erf", "Exp", "Log", "Neg", "Reciprocal", "Sign", "Sin", "Sqrt"}
_ACTIVATIONS = {"Clip", "Elu", "HardSigmoid", "HardSwish", "LeakyRelu", "Relu", "Sigmoid", "Softplus", "Tanh"}
UNARY = frozenset(_MATHS | _ACTIVATIONS)
BINARY = frozenset(["Add", "Sub", "Mul", "Div", "Pow"])

MOST_PADDED = 4 / 3  # channels with the padding of the last block, over those there are


def constant(value: ir.Value | None) -> Array | None:
    """The numbers of an initializer or a Constant node; None for anything computed, or that a caller may override."""
    if value is not None and value.is_graph_input():
        return None
    tensor = None if value is None else ir.convenience.get_const_tensor(value)
    return None if tensor is None else tensor.numpy()


def shape(value: ir.Value | None) -> tuple[int, ...] | None:
    """The shape, a symbolic batch axis as −1; None where another axis is not known."""
    if value is None or value.shape is None:
        return None
    sizes = tuple(size if isinstance(size, int) else -1 for size in value.shape)
    return None if -1 in sizes[1:] else sizes


def same_shape(one: ir.Value | None, other: ir.Value | None) -> bool:
    """Whether two values surely have one shape: an unnamed unknown axis equals nothing, not even another such."""
    if one is None or other is None or one.shape is None or other.shape is None:
        return False
    known = all(isinstance(size, int) or size.value is not None for size in one.shape)
    return known and one.shape == other.shape


def kind(node: ir.Node) -> str:
    """The operator, or "" for one of another domain than ONNX's own, whatever it is called."""
    return node.op_type if node.domain in ("", "ai.onnx") else ""


def channels(value: ir.Value | None) -> int | None:
    """Size of axis 1 of (N, C, H, W); None for other ranks."""
    sizes = shape(value)
    return sizes[1] if sizes is not None and len(sizes) == 4 else None


def producer(value: ir.Value | None, *op_types: str) -> ir.Node | None:
    """The node that makes `value`, if it is of one of these types."""
    node = None if value is None else value.producer()
    return node if node is not None and kind(node) in op_types else None


def readers(value: ir.Value) -> tuple[ir.Node, ...]:
    """Every node that reads `value`, once each."""
    return tuple(dict.fromkeys(use.node for use in value.uses()))


def only_reader(value: ir.Value, *op_types: str) -> ir.Node | None:
    """The one node that reads `value`; None if there are more, if it is an output, or of another type."""
    nodes = readers(value)
    if len(nodes) != 1 or value.is_graph_output():
        return None
    return nodes[0] if not op_types or kind(nodes[0]) in op_types else None


def fills_blocks(count: int, block: int) -> bool:
    """Whether maps of so many channels gain from the runtime's layout in blocks: all are full, or the last one nearly.

    Convolutions that read less than one block leave the layout, and what pads the last block is computed as well.
    """
    return block == 0 or (count >= block and -(-count // block) * block <= MOST_PADDED * count)


def ints(node: ir.Node, name: str, default: Sequence[int] = ()) -> tuple[int, ...]:
    """An attribute of several whole numbers."""
    attribute = node.attributes.get(name)
    return tuple(default) if attribute is None else tuple(attribute.as_ints())


def number(node: ir.Node, name: str, default: int) -> int:
    """An attribute that is one whole number."""
    attribute = node.attributes.get(name)
    return default if attribute is None else attribute.as_int()


def real(node: ir.Node, name: str, default: float) -> float:
    """An attribute that is one number of any kind."""
    attribute = node.attributes.get(name)
    return default if attribute is None else attribute.as_float()


def operand(node: ir.Node, index: int) -> ir.Value | None:
    """An input that may be left out."""
    return node.inputs[index] if index < len(node.inputs) else None


def number_of_axis(node: ir.Node) -> int:
    """The axis of a Concat or Split, counted from the front."""
    axis, sizes = number(node, "axis", 0), shape(node.inputs[0])
    return axis if axis >= 0 else axis + (4 if sizes is None else len(sizes))


def known_convolution(conv: ir.Node) -> bool:
    """Whether its filters and bias are numbers, not computed."""
    return all(value is None or constant(value) is not None for value in conv.inputs[1:])


def opset(node: ir.Node) -> int:
    """The operator set that the node's graph is written in."""
    return node.graph.opset_imports.get("", 0) if isinstance(node.graph, ir.Graph) else 0


def split_refused(node: ir.Node) -> Refused | None:
    """Why `NodeBuilder.split` cannot write a Split before this node; None where it can."""
    return Refused("before opset 13 a Split is written otherwise") if opset(node) < 13 else None


def only_output(node: ir.Node) -> ir.Value:
    """The output of a node that has one."""
    return node.outputs[0]


class NodeBuilder:
    """Makes nodes and initializers before a given node, with names that are unique and tell where they come from.

    That is the place in the network of `like`, which is the node itself unless another one is given.
    """

    def __init__(self, before: ir.Node, like: ir.Node | None = None) -> None:
        graph = before.graph
        assert isinstance(graph, ir.Graph), "rules see nodes of a main graph"
        self._graph, self._before, self._taken = graph, before, _names(graph)
        self._stem = _stem(like or before)

    def constant(self, array: Array, role: str) -> ir.Value:
        """A new initializer; equal ones become one in the end."""
        name = unique_name(self._taken, f"{self._stem}/{role}")
        value = ir.Value(name=name, const_value=ir.tensor(np.array(array, order="C"), name=name))
        value.shape, value.dtype = ir.Shape(np.shape(array)), ir.DataType.from_numpy(array.dtype)
        self._graph.initializers[name] = value
        return value

    def op(
        self,
        op_type: str,
        *inputs: ir.Value | None,
        sizes: Sequence[int] | None = None,
        domain: str = "",
        **attributes: Any,
    ) -> ir.Value:
        """A new node with one output. `sizes` is its shape, where it is not that of its inputs broadcast."""
        return self._insert(ir.node(op_type, list(inputs), attributes=attributes, domain=domain), self._stem, sizes)

    def _insert(self, node: ir.Node, stem: str, sizes: Sequence[int] | None) -> ir.Value:
        output = only_output(node)
        output.name = unique_name(self._taken, f"{stem}/{node.op_type}")
        node.name = output.name
        self._type(output, node.inputs, sizes)
        self._graph.insert_before(self._before, node)
        return output

    def same(self, model: ir.Node, *inputs: ir.Value | None, sizes: Sequence[int] | None = None) -> ir.Value:
        """A new node of the type and with the attributes of `model`, on other inputs, in its place in the network."""
        attributes: dict[str, Any] = dict(model.attributes)
        return self._insert(ir.node(model.op_type, list(inputs), attributes=attributes), _stem(model), sizes)

    def split(self, value: ir.Value, sizes: Sequence[int]) -> list[ir.Value]:
        """Cut axis 1 into consecutive parts of these sizes. The caller has asked `split_refused`."""
        node = ir.node(
            "Split",
            [value, self.constant(np.array(sizes, dtype=np.int64), "sizes")],
            attributes={"axis": 1},
            num_outputs=len(sizes),
        )
        for index, output in enumerate(node.outputs):
            output.name = unique_name(self._taken, f"{self._stem}/Split_{index}")
            whole = shape(value)
            self._type(output, [value], None if whole is None else (whole[0], sizes[index], *whole[2:]))
        node.name = node.outputs[0].name
        self._graph.insert_before(self._before, node)
        return list(node.outputs)

    def _type(self, output: ir.Value, inputs: Sequence[ir.Value | None], sizes: Sequence[int] | None) -> None:
        dtype = next((value.dtype for value in inputs if value is not None), None)
        if dtype is not None:
            output.dtype = dtype
        sizes = _broadcast([shape(value) for value in inputs if value is not None]) if sizes is None else sizes
        if sizes is not None:
            output.shape = ir.Shape([None if size < 0 else size for size in sizes])


def _stem(node: ir.Node) -> str:
    """Where in a network a node stands: PyTorch writes the modules around it before its value's own name."""
    return (node.outputs[0].name or node.op_type).rpartition("/")[0]


def unique_name(taken: set[str | None], name: str) -> str:
    """The name, with a number behind it where it is taken; it is taken from then on."""
    candidate, index = name, 0
    while candidate in taken:
        index += 1
        candidate = f"{name}_{index}"
    taken.add(candidate)
    return candidate


def _names(graph: ir.Graph) -> set[str | None]:
    names = {value.name for node in graph for value in node.outputs} | {node.name for node in graph}
    return names | set(graph.initializers) | {value.name for value in graph.inputs}


# A symbolic batch axis stands for any number but 1. Where shapes are broadcast, a large prime stands for it.
_ANY_BATCH = 1_000_003


def _broadcast(shapes: Sequence[tuple[int, ...] | None]) -> tuple[int, ...] | None:
    known = [sizes for sizes in shapes if sizes is not None]
    if len(known) < len(shapes) or not known:
        return None
    stand_in = [tuple(_ANY_BATCH if size < 0 else size for size in sizes) for sizes in known]
    try:
        return tuple(-1 if size == _ANY_BATCH else size for size in np.broadcast_shapes(*stand_in))
    except ValueError:
        return None


def replace(old: ir.Value, new: ir.Value) -> None:
    """Let everything that read `old`, the graph's outputs included, read `new`.

    Names of inputs and outputs are part of the artifact's contract: an output keeps its own, by an Identity where the
    new value has a name to keep too.
    """
    if old.is_graph_output():
        if new.is_graph_input() or new.is_initializer() or new.is_graph_output():
            made = old.producer()
            assert made is not None, "an output that is an input or a constant is never replaced"
            new = NodeBuilder(made).op("Identity", new)
            new.shape, new.type = old.shape, old.type
        old.name, new.name = new.name, old.name
    if new.shape is None:
        new.shape = old.shape
    ir.convenience.replace_all_uses_with(old, new, replace_graph_outputs=True)
