"""An artifact whose model is of any size: noise, which no runtime reads, but that is pushed, verified and named."""

import random
import shutil
from dataclasses import replace
from pathlib import Path

from device_agent.manifest import ArtifactFile
from exporters.artifact import Artifact, open_artifact, write_manifest


def large_artifact(like: Artifact, folder: Path, size_bytes: int, seed: int = 0) -> Artifact:
    """A copy of `like` in a new folder with `size_bytes` of noise as its model."""
    shutil.copytree(like.directory, folder)
    model = folder / like.manifest.file("model").name
    model.write_bytes(random.Random(seed).randbytes(size_bytes))
    files = tuple(
        ArtifactFile.in_role("model", model) if file.role == "model" else file for file in like.manifest.files
    )
    write_manifest(folder, replace(like.manifest, files=files, label=folder.name))
    return open_artifact(folder)
