"""A backend that loads nothing and answers zeros: it shows what the measuring itself costs."""

from pathlib import Path

import numpy as np

from device_agent.arrays import Arrays
from device_agent.manifest import ArtifactManifest
from device_agent.settings import Settings


class NullBackend:
    """Takes any artifact; its latencies are the harness's own."""

    def __init__(self) -> None:
        self.versions = {"numpy": np.__version__}

    def load(self, directory: Path, manifest: ArtifactManifest, settings: Settings) -> None:
        """Remember what the outputs look like; the files stay unread."""
        self._outputs = {info.name: np.zeros(info.shape, info.dtype) for info in manifest.outputs}

    def prepare(self, inputs: Arrays) -> Arrays:
        """The inputs as they are."""
        return inputs

    def run(self, prepared: Arrays) -> Arrays:
        """Zeros."""
        return self._outputs

    def outputs(self, result: Arrays) -> Arrays:
        """The zeros as they are."""
        return result
