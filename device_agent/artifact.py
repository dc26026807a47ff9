"""An artifact folder on the device: nothing in it is used before its digest was checked."""

import hashlib
from collections.abc import Collection
from pathlib import Path

from device_agent.errors import BadRequest, DigestMismatch
from device_agent.manifest import MANIFEST_FILE, ArtifactManifest
from device_agent.strict import StrictError

_PUSH_AGAIN = "Push the artifact again; if that does not help, remove its folder on the device first."


def open_artifact(directory: Path, manifest_sha256: str, known: Collection[tuple[str, str]] = ()) -> ArtifactManifest:
    """The manifest, after it and every file it lists were found whole. Raises `DigestMismatch`.

    `known` are names and digests of files that this process has just written and hashed: they are not read again.
    """
    manifest = _manifest(directory, manifest_sha256)
    damage = manifest.damage(directory, known)
    if damage is not None:
        raise DigestMismatch(damage, _PUSH_AGAIN)
    return manifest


def look_at_artifact(directory: Path, manifest_sha256: str) -> ArtifactManifest:
    """The manifest, after it and the *sizes* of its files were checked: quick, and enough to list what is there.

    Raises `DigestMismatch`.
    """
    manifest = _manifest(directory, manifest_sha256)
    for file in manifest.files:
        path = directory / Path(file.name).name
        if not path.is_file() or path.stat().st_size != file.bytes:
            raise DigestMismatch(f"{path} is missing or has another size.", _PUSH_AGAIN)
    return manifest


def _manifest(directory: Path, manifest_sha256: str) -> ArtifactManifest:
    path = directory / MANIFEST_FILE
    if not path.is_file():
        raise DigestMismatch(f"{path} is missing.", _PUSH_AGAIN)
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != manifest_sha256:
        raise DigestMismatch(f"{path} is not the manifest that was pushed.", _PUSH_AGAIN)
    try:
        return ArtifactManifest.from_bytes(data)
    except StrictError as error:
        raise BadRequest(f"This agent cannot read it: {error}.", "Push again, with one version.") from error
