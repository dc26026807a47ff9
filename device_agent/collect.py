"""Old artifacts make room for new ones: never the current or the previous one of any format."""

import shutil
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from device_agent import current, ledger, verdicts
from device_agent.artifact_id import is_artifact_id
from device_agent.messages.ledger import Deployment

KEPT_NEWEST = 10
KEPT_FOR = timedelta(days=7)


def collect(root: Path, now: str) -> tuple[str, ...]:
    """What a push does behind its commit, under the lock; the ids of what it removed.

    Args:
        root: the device's folder.
        now: the host's time; a board may have no clock of its own.
    """
    pushes = ledger.read(root, locked=True).deployments
    today = moment(now)
    old = () if today is None else old_artifacts(pushes, current.in_use(root), KEPT_NEWEST, today - KEPT_FOR)
    lost_before = time.time() - KEPT_FOR.total_seconds()
    lost = [path.name for path in _unlisted(root, pushes) if path.stat().st_mtime < lost_before]
    return _remove(root, (*old, *lost))


def prune(root: Path, keep: int, device: str, agent_sha256: str) -> tuple[str, ...]:
    """Remove at once all but the `keep` newest, under the lock; the ids of what it removed.

    A damaged ledger is mended first, for `device` by the agent of that digest: it must not cost what it forgot.
    """
    pushes = ledger.mended(root, device, agent_sha256)
    old = old_artifacts(pushes, current.in_use(root), keep, None)
    return _remove(root, (*old, *(path.name for path in _unlisted(root, pushes))))


def old_artifacts(
    pushes: Sequence[Deployment], in_use: Collection[str], keep: int, before: datetime | None
) -> tuple[str, ...]:
    """The artifacts that are neither in use, nor among the `keep` newest, nor pushed since `before`; the oldest first.

    Args:
        pushes: the ledger, the oldest first.
        in_use: the ids of what is current or previous.
        keep: how many of the newest stay.
        before: a time with its zone; None where age is no reason to stay.

    A push whose time cannot be read counts as young.
    """
    newest_first = list(dict.fromkeys(item.artifact_sha256 for item in reversed(pushes)))
    last = {item.artifact_sha256: moment(item.pushed_at) for item in pushes}
    old = (name for name in newest_first[keep:] if name not in in_use)
    return tuple(reversed([name for name in old if before is None or _is_before(last[name], before)]))


def _is_before(pushed: datetime | None, before: datetime) -> bool:
    return pushed is not None and pushed < before


def moment(text: str) -> datetime | None:
    """A time with its zone, or None."""
    with suppress(ValueError):
        found = datetime.fromisoformat(text)
        return found if found.tzinfo is not None else None
    return None


def _unlisted(root: Path, pushes: Sequence[Deployment]) -> list[Path]:
    """Artifacts that no push wrote into the ledger: it was stopped just before that."""
    folder = root / "artifacts"
    known = {item.artifact_sha256 for item in pushes} | current.in_use(root)
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in paths if is_artifact_id(path.name) and path.name not in known]


def _remove(root: Path, names: Sequence[str]) -> tuple[str, ...]:
    """The ledger forgets them first: it names nothing that is half removed. What cannot be removed stays."""
    if not names:
        return ()
    ledger.forget(root, names)
    removed = []
    for name in names:
        with suppress(OSError):
            _take_away(root, name)
            verdicts.forget(root, name)
            removed.append(name)
    return tuple(removed)


def _take_away(root: Path, name: str) -> None:
    """Under another name first: what has an artifact's name is whole."""
    gone = root / "incoming" / f"{name}.collected"
    gone.parent.mkdir(exist_ok=True)
    shutil.rmtree(gone, ignore_errors=True)  # of one that was stopped here
    (root / "artifacts" / name).rename(gone)
    shutil.rmtree(gone, ignore_errors=True)
