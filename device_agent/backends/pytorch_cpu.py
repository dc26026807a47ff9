"""PyTorch on the CPU: the eager module, rebuilt from its specification and filled from safetensors.

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
from device_agent.messages.profile import Profiled
from device_agent.settings import Settings
from device_agent.strict import StrictError, from_dict
from groupnl_deploy.models.inference import inference_form
from groupnl_deploy.models.registry import create_model
from groupnl_deploy.models.spec import ModelSpec


class PyTorchBackend:
    """Runs the eager net under `inference_mode`."""

    native = None
    providers: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.versions = {"torch": torch.__version__, "numpy": np.__version__}

    def load(self, subject: Subject, settings: Settings) -> None:
        """Build the net, copy the weights in, set the threads for the whole process."""
        torch.set_num_threads(settings.threads)
        manifest = subject.manifest
        try:
            build = {"eager": create_model, "inference": inference_form}[manifest.form]
            model = build(from_dict(ModelSpec, manifest.model, "model"))
            model.load_state_dict(load_file(subject.directory / manifest.file("model").name))
        except (StrictError, ValueError, RuntimeError) as error:
            raise BackendFailed(
                f"PyTorch {torch.__version__} cannot build the model: {error}.", "Export and push it again."
            ) from error
        self._model = model.eval()
        (self._input,), (self._output,) = manifest.inputs, manifest.outputs

    def prepare(self, inputs: Arrays) -> torch.Tensor:
        """The tensor that `run` takes; it shares the array's memory."""
        return torch.from_numpy(inputs[self._input.name])

    @torch.inference_mode()
    def run(self, prepared: torch.Tensor) -> Any:
        """One inference."""
        return self._model(prepared)

    def outputs(self, result: Any) -> Arrays:
        """The logits."""
        return {self._output.name: result.numpy()}

    def profile(self, subject: Subject, settings: Settings, prepared: Sequence[torch.Tensor]) -> Profiled:
        """The operators that each module calls."""
        from device_agent.torch_profile import profile_module

        del self._model  # a small board has no room for it twice
        self.load(subject, settings)
        return profile_module(self._model, self.run, prepared)
