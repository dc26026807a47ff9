"""A new graph written node by node beside an old one, with the old one's inputs, constants and outputs."""

from collections.abc import Mapping, Sequence
from typing import Any

import onnx_ir as ir

from exporters.rules.graph import Array, unique_name


class GraphWriter:
    """Nodes and constants on their way into a new model.

    Args:
        model: the old one. Names of its values are taken, for what stands for them.
    """

    def __init__(self, model: ir.Model) -> None:
        self._model, self._nodes, self._constants = model, list[ir.Node](), list[ir.Value]()
        graph = model.graph
        self._taken = {value.name for node in graph for value in node.outputs}
        self._taken |= {value.name for value in graph.inputs} | set(graph.initializers)
        self._node_names = set[str | None]()
        self.given = {value: _like(value) for value in (*graph.inputs, *graph.initializers.values())}
        """What stands for the old graph's inputs and constants."""

    @property
    def opset(self) -> int:
        """The operator set of ONNX's own nodes."""
        return self._model.graph.opset_imports[""]

    def named(self, name: str | None) -> ir.Value:
        """A new value of that name, or one like it where it is taken."""
        return ir.Value(name=unique_name(self._taken, name or "value"))

    def constant(self, array: Array, name: str | None) -> ir.Value:
        """A new initializer."""
        value = self.named(name)
        value.const_value = ir.tensor(array, name=value.name)
        value.shape, value.dtype = ir.Shape(array.shape), ir.DataType.from_numpy(array.dtype)
        self._constants.append(value)
        return value

    def node(
        self,
        op_type: str,
        inputs: Sequence[ir.Value | None],
        outputs: Sequence[ir.Value],
        attributes: Mapping[str, Any] | None = None,
        domain: str = "",
        name: str | None = None,
    ) -> None:
        """Write one node, whose inputs and outputs are values of the new graph.

        It gets the name of the node that it stands for, where there is one, so that a profile tells the layer.
        """
        named = unique_name(self._node_names, name or outputs[0].name or op_type)
        self._nodes.append(ir.node(op_type, inputs, attributes, domain=domain, outputs=outputs, name=named))

    def finished(self, outputs: Sequence[ir.Value], domains: Mapping[str, int]) -> ir.Model:
        """The model with these outputs, which get the names, shapes and types of the old one's.

        Of the old one's domains and these, those stay that a node is of.
        """
        old = self._model.graph
        for was, value in zip(old.outputs, outputs, strict=True):
            value.name, value.shape, value.type = was.name, was.shape, was.type
        inputs = [self.given[value] for value in old.inputs]
        used = {"", *(node.domain for node in self._nodes)}
        imports = {domain: version for domain, version in {**old.opset_imports, **domains}.items() if domain in used}
        constants = [value for value in (*self.given.values(), *self._constants) if value.const_value is not None]
        graph = ir.Graph(
            inputs,
            outputs,
            nodes=self._nodes,
            initializers=[one for one in constants if one in inputs or one.uses() or one in outputs],
            opset_imports=imports,
            name=old.name,
        )
        return ir.Model(graph, ir_version=self._model.ir_version)


def _like(value: ir.Value) -> ir.Value:
    return ir.Value(name=value.name, shape=value.shape, type=value.type, const_value=value.const_value)
