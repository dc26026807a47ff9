"""Results that no host has: each lies in `spool/<bench id>`, whole and on the disk, until it is fetched.

Nothing is here of a benchmark whose host took its result. What nobody fetched goes after seven days.
"""

import errno
import hashlib
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from device_agent.durable import flush
from device_agent.errors import BenchNotKept, BenchUnknown, DigestMismatch
from device_agent.messages.bench import BenchRequest, is_bench_id
from device_agent.messages.greeting import AgentFault
from device_agent.messages.spool import BenchState
from device_agent.strict import StrictError, from_json, to_json

KEPT_S = 7 * 86_400.0
_PART_S = 3600.0  # nobody writes one for so long
_RECORD, _MESSAGES = "bench.json", "messages.jsonl"
_PART, _REFUSED = ".part", ".not_kept"
_GONE = "It may have been fetched or removed, or the device was restarted before it ended: bench again."
_AGAIN = "Bench again; what is left of this one goes by itself seven days after it ended."


@dataclass(frozen=True)
class SpooledBench:
    """A benchmark that ended without its host. `frame` is the host's, `fault` what it ended with if it failed.

    `boot` and `boot_s` tell its age even where the time of day was set since: the boot's id, and seconds since then.
    """

    request: BenchRequest
    label: str
    frame: str
    fault: AgentFault | None
    ended_at: str
    boot: str
    boot_s: float
    messages_sha256: str
    schema_version: int = 1

    def __post_init__(self) -> None:
        datetime.fromisoformat(self.ended_at)

    @property
    def age_s(self) -> float:
        """Seconds since it ended."""
        if self.boot == _boot():
            return max(0.0, _boot_s() - self.boot_s)
        return max(0.0, (datetime.now(UTC) - datetime.fromisoformat(self.ended_at)).total_seconds())


def spooled(
    request: BenchRequest, label: str, frame: str, fault: AgentFault | None, messages: Iterable[bytes]
) -> SpooledBench:
    """The record of a benchmark that ended now, with these messages, a line each without its newline."""
    digest = hashlib.sha256()
    for line in messages:
        digest.update(line + b"\n")
    ended_at = datetime.now(UTC).isoformat(timespec="seconds")
    return SpooledBench(request, label, frame, fault, ended_at, _boot(), _boot_s(), digest.hexdigest())


def keep(root: Path, bench: SpooledBench, messages: Iterable[bytes]) -> None:
    """Write it, whole and durable or not at all. Where the disk refuses, an empty file says so, if there is room."""
    folder = root / "spool" / bench.request.bench_id
    part = folder.with_name(f".{folder.name}{_PART}")
    try:
        part.mkdir(parents=True)
        with (part / _MESSAGES).open("wb") as stream:
            stream.writelines(line + b"\n" for line in messages)
        (part / _RECORD).write_text(to_json(bench), encoding="utf-8")
        for path in (part / _MESSAGES, part / _RECORD, part):
            flush(path)
        part.rename(folder)
        flush(folder.parent)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)  # a full disk needs the room
        with suppress(OSError):
            folder.with_name(f"{folder.name}{_REFUSED}").symlink_to(os.strerror(error.errno or errno.EIO))
        raise


def read(root: Path, bench_id: str) -> tuple[SpooledBench, Iterator[bytes]]:
    """A benchmark's record, and its messages, which were verified. Raises an `AgentError` where there is none."""
    folder = root / "spool" / bench_id
    with suppress(OSError):
        why = folder.with_name(f"{bench_id}{_REFUSED}").readlink()
        raise BenchNotKept(
            f"The benchmark {bench_id} came to its end, but its result could not be kept: {why}.", _AGAIN
        )
    bench = _record(folder)
    try:
        stream = (folder / _MESSAGES).open("rb")
        if hashlib.file_digest(stream, "sha256").hexdigest() != bench.messages_sha256:
            raise DigestMismatch(f"The messages of the benchmark {bench_id} were damaged on the device's disk.", _AGAIN)
    except OSError as error:
        raise DigestMismatch(f"The result of the benchmark {bench_id} cannot be read: {error}.", _AGAIN) from error
    stream.seek(0)  # it stays open, so that a second fetch may remove the file meanwhile
    return bench, (line.removesuffix(b"\n") for line in stream)


def forget(root: Path, bench_id: str) -> None:
    """Remove a benchmark's result, if there is any."""
    folder = root / "spool" / bench_id
    folder.with_name(f"{bench_id}{_REFUSED}").unlink(missing_ok=True)
    if folder.exists():  # first by name, so that no half of it is ever found
        dead = folder.with_name(f".{bench_id}{_PART}")
        shutil.rmtree(dead, ignore_errors=True)
        with suppress(FileNotFoundError):  # a second fetch was faster
            folder.rename(dead)
        shutil.rmtree(dead, ignore_errors=True)


def states(root: Path) -> list[BenchState]:
    """What lies here, the oldest first; also what a doctor tells of."""
    found = [_state(root, name) for name in _names(root)]
    return sorted(found, key=lambda state: -(state.ended_s or 0.0))


def state_of(root: Path, bench_id: str) -> BenchState | None:
    """What lies here of one benchmark; None where nothing does."""
    return _state(root, bench_id) if bench_id in _names(root) else None


def sweep_spool(root: Path) -> None:
    """Remove what nobody fetched for seven days, and parts that dead agents left."""
    folder = root / "spool"
    for part in folder.glob(f".*{_PART}"):
        if _age_s(part) > _PART_S:
            shutil.rmtree(part, ignore_errors=True)
    for state in states(root):
        if (state.ended_s or 0.0) > KEPT_S:
            with suppress(OSError):
                forget(root, state.bench_id)


def _names(root: Path) -> list[str]:
    return sorted(
        {name for path in (root / "spool").glob("*") if is_bench_id(name := path.name.removesuffix(_REFUSED))}
    )


def _state(root: Path, bench_id: str) -> BenchState:
    folder = root / "spool" / bench_id
    refused = folder.with_name(f"{bench_id}{_REFUSED}")
    if refused.is_symlink():
        return BenchState(bench_id, "not_kept", ended_s=_age_s(refused), why=str(refused.readlink()))
    try:
        bench = _record(folder)
    except DigestMismatch as error:
        return BenchState(bench_id, "damaged", ended_s=_age_s(folder), why=error.message)
    except BenchUnknown:  # fetched just now
        return BenchState(bench_id, "unknown")
    request = bench.request
    return BenchState(
        bench_id,
        "finished",
        label=bench.label,
        backend=request.backend,
        artifact_sha256=request.manifest_sha256,
        ended_s=bench.age_s,
        why="" if bench.fault is None else bench.fault.message,
    )


def _record(folder: Path) -> SpooledBench:
    try:
        bench = from_json(SpooledBench, (folder / _RECORD).read_bytes(), _RECORD)
    except OSError as error:
        if not folder.exists():
            raise BenchUnknown(f"The device has no result of the benchmark {folder.name}.", _GONE) from error
        raise DigestMismatch(f"The result of the benchmark {folder.name} cannot be read: {error}.", _AGAIN) from error
    except StrictError as error:
        raise DigestMismatch(f"The record of the benchmark {folder.name} is damaged: {error}.", _AGAIN) from error
    if bench.request.bench_id != folder.name:
        raise DigestMismatch(f"The record of the benchmark {folder.name} is that of another one.", _AGAIN)
    return bench


def _age_s(path: Path) -> float:
    with suppress(OSError):
        return max(0.0, time.time() - path.lstat().st_mtime)
    return 0.0


def _boot() -> str:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


def _boot_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
