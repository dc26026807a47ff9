"""An artifact: a folder with `manifest.json` and the files it lists. Its id is the manifest's SHA-256."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from device_agent.manifest import ArtifactManifest
from device_agent.strict import StrictError
from exporters.errors import ArtifactDamaged, NotAnArtifact

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Artifact:
    """A verified artifact folder."""

    directory: Path
    manifest: ArtifactManifest
    sha256: str

    @property
    def files(self) -> tuple[Path, ...]:
        """Everything that travels, the manifest last."""
        return (*(self.directory / file.name for file in self.manifest.files), self.directory / MANIFEST)


def _no_artifact(directory: Path) -> NotAnArtifact:
    """With what makes an artifact of that which was named, where anything does."""
    if (directory / "checkpoint.json").is_file():
        return NotAnArtifact(
            f"{directory} is no artifact but a checkpoint.",
            f"Make one of it: groupnl export {directory} --out ARTIFACT",
        )
    what = "does not exist" if not directory.exists() else f"is no artifact: it has no {MANIFEST}"
    return NotAnArtifact(f"{directory} {what}.", "Name a folder that groupnl export wrote.")


def write_manifest(directory: Path, manifest: ArtifactManifest) -> None:
    """Add the manifest to a folder that holds the files already."""
    (directory / MANIFEST).write_bytes(manifest.to_bytes())


def open_artifact(directory: Path) -> Artifact:
    """Read and verify a folder.

    Raises `NotAnArtifact` where it has no manifest, `ArtifactDamaged` for anything missing, truncated or altered.
    """
    path = directory / MANIFEST
    if not path.is_file():
        raise _no_artifact(directory)
    data = path.read_bytes()
    try:
        manifest = ArtifactManifest.from_bytes(data)
    except StrictError as error:
        raise ArtifactDamaged(f"{path} is damaged or of another version: {error}.", "Export again.") from error
    damage = manifest.damage(directory)
    if damage is not None:
        raise ArtifactDamaged(damage, "Export again.")
    return Artifact(directory, manifest, hashlib.sha256(data).hexdigest())
