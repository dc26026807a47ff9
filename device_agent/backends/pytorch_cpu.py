"""PyTorch on the CPU: the eager module, rebuilt from its specification and filled from safetensors; or a step of its
training, of an artifact that says so.

The one place where the agent imports the project's models, which travel in the same bundle.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from device_agent.arrays import Arrays
from device_agent.backends import Subject
from device_agent.errors import BackendFailed
from device_agent.manifest import ArtifactManifest
from device_agent.messages.profile import Profiled
from device_agent.settings import Settings
from device_agent.strict import StrictError, from_dict
from groupnl_deploy.models.inference import inference_form
from groupnl_deploy.models.registry import create_model
from groupnl_deploy.models.spec import ModelSpec
from groupnl_deploy.models.training_step import step_of


class PyTorchBackend:
    """Runs the eager net under `inference_mode`, and a step of a training without."""

    native = None
    providers: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.versions = {"torch": torch.__version__, "numpy": np.__version__}

    def load(self, subject: Subject, settings: Settings) -> None:
        """Build the net, copy the weights in, set the threads for the whole process."""
        torch.set_num_threads(settings.threads)
        manifest = subject.manifest
        try:
            model = _built(manifest)
            model.load_state_dict(load_file(subject.directory / manifest.file("model").name))
        except (StrictError, ValueError, RuntimeError) as error:
            raise BackendFailed(
                f"PyTorch {torch.__version__} cannot build the model: {error}.", "Export and push it again."
            ) from error
        self._infers = manifest.step is None  # a step is in the mode that it needs already
        self._model: Any = model.eval() if self._infers else model.step
        self._inputs, (self._output,) = manifest.inputs, manifest.outputs

    def prepare(self, inputs: Arrays) -> tuple[torch.Tensor, ...]:
        """The tensors that `run` takes; they share the arrays' memory."""
        return tuple(torch.from_numpy(inputs[one.name]) for one in self._inputs)

    def run(self, prepared: tuple[torch.Tensor, ...]) -> Any:
        """One inference, or one step."""
        with torch.inference_mode(self._infers):
            return self._model(*prepared)

    def outputs(self, result: Any) -> Arrays:
        """The logits."""
        return {self._output.name: result.numpy()}

    def profile(self, subject: Subject, settings: Settings, prepared: Sequence[tuple[torch.Tensor, ...]]) -> Profiled:
        """The operators that each module calls."""
        if subject.manifest.step is not None:
            return Profiled((), (), "a step of a training has no profile by layers")
        from device_agent.torch_profile import profile_module

        del self._model  # a small board has no room for it twice
        self.load(subject, settings)
        return profile_module(self._model, self.run, prepared)


def _built(manifest: ArtifactManifest) -> torch.nn.Module:
    spec = from_dict(ModelSpec, manifest.model, "model")
    if manifest.step is not None:
        return step_of(spec, manifest.step)
    return create_model(spec) if manifest.form == "eager" else inference_form(spec)
