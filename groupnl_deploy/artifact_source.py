"""The checkpoint that an artifact was exported from: where it may lie, and what a manifest takes from its record."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from device_agent.file_digest import FileDigest
from device_agent.manifest import ArtifactManifest, DataRecord, View
from device_agent.strict import from_dict
from exporters.artifact import Artifact
from groupnl_deploy.errors import UsageError, VerificationFailed
from groupnl_deploy.mistaken import require_is
from groupnl_deploy.models.spec import ModelSpec
from groupnl_deploy.older_records import as_of_today
from groupnl_deploy.workspace import CHECKPOINT_FILE, sha256_hex

REMEDY = "Export its checkpoint again; a manifest is not to be edited."
_MOST_FOLDERS = 500


@dataclass(frozen=True)
class ExportedFrom:
    """What a manifest takes from the record of its checkpoint."""

    spec: ModelSpec
    trained: bool
    accuracy: float | None
    data: DataRecord | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    weights: FileDigest
    picked: bool = False
    view: View | None = None


_TAKEN = tuple(field.name for field in fields(ExportedFrom))


def given_source(manifest: ArtifactManifest, folder: Path) -> ExportedFrom:
    """What the checkpoint in `folder` says. Raises `UsageError` where it is none, `VerificationFailed` for another."""
    if manifest.source.kind != "checkpoint":
        made = "an ONNX file" if manifest.source.kind == "onnx" else "a specification"
        raise UsageError(f"The artifact was made from {made}, and no checkpoint.", "Leave --checkpoint out.")
    require_is(folder, "checkpoint")
    record = folder / CHECKPOINT_FILE
    data = record.read_bytes()
    if sha256_hex(data) != manifest.source.sha256:
        wanted, found = manifest.source.sha256[:12], sha256_hex(data)[:12]
        raise VerificationFailed(
            f"The artifact was exported from the checkpoint {wanted}, and {folder} is another, {found}.",
            "Name the checkpoint it was exported from, or export this one.",
        )
    return _source(record, data)


def source_at_hand(artifact: Artifact) -> ExportedFrom | None:
    """What the checkpoint with the id that the manifest has says, where it is at hand."""
    folder = checkpoint_at_hand(artifact)
    if folder is None:
        return None
    record = folder / CHECKPOINT_FILE
    return _source(record, record.read_bytes())


def checkpoint_at_hand(artifact: Artifact) -> Path | None:
    """The folder of that checkpoint, where exports mostly leave it: beside, or in a campaign."""
    parent = artifact.directory.absolute().parent
    return checkpoint_in((parent, parent.parent / "checkpoints", Path.cwd()), artifact.manifest)


def checkpoint_in(places: Iterable[Path], manifest: ArtifactManifest) -> Path | None:
    """The folder, in one of these, of the checkpoint that an artifact of this manifest was exported from."""
    if manifest.source.kind != "checkpoint":
        return None
    for place in dict.fromkeys(places):
        for record in _records(place):
            if sha256_hex(record.read_bytes()) == manifest.source.sha256:
                return record.parent
    return None


def _records(place: Path) -> Iterator[Path]:
    try:
        folders = sorted(place.iterdir())[:_MOST_FOLDERS]
        yield from (path for folder in folders if (path := folder / CHECKPOINT_FILE).is_file())
    except OSError:
        return


def _source(record: Path, data: bytes) -> ExportedFrom:
    """Its part of a checkpoint's record, without what reads the rest, which imports PyTorch."""
    try:
        table = json.loads(as_of_today(data))
        return from_dict(ExportedFrom, {name: table[name] for name in _TAKEN if name in table}, record.name)
    except (ValueError, LookupError, TypeError) as error:
        raise VerificationFailed(f"{record} is damaged or of another version: {error}.", REMEDY) from error
