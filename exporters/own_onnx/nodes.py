"""Every node of a model, wherever it is."""

from collections.abc import Iterator

import onnx


def graphs_in(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """A graph, and those inside its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*attribute.graphs, *((attribute.g,) if attribute.HasField("g") else ())):
                yield from graphs_in(inner)


def nodes_of(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """Every node of a model, those of branches and functions among them."""
    for graph in graphs_in(model.graph):
        yield from graph.node
    for function in model.functions:
        yield from function.node
