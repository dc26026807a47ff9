"""A backend that loads nothing and answers zeros: it shows what the measuring itself costs."""

from pathlib import Path

import numpy as np

from device_agent.backends import Float32Array
from device_agent.manifest import ArtifactManifest
from device_agent.settings import Settings


class NullBackend:
    """Takes any artifact; its latencies are the harness's own."""

    def __init__(self) -> None:
        self.versions = {"numpy": np.__version__}

    def load(self, directory: Path, manifest: ArtifactManifest, settings: Settings) -> None:
        """Remember the output's shape; the files stay unread."""
        self._output = np.zeros(manifest.output.shape, dtype=np.float32)

    def prepare(self, image: Float32Array) -> Float32Array:
        """The image as it is."""
        return image

    def run(self, prepared: Float32Array) -> Float32Array:
        """Zeros."""
        return self._output

    def logits(self, output: Float32Array) -> Float32Array:
        """The zeros as they are."""
        return output
