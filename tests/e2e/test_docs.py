"""The code in docs/extending.md does what the page says."""

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
from torch import nn

from exporters.rules.answers import Fired
from groupnl_deploy.models import registry
from groupnl_deploy.models.layers import build
from groupnl_deploy.models.registry import create_model, model_spec
from groupnl_deploy.models.replace import apply_conv_method

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"


def code(first_line: str) -> str:
    """The Python block that starts with this text."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    return next(block for block in blocks if block.startswith(first_line))


def test_the_network_of_ten_lines_takes_every_method(monkeypatch: pytest.MonkeyPatch) -> None:
    assert registry.list_models(), "all families are in, or they would go with what is restored"
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    exec(code('"""A network of two convolutions'), {})
    for method in ("standard", "groupnl", "ghost"):
        assert create_model(model_spec("tiny_cifar", method))(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_the_layer_of_ten_lines_is_a_convolution() -> None:
    names: dict = {"__name__": "shuffled"}
    exec(code('"""A grouped convolution whose output'), names)
    builder = dict(vars(build)) | {"ShuffledConv2d": names["ShuffledConv2d"]}
    exec(code("def _shuffled"), builder)
    layer = builder["_shuffled"](SimpleNamespace(num_groups=2), build.ConvShape(8, 8, 1))
    assert layer.groups == 2 and layer(torch.zeros(1, 8, 4, 4)).shape == (1, 8, 4, 4)


def test_the_rule_of_three_lines_replaces_what_it_says() -> None:
    names: dict = {}
    exec(code("from groupnl_deploy.models.replace import Replacement"), names)
    network = nn.Sequential(nn.Conv2d(3, 16, 3), nn.Conv2d(16, 16, 1), nn.Conv2d(16, 64, 3))
    assert [conv.name for conv in apply_conv_method(network, names["rule"]).replaced] == ["2"]


def test_the_rewrite_rule_rewrites() -> None:
    names: dict = {}
    exec(code('"""x / c = x'), names)
    divisor = onnx.numpy_helper.from_array(np.array([4.0], dtype=np.float32), "divisor")
    maps = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [2])
    result = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [2])
    node = onnx.helper.make_node("Div", ["x", "divisor"], ["y"], name="div")
    model = ir.serde.deserialize_model(
        onnx.helper.make_model(onnx.helper.make_graph([node], "g", [maps], [result], [divisor]))
    )
    assert names["multiply_instead"](model.graph[0]) == Fired()
    assert [node.op_type for node in model.graph if node.outputs[0].is_graph_output()] == ["Mul"]
