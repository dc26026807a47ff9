"""The folder of a campaign's products: what each was made from, who makes it now, and what was replaced.

A product is up to date when the digest of everything its job reads is the one it was made from, and it is whole.
"""

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from device_agent.strict import StrictError, from_json, to_json
from groupnl_deploy.jobs.job import Job
from groupnl_deploy.progress import Reporter
from groupnl_deploy.record_lock import RecordLock, this_runner
from groupnl_deploy.workspace import disk_errors, remove_unfinished, sha256_hex


@dataclass(frozen=True)
class Stamp:
    """What a finished product was made from, what it was, and how long it took, if that is known."""

    key: str
    identity: str
    seconds: float | None


@dataclass(frozen=True)
class Record:
    """A job's file in `stamps/`.

    Args:
        holder: who makes the product now, or made it last and died.
        making: the key of a product that is being made. Its place was free then: what lies there is this product.
        stamp: of the last product that was finished.
    """

    holder: str | None = None
    making: str | None = None
    stamp: Stamp | None = None
    schema_version: int = 2


class HeldJob:
    """A job that this process alone may make."""

    def __init__(self, job: Job, lock: RecordLock) -> None:
        self.job, self._lock = job, lock
        self._record = replace(_read(lock.read()), holder=this_runner())
        self._write()

    @property
    def is_done(self) -> bool:
        """See `Store.is_done`."""
        return is_current(self.job, self._record)

    def begin(self) -> None:
        """The product's place is free, and it will be made from what the job reads now."""
        self._record = replace(self._record, making=key_of(self.job))
        self._write()

    def give_up(self) -> None:
        """It was not made, and what was there before comes back."""
        self._record = replace(self._record, making=None)
        self._write()

    def finish(self, seconds: float | None = None) -> None:
        """It is made from what `begin` wrote down: stamp it."""
        if self._record.making is not None:
            stamp = Stamp(self._record.making, self.job.identity(), seconds)
            self._record = replace(self._record, making=None, stamp=stamp)
            self._write()

    def leave(self) -> None:
        """Nobody makes it any more."""
        self._record = replace(self._record, holder=None)
        self._write()

    def _write(self) -> None:
        self._lock.write(to_json(self._record).encode())


class Store:
    """Products below one folder, which several runners may share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextlib.contextmanager
    def held(self, job: Job) -> Iterator[HeldJob]:
        """The job, for this process alone while the block runs. Raises `Busy` where another runner has it."""
        with RecordLock.take(self._path(job)) as lock:
            held = HeldJob(job, lock)
            try:
                yield held
            finally:
                held.leave()

    def is_done(self, job: Job) -> bool:
        """Whether the product is whole and was made from just what the job reads now. Never raises."""
        return is_current(job, self._record(job))

    def has_unread(self, job: Job) -> bool:
        """Whether its stamp is there and cannot be read: of another version, or damaged."""
        try:
            content = self._path(job).read_bytes()
            if content:  # an empty one is being made for the first time
                from_json(Record, content)
        except StrictError:
            return True
        except OSError:
            pass
        return False

    def seconds(self, job: Job) -> float | None:
        """How long the product took when it was made last."""
        stamp = self._record(job).stamp
        return stamp.seconds if stamp else None

    def make(self, held: HeldJob, reporter: Reporter) -> float:
        """Make the product; returns seconds.

        What stands in its place moves to `replaced/`, and comes back when the making fails.
        """
        job = held.job
        remove_unfinished(job.product)
        aside = self._set_aside(job)
        started_s = time.monotonic()
        try:
            held.begin()
            job.make(reporter)
        except BaseException:
            # Else it is whole, or may be brought there, and the next runner takes it as it is.
            if not os.path.lexists(job.product) and (aside is not None or not job.may_still_come()):
                held.give_up()
                if aside is not None:
                    shutil.move(aside, job.product)
            raise
        took_s = time.monotonic() - started_s
        held.finish(took_s)
        return took_s

    def _set_aside(self, job: Job) -> Path | None:
        if not os.path.lexists(job.product):
            return None
        moment = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
        aside = self.folder / "replaced" / f"{moment}-{job.kind}-{job.product.name}"
        with disk_errors(aside):
            aside.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(job.product, aside)  # a copy where people linked a part of the folder to another disk
        return aside

    def _path(self, job: Job) -> Path:
        return self.folder / "stamps" / f"{job.stamp_name}.json"

    def _record(self, job: Job) -> Record:
        try:
            return _read(self._path(job).read_bytes())
        except OSError:
            return Record()


def is_current(job: Job, record: Record) -> bool:
    """Whether the product is whole and was made from just what the job reads now."""
    if record.stamp is None and record.making is None:
        return False
    with contextlib.suppress(OSError):
        os.scandir(job.product.parent).close()  # an NFS client looks at a folder anew when it is opened
    try:
        key, identity = key_of(job), job.identity()
    except Exception:  # something it reads is missing or damaged, or the product is: it is simply not done
        return False
    if record.making is not None:  # its maker died after it was whole and before it was stamped
        return record.making == key
    return record.stamp is not None and (record.stamp.key, record.stamp.identity) == (key, identity)


def key_of(job: Job) -> str:
    """The digest of all that the job reads."""
    return sha256_hex(to_json(job.reads()).encode())


def holder_in(content: bytes) -> str:
    """Who holds the lock on a file with this content."""
    return _read(content).holder or "another runner"


def _read(content: bytes) -> Record:
    try:
        return from_json(Record, content)
    except StrictError:  # new, damaged or of another version
        return Record()
