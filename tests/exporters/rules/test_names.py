"""What a rule writes is called by its place in the network, so that a profile tells the layer."""

import onnx_ir as ir

from exporters.rules.graph import NodeBuilder
from tests.exporters.rules.conftest import Net


def test_a_node_written_anew_keeps_its_place_and_others_get_that_of_the_rule() -> None:
    net = Net()
    first = net.conv(net.input(1, 4, 8, 8), 4, 4, name="/block/conv_pw/Conv_output_0")
    net.conv(first, 4, 4, name="/block/conv_dw/conv1/Conv_output_0")
    before, seeds = ir.serde.deserialize_model(net.model()).graph
    builder = NodeBuilder(seeds)
    half = builder.same(before, *before.inputs)
    assert half.name == "/block/conv_pw/Conv" and half.producer().name == half.name
    assert builder.same(before, *before.inputs).name == "/block/conv_pw/Conv_1"
    assert builder.op("Add", half, half).name == "/block/conv_dw/conv1/Add"
    assert NodeBuilder(seeds, before).op("Relu", half).name == "/block/conv_pw/Relu"
