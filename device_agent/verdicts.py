"""What this device said of an artifact: `accepted/<sha256>.json` and `refused/<sha256>.json`, each whole always.

A program of the user's own reads `model` and `library` of what was accepted (docs/deployment.md), so both keep their
names. An artifact without either record is *pending*: its runtime was missing, or the push was cut short.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from device_agent import durable
from device_agent.artifact_id import require_artifact_id
from device_agent.messages.doctor import Runtime
from device_agent.messages.ledger import State
from device_agent.strict import StrictError, from_json, to_json

_ACCEPTED, _REFUSED = "accepted", "refused"


@dataclass(frozen=True)
class Newest:
    """A push, known by its artifact and its time: the newest in the ledger when something became current."""

    artifact_sha256: str
    pushed_at: str


@dataclass(frozen=True)
class Accepted:
    """An artifact that gave its golden answers on this device.

    Args:
        artifact_sha256: its id.
        model: the file that ran, of those in the artifact's folder.
        library: the digest of the library of native operators that it needs, which is also its name in `native/`; null
            where it has none.
        runtime: what ran it.
        agent_sha256: of the agent, whose backends built the model.
        newest: the newest push when this became current; what was pushed behind it is newer than this one.
    """

    artifact_sha256: str
    model: str
    library: str | None
    runtime: Runtime
    agent_sha256: str
    newest: Newest | None
    schema_version: int = 1

    def __post_init__(self) -> None:
        require_artifact_id(self.artifact_sha256)


@dataclass(frozen=True)
class Refused:
    """An artifact that gave other answers, or ended what ran it: a stable code, what happened, what to do."""

    artifact_sha256: str
    code: str
    message: str
    remedy: str
    schema_version: int = 1

    def __post_init__(self) -> None:
        require_artifact_id(self.artifact_sha256)


Record = TypeVar("Record", Accepted, Refused)


def accepted(root: Path, sha256: str) -> Accepted | None:
    """Its record; None where there is none, or none that this version can read."""
    return _read(Accepted, root / _ACCEPTED, sha256)


def refused(root: Path, sha256: str) -> Refused | None:
    """Its record."""
    return _read(Refused, root / _REFUSED, sha256)


def state_of(root: Path, sha256: str) -> State:
    """What was said of it last."""
    if refused(root, sha256) is not None:
        return "refused"
    return "pending" if accepted(root, sha256) is None else "accepted"


def record_accepted(root: Path, record: Accepted) -> None:
    """Write it down, unless just that is written; it is then no longer refused."""
    if accepted(root, record.artifact_sha256) != record:
        _write(root / _ACCEPTED, record)
    _path(root / _REFUSED, record.artifact_sha256).unlink(missing_ok=True)


def record_refused(root: Path, record: Refused) -> None:
    """Write it down. That it was accepted once stays written: it may be the current one."""
    _write(root / _REFUSED, record)


def forget(root: Path, sha256: str) -> None:
    """Nothing was said of it: it is gone."""
    for folder in (_ACCEPTED, _REFUSED):
        _path(root / folder, sha256).unlink(missing_ok=True)


def _path(folder: Path, sha256: str) -> Path:
    return folder / f"{sha256}.json"


def _read(kind: type[Record], folder: Path, sha256: str) -> Record | None:
    try:
        record = from_json(kind, _path(folder, sha256).read_bytes())
    except (OSError, StrictError):
        return None
    return record if record.artifact_sha256 == sha256 else None


def _write(folder: Path, record: Accepted | Refused) -> None:
    durable.make_folder(folder)
    durable.write_whole(_path(folder, record.artifact_sha256), to_json(record).encode())
