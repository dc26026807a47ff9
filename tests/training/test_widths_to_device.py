"""A network with widths of its own is trained, exported, and gives its answers on a device."""

from pathlib import Path

import numpy as np
import pytest
import torch

from device_agent.backends import Subject
from device_agent.backends.onnxruntime_cpu import OnnxRuntimeBackend
from device_agent.backends.pytorch_cpu import PyTorchBackend
from device_agent.settings import Settings
from exporters.options import ExportOptions
from groupnl_deploy.export import export_checkpoint
from groupnl_deploy.images.dataset import Dataset
from groupnl_deploy.models.spec import ConvSpec, ModelSpec
from groupnl_deploy.recheck import require_artifact
from groupnl_deploy.training.checkpoint import load_model, save_trained
from groupnl_deploy.training.loop import train
from groupnl_deploy.training.recipe import Recipe


@pytest.mark.slow
def test_a_pruned_network_gives_the_same_answers_on_a_device(few_digits: Dataset, tmp_path: Path) -> None:
    widths = {"features.0": 16, "features.22": 24}
    spec = ModelSpec("vgg11_cifar", ConvSpec("groupnl"), width=0.125, widths=widths)  # type: ignore[arg-type]
    save_trained(tmp_path / "net", train(spec, Recipe(epochs=1), few_digits, lambda progress: None))
    checkpoint, model = load_model(tmp_path / "net")
    assert checkpoint.spec == spec and "2 own widths" in spec.label
    image = np.random.default_rng(0).standard_normal((1, *spec.input_shape)).astype(np.float32)
    with torch.inference_mode():
        right = model.eval()(torch.from_numpy(image)).numpy()
    for format, backend in (("onnx", OnnxRuntimeBackend()), ("torch", PyTorchBackend())):
        artifact = export_checkpoint(tmp_path / "net", tmp_path / format, format, ExportOptions("none"))
        require_artifact(artifact, tmp_path / "net")
        backend.load(Subject(artifact.directory, artifact.manifest, tmp_path), Settings(threads=1))
        answer = backend.outputs(backend.run(backend.prepare({"input": image})))["logits"]
        np.testing.assert_allclose(answer, right, rtol=1e-3, atol=1e-4)
        assert artifact.manifest.label == spec.label
