"""An artifact: a folder with a manifest and the files it lists. Its id is the manifest's SHA-256."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from device_agent.manifest import MANIFEST_FILE, ArtifactManifest, Role
from device_agent.strict import StrictError
from exporters.errors import ArtifactDamaged, NotAnArtifact


@dataclass(frozen=True)
class Artifact:
    """A verified artifact folder."""

    directory: Path
    manifest: ArtifactManifest
    sha256: str

    def __str__(self) -> str:
        return f"{self.directory}: {self.manifest.label}, {self.manifest.format}, {self.sha256[:12]}"

    def path(self, role: Role) -> Path:
        """The file in a role of the manifest."""
        return self.directory / self.manifest.file(role).name

    @property
    def files(self) -> tuple[Path, ...]:
        """Everything that travels, the manifest last."""
        return (*(self.directory / file.name for file in self.manifest.files), self.directory / MANIFEST_FILE)


def write_manifest(directory: Path, manifest: ArtifactManifest) -> None:
    """Add the manifest to a folder that holds the files already."""
    (directory / MANIFEST_FILE).write_bytes(manifest.to_bytes())


def open_artifact(directory: Path) -> Artifact:
    """Read and verify a folder.

    Raises `NotAnArtifact` where it has no manifest, `ArtifactDamaged` for anything missing, truncated or altered.
    """
    path = directory / MANIFEST_FILE
    if not path.is_file():
        raise NotAnArtifact(f"{directory} has no {MANIFEST_FILE}.", "Name a folder that groupnl export wrote.")
    data = path.read_bytes()
    try:
        manifest = ArtifactManifest.from_bytes(data)
    except StrictError as error:
        raise ArtifactDamaged(f"{path} is damaged or of another version: {error}.", "Export again.") from error
    damage = manifest.damage(directory)
    if damage is not None:
        raise ArtifactDamaged(damage, "Export again.")
    return Artifact(directory, manifest, hashlib.sha256(data).hexdigest())
