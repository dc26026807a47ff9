"""How large a graph is once the functions that the file brings are written out, found without writing them out."""

from collections.abc import Iterable

import onnx

from exporters.errors import OnnxRefused
from exporters.own_onnx.nodes import graphs_in

MOST_NODES = 1_000_000
"""A network has some thousands; functions that call functions twice make 2^30 of thirty."""
_DEEPEST = 64
_Key = tuple[str, str]


def require_countable(model: onnx.ModelProto) -> None:
    """Raise `OnnxRefused` for functions that call themselves, and for those that become too many nodes."""
    functions = {(one.domain, one.name): one for one in model.functions}
    sizes: dict[_Key, int] = {}

    def nodes(found: Iterable[onnx.NodeProto], depth: int) -> int:
        return sum(node_size(node, depth) for node in found)

    def node_size(node: onnx.NodeProto, depth: int) -> int:
        key = (node.domain, node.op_type)
        if key in functions and key not in sizes:
            if depth > _DEEPEST:
                raise _refused("call one another without end, or too deep")
            sizes[key] = nodes(functions[key].node, depth + 1)
        inner = (graph for attribute in node.attribute if attribute.HasField("g") for graph in graphs_in(attribute.g))
        return sizes.get(key, 1) + sum(nodes(graph.node, depth + 1) for graph in inner)

    count = nodes(model.graph.node, 0) if functions else 0
    if count > MOST_NODES:
        raise _refused(f"stand for {count:.3g} operators")


def _refused(what: str) -> OnnxRefused:
    return OnnxRefused(f"The file's own functions {what}.", "Export it without: export_modules_as_functions=False.")
