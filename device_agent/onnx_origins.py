"""Which nodes of a model's file an operator computes, once the runtime has rewritten the graph. Pure.

A runtime fuses nodes, moves images into a layout of its own and back, and gives what it made new names. Two things
stay: a fused operator is called by the last of its nodes or by that one's value, and the graph that ran says which
operator reads from which. So an operator computes its last node and all before it, back to the last nodes of others.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from device_agent.onnx_nodes import OnnxGraph, OnnxNode

# What ONNX Runtime writes behind a name that it takes over (nchwc_transformer.cc, graph.cc).
_BEHIND = re.compile(r"(_bn)?_nchwc$|_token_\d+$")


@dataclass(frozen=True)
class Origin:
    """The nodes of the file that an operator computes, its last one first, and the operators that it reads from.

    A node without a name is called by its value's.
    """

    nodes: tuple[str, ...]
    after: tuple[int, ...]


def origins(ran: OnnxGraph, file: OnnxGraph) -> list[Origin]:
    """Of each node of the graph that ran, in its order."""
    known = _File(file)
    last, ends = dict[int, OnnxNode](), set[int]()
    for place, node in enumerate(ran.nodes):
        found = known.node_of(node)
        # A value that is reordered behind its operator has the old name, and its operator came first.
        if found is not None and id(found) not in ends:
            last[place] = found
            ends.add(id(found))
    makers = {value: place for place, node in enumerate(ran.nodes) for value in node.outputs}
    return [
        Origin(
            tuple(one.name or one.outputs[0] for one in known.back_from(last[place], ends)) if place in last else (),
            tuple(dict.fromkeys(makers[value] for value in node.inputs if value in makers)),
        )
        for place, node in enumerate(ran.nodes)
    ]


class _File:
    """The graph of the file, by names and by values."""

    def __init__(self, graph: OnnxGraph) -> None:
        self._by_name = {node.name: node for node in graph.nodes if node.name}
        self._makers = {value: node for node in graph.nodes for value in node.outputs}
        self._fed = _fed_by(graph.nodes, graph.inputs)

    def node_of(self, ran: OnnxNode) -> OnnxNode | None:
        """The last node that an operator computes."""
        names, name = [ran.name], ran.name
        while (shorter := _BEHIND.sub("", name)) != name:
            names.append(name := shorter)
        found: Mapping[str, OnnxNode]
        for found, asked in ((self._by_name, names), (self._makers, names), (self._makers, ran.outputs)):
            for one in asked:
                if one in found:
                    return found[one]
        return None

    def back_from(self, last: OnnxNode, ends: set[int]) -> list[OnnxNode]:
        """This node and those before it, the nearest first, up to where another operator ends."""
        reached, seen = [last], {id(last)}
        for node in reached:  # grows on the way
            for value in node.inputs:
                before = self._makers.get(value)
                if before is None or value not in self._fed or id(before) in seen | ends:
                    continue
                seen.add(id(before))
                reached.append(before)
        return reached


def _fed_by(nodes: Sequence[OnnxNode], inputs: Sequence[str]) -> set[str]:
    """The values that depend on what a caller gives: what is made of constants is computed when the model is loaded."""
    fed = set(inputs)
    for node in nodes:
        if fed.intersection(node.inputs):
            fed.update(node.outputs)
    return fed
