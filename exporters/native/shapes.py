"""The shapes of everything in a graph with native operators, which ONNX's own inference does not know.

It is asked of a stand-in: each native operator becomes standard ones that give the same shapes.
"""

import onnx_ir as ir
from onnx_ir.passes import common

from exporters.native.operators import DEPTHWISE, DOMAIN, GENERATE, GROUPNL, POINTWISE, SCALE
from exporters.rules.graph import Array, constant, ints, number

_SMALL = 1024  # numbers; a larger constant is never a shape, and its values are left out


def learn_shapes(model: ir.Model) -> None:
    """Write shapes and types onto the values of a graph, wherever they can be inferred."""
    stand_in = _StandIn(model)
    common.ShapeInferencePass(check_type=False, strict_mode=False)(stand_in.model)
    for value, other in stand_in.values.items():
        if other.shape is not None:
            value.shape = other.shape
        if other.dtype is not None:
            value.dtype = other.dtype


class _StandIn:
    """A graph of the same shapes and names, without native operators and without large constants."""

    def __init__(self, model: ir.Model) -> None:
        graph, self.values = model.graph, dict[ir.Value, ir.Value]()
        self.inputs, self.initializers, self.nodes = list[ir.Value](), list[ir.Value](), list[ir.Node]()
        for value in graph.inputs:
            self.inputs.append(self._value(value))
        for value in graph.initializers.values():
            self._initializer(value)
        for node in graph:
            (self._native if node.domain == DOMAIN else self._same)(node)
        outputs = [self.values[value] for value in graph.outputs]
        imports = {domain: version for domain, version in graph.opset_imports.items() if domain != DOMAIN}
        made = ir.Graph(
            self.inputs, outputs, nodes=self.nodes, initializers=self.initializers, opset_imports=imports, name="shapes"
        )
        self.model = ir.Model(made, ir_version=model.ir_version)

    def _value(self, like: ir.Value) -> ir.Value:
        value = ir.Value(name=like.name, shape=like.shape, type=like.type)
        self.values[like] = value
        return value

    def _initializer(self, value: ir.Value) -> None:
        if value in self.values:
            return
        tensor, stand_in = value.const_value, self._value(value)
        if tensor is None or tensor.size > _SMALL:
            self.inputs.append(stand_in)
        else:
            stand_in.const_value = tensor
            self.initializers.append(stand_in)

    def _same(self, node: ir.Node) -> None:
        self._node(node.op_type, node, [self.values.get(value) if value else None for value in node.inputs])

    def _node(self, op_type: str, like: ir.Node, inputs: list[ir.Value | None], **attributes: object) -> None:
        outputs = [self._value(value) for value in like.outputs]
        given = attributes or dict(like.attributes)
        domain = "" if like.domain == DOMAIN else like.domain
        self.nodes.append(ir.node(op_type, inputs, given, domain=domain, outputs=outputs, name=like.name))  # type: ignore[arg-type]

    def _native(self, node: ir.Node) -> None:
        """A convolution with as many filters, and the mean behind it, have the shapes of all but `Scale`."""
        images = node.inputs[0]
        assert images is not None, "a native operator reads images"
        if node.op_type == SCALE:
            self.nodes.append(ir.node("Identity", [self.values[images]], outputs=[self._value(node.outputs[0])]))
            return
        count, window, more = _convolution_of(node)
        filters = ir.Value(name=f"{node.outputs[0].name}/filters", shape=ir.Shape((count, 1, *window)))
        filters.dtype = ir.DataType.FLOAT
        self.inputs.append(filters)
        made = [self._value(value) for value in node.outputs]
        attributes = {"kernel_shape": list(window), **more}
        self.nodes.append(ir.node("Conv", [self.values[images], filters], attributes, outputs=made[:1]))
        for mean in made[1:]:
            self.nodes.append(ir.node("GlobalAveragePool", made[:1], outputs=[mean]))


def _convolution_of(node: ir.Node) -> tuple[int, tuple[int, ...], dict[str, list[int]]]:
    """How many filters of which size, and the attributes of the window, has the convolution of the same shapes."""
    if node.op_type == GENERATE:
        return number(node, "channels", 0), (1, 1), {}
    weight = constant_of(node, 1)
    if node.op_type == POINTWISE:
        return len(weight), (1, 1), {}
    assert node.op_type in (GROUPNL, DEPTHWISE), node.op_type
    count = number(node, "channels", 0) if node.op_type == GROUPNL else len(weight)
    window = {name: list(ints(node, name)) for name in ("strides", "pads", "dilations")}
    return count, weight.shape[2:], {name: values for name, values in window.items() if values}


def constant_of(node: ir.Node, index: int) -> Array:
    """An input that is a constant by the operator's definition."""
    array = constant(node.inputs[index])
    assert array is not None, f"input {index} of {node.op_type} is an initializer"
    return array
