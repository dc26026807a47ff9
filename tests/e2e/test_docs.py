"""The code in docs/extending.md does what the page says."""

import ast
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
from torch import nn

from device_agent.strict import from_dict, to_dict
from exporters.rules.answers import Fired
from groupnl_deploy.images import datasets
from groupnl_deploy.images.source import DataSource
from groupnl_deploy.models import networks
from groupnl_deploy.models.inference import to_inference
from groupnl_deploy.models.methods import METHODS, ConvMethod
from groupnl_deploy.models.profile import profile
from groupnl_deploy.models.registry import create_model, model_spec
from groupnl_deploy.models.replace import apply_conv_method
from groupnl_deploy.models.spec import ConvSpec, InvalidSpec, ModelSpec
from groupnl_deploy.training.loop import train
from groupnl_deploy.training.recipe import Recipe

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"


def code(first_line: str, language: str = "python") -> str:
    """The block that starts with this text."""
    blocks = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    return next(block for block in blocks if block.startswith(first_line))


def test_the_network_of_ten_lines_and_its_line_take_every_method(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = ModuleType("groupnl_deploy.models.tiny")
    exec(code('"""A network of two convolutions'), vars(tiny))
    monkeypatch.setitem(sys.modules, tiny.__name__, tiny)
    names = dict(vars(networks))
    exec(f"(network,) = ({code('        Network(', 'text').strip()})", names)
    monkeypatch.setitem(networks.NETWORKS, "tiny_cifar", names["network"])
    for method in ("standard", "groupnl", "ghost"):
        assert create_model(model_spec("tiny_cifar", method))(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_the_convolution_of_ten_lines_and_its_line_are_all_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = ModuleType("groupnl_deploy.models.layers.shuffled")
    exec(code('"""A grouped convolution whose output'), layer.__dict__)
    monkeypatch.setitem(sys.modules, layer.__name__, layer)
    (line,) = re.findall(r"```text\n( *ConvMethod\(.*\),)\n```", PAGE.read_text(encoding="utf-8"))
    names: dict = {"ConvMethod": ConvMethod}
    exec(f"(method,) = ({line.strip()})", names)
    method = names["method"]
    monkeypatch.setitem(METHODS, method.word, method)
    options = {"num_classes": 7, "width": 0.25, "input_shape": (3, 64, 64)}
    for name, replaced in (("resnet18_cifar", 19), ("resnet50", 13), ("mobilenetv2_100", 17)):
        spec = model_spec(name, "shuffled", knobs={"num_groups": 8}, **options)
        assert from_dict(ModelSpec, to_dict(spec)) == spec and "shuffled g=8" in spec.label
        network = create_model(spec).eval()
        assert sum(type(module) is layer.ShuffledConv2d for module in network.modules()) == replaced
        assert profile(spec).total.params == sum(parameter.numel() for parameter in network.parameters())
        image = torch.randn(1, 3, 64, 64)
        torch.testing.assert_close(to_inference(network)(image), network(image), rtol=1e-3, atol=1e-4)
    with pytest.raises(InvalidSpec, match=r"ratio is a knob of .*, not of shuffled"):
        model_spec("resnet18_cifar", "shuffled", knobs={"ratio": 4})
    with pytest.raises(InvalidSpec, match=r"layer1\.0\.conv1 .*divisible"):
        create_model(model_spec("resnet18_cifar", "shuffled", knobs={"num_groups": 5}))


def test_the_data_set_is_drawn_and_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("shapes")
    exec(code('"""Discs and squares'), vars(module))
    monkeypatch.setitem(sys.modules, "groupnl_deploy.images.shapes", module)
    line = ast.literal_eval("{" + code('    "shapes"', "text").strip() + "}")
    monkeypatch.setattr(datasets, "DATASETS", datasets.DATASETS | line)
    data = datasets.load_dataset(DataSource("shapes"))
    assert not np.array_equal(data.train[0], data.test[0]), "no image is in both parts"
    few = replace(data, train=module.DrawnShapes(32, (0, 0)), test=module.DrawnShapes(20, (0, 1)))
    spec = ModelSpec("resnet18_cifar", ConvSpec("standard"), width=0.125, num_classes=data.num_classes)
    assert train(spec, Recipe(epochs=1), few, lambda progress: None).evaluation.count == 20


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
