"""A chain is the layer, twenty times, and its values stay of one size."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper

from groupnl_deploy.energy_model.layer import LayerShape
from groupnl_deploy.energy_sweep.chain import chain, chain_artifact
from groupnl_deploy.progress import Silence


@pytest.mark.parametrize("groups", [1, 4, 32])
@pytest.mark.parametrize("batch", [1, 3])
def test_it_computes_the_layer_again_and_again(groups: int, batch: int) -> None:
    model = chain(LayerShape(32, 32, 3, 9, 7), groups, batch)
    onnx.checker.check_model(model, full_check=True)
    weights = [numpy_helper.to_array(one) for one in model.graph.initializer]
    assert len(weights) == 20 == len({one.tobytes() for one in weights}), "each has weights of its own"
    given = np.random.default_rng(3).standard_normal((batch, 32, 9, 7), dtype=np.float32)
    right = torch.from_numpy(given)
    for weight in weights:
        right = torch.nn.functional.conv2d(right, torch.from_numpy(weight.copy()), padding=1, groups=groups)
    (found,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"input": given})
    assert np.abs(found - right.numpy()).max() < 1e-4 * found.std()
    assert 1e-3 < found.std() < 1e3


def test_the_runtime_runs_twenty_convolutions_and_nothing_else_between_them(tmp_path: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "seen.onnx")
    made = chain(LayerShape(32, 32, 3, 8, 8), 2)
    onnxruntime.InferenceSession(made.SerializeToString(), options)
    seen = [node.op_type for node in onnx.load(tmp_path / "seen.onnx").graph.node]
    assert seen.count("Conv") == 20
    assert set(seen[1:-1]) == {"Conv"}, "layouts are changed at both ends alone"


def test_a_layer_that_cannot_follow_itself_is_refused() -> None:
    for shape in (LayerShape(8, 16, 3, 4, 4), LayerShape(8, 8, 3, 4, 4, 2)):
        with pytest.raises(ValueError, match="cannot follow itself"):
            chain(shape, 1)


def test_an_artifact_is_made_once_and_takes_no_images(tmp_path: Path) -> None:
    shape = LayerShape(8, 8, 3, 4, 3)  # which looks like an image whose channels are last
    made = chain_artifact(tmp_path / "conv", shape, 2, 1, Silence())
    assert made.manifest.samples == 1 and made.manifest.image_shape is None
    assert made.manifest.optimize == "none" and made.manifest.inputs[0].shape == (1, 8, 4, 3)
    before = (tmp_path / "conv" / "manifest.json").stat().st_mtime_ns
    assert chain_artifact(tmp_path / "conv", shape, 2, 1, Silence()).sha256 == made.sha256
    assert (tmp_path / "conv" / "manifest.json").stat().st_mtime_ns == before
    again = chain_artifact(tmp_path / "again" / "conv", shape, 2, 1, Silence())
    assert again.sha256 == made.sha256, "the same layer is the same artifact"
