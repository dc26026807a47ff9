"""Which recordings grow on this machine just now, so that a mark from another shell finds its own.

Each has a small file among this machine's own (`places.machine_dir`), which its recorder keeps locked (`flock`). The
kernel undoes that however a recorder ends, so a file that nobody has locked is a dead one's, and is removed.
"""

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from device_agent.strict import StrictError, from_json, to_json
from groupnl_deploy.errors import UsageError
from groupnl_deploy.places import machine_dir
from groupnl_deploy.progress import Say
from groupnl_deploy.words import command_line

_UNLOCKED = ".new"


@dataclass(frozen=True)
class LiveRecording:
    """A recording in progress: its CSV (absolute), its beginning on `time.monotonic()` in seconds, and who records."""

    path: str
    t0_s: float
    pid: int
    schema_version: int = 1


@contextlib.contextmanager
def announced(recording: Path, t0_s: float, say: Say) -> Iterator[None]:
    """In the block the recording can be found. Where it cannot be announced it goes on, and `say` is told."""
    try:
        announcement = _Announcement(LiveRecording(str(recording.absolute()), t0_s, os.getpid()))
    except OSError as error:
        say(f"Nobody can mark this recording: {error.filename or machine_dir()}: {(error.strerror or '').lower()}.")
        yield
        return
    try:
        yield
    finally:
        announcement.withdraw()


def live_recordings() -> tuple[LiveRecording, ...]:
    """Those of this user on this machine, by their paths; what dead ones left is removed."""
    files = sorted(_folder().glob("*.json"))
    found = [live for file in files if (live := _read(file)) is not None]
    return tuple(sorted(found, key=lambda live: live.path))


def the_one(live: Sequence[LiveRecording], named: Path | None) -> LiveRecording:
    """The recording that is meant: the only one, or the one named by its file, or by the folder that it lies in.

    Raises `UsageError` where there is none, or where it is not clear which.
    """
    if not live:
        raise UsageError(
            "No recording of yours grows on this machine.",
            "Begin one in another shell: groupnl power record --meter km003c --out trace.csv",
        )
    meant = [one for one in live if named is None or _is_named(one, named)]
    if len(meant) == 1:
        return meant[0]
    grow = ", ".join(_shown(one) for one in live)
    if named is not None and not meant:
        raise UsageError(f"No recording {named} grows just now; there is {grow}.", "Name one of these, or its folder.")
    raise UsageError(
        f"{len(live)} recordings grow just now: {grow}.",
        f"Say which: {command_line('power', 'mark', 'LABEL', '--out-of', _shown((meant or live)[0]))}",
    )


class _Announcement:
    """The file of one recording; it has its name only once it is locked."""

    def __init__(self, live: LiveRecording) -> None:
        folder = _folder()
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{live.pid}-{secrets.token_hex(4)}.json"
        unlocked = self._path.with_suffix(_UNLOCKED)
        self._file = os.open(unlocked, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            os.write(self._file, to_json(live).encode())
            unlocked.rename(self._path)
        except BaseException:
            unlocked.unlink(missing_ok=True)
            os.close(self._file)
            raise

    def withdraw(self) -> None:
        with contextlib.suppress(OSError):
            self._path.unlink()
        os.close(self._file)


def _folder() -> Path:
    return machine_dir() / "recordings"


def _read(path: Path) -> LiveRecording | None:
    """What it announces, None where its recorder is dead or speaks another version."""
    with contextlib.suppress(OSError, StrictError), path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return from_json(LiveRecording, file.read())
        path.unlink()
    return None


def _is_named(live: LiveRecording, named: Path) -> bool:
    path, wanted = Path(live.path).resolve(), named.resolve()
    return wanted in (path, *path.parents[:2]) or (len(named.parts) == 1 and str(named) in (path.name, path.stem))


def _shown(live: LiveRecording) -> str:
    """As short as it can be typed here."""
    path, here = Path(live.path), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
