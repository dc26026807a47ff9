"""A log on the disk while its training runs: lines are added whole, and no failure of the disk ends the training.

The lines are in memory as well, so a disk that was full for a while has all of them later, and so has the checkpoint.
The lock on `log.jsonl` ends with its process, however that ends.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from groupnl_deploy.errors import GroupNLError
from groupnl_deploy.progress import Say
from groupnl_deploy.training.history import (
    LOG_FILE,
    TABLE_FILE,
    EpochLine,
    Head,
    Line,
    as_json,
    as_table,
    before,
    epochs_of,
    head_of,
    lines_of,
    log_files,
)
from groupnl_deploy.workspace import write_atomically

_IN_NAME = 12  # letters of a job's digest in the name of a log that is put aside


class LogFiles:
    """`log.jsonl` and `log.csv` of one training in a folder; of another one that was begun there the log is put aside.

    Args:
        folder: that of the training's state.
        say: told, once, why the files are not written.
    """

    def __init__(self, folder: Path, say: Say) -> None:
        self._folder, self._path, self._say = folder, folder / LOG_FILE, say
        self._stream: IO[bytes] | None = None
        self._lines: list[Line] = []
        self._written, self._kept_bytes = 0, 0  # lines that are in the file whole, and their bytes
        self._told = False

    def begin(self, head: Head, epoch: int, step: int) -> tuple[Line, ...]:
        """Go on before a step of an epoch, and forget what the log has of it and later; what is left is returned."""
        with self._failures():
            self._open()
            self._put_aside(head)
        found = self._content()
        known = lines_of(found)
        self._lines = [head, *(before(known, epoch, step) if _is_of(known, head) else ())]
        self._tell_missing(epoch)
        self._keep_beginning(found)
        self._write()
        return tuple(self._lines)

    def add(self, line: Line) -> None:
        """One line more."""
        self._lines.append(line)
        self._write()

    @property
    def epochs(self) -> tuple[EpochLine, ...]:
        """The whole epochs so far."""
        return epochs_of(self._lines)

    def finished(self) -> dict[str, bytes]:
        """What belongs into the checkpoint's folder, by the names of the files."""
        return log_files(self._lines) if self._lines else {}

    def discard(self) -> None:
        """Remove the files: the checkpoint has them. Those of another training that runs here are left alone."""
        if self._stream is None:
            return
        with contextlib.suppress(OSError):
            for path in (*self._folder.glob("log-*.jsonl"), self._path, self._folder / TABLE_FILE):
                path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        if self._stream is not None:
            with contextlib.suppress(OSError):
                self._stream.close()
            self._stream = None

    def _open(self) -> None:
        """Open and lock the log. Where another training has it, that is said."""
        self._folder.mkdir(parents=True, exist_ok=True)
        stream = self._path.open("ab", buffering=0)
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.close()
            self._tell(f"Another training writes the log in {self._folder}; this one's is kept in memory alone.")
        except OSError:
            stream.close()
            raise
        else:
            self._stream = stream

    def _put_aside(self, head: Head) -> None:
        """A log of another job goes out of the way, as its state stays for a while, and this job's comes back."""
        other = head_of(lines_of(self._content()[:4096]))
        if self._stream is None or other is None or other.job == head.job:
            return
        self._path.replace(self._aside(other))
        if self._aside(head).exists():
            self._aside(head).replace(self._path)
        self.close()
        self._open()

    def _aside(self, head: Head) -> Path:
        return self._folder / f"log-{head.job[:_IN_NAME]}.jsonl"

    def _content(self) -> bytes:
        """Of the log as it is on the disk; nothing where it cannot be read."""
        try:
            return self._path.read_bytes()
        except OSError:
            return b""

    def _keep_beginning(self, found: bytes) -> None:
        """Of the file what is right as it stands; the next line that is written cuts off the rest."""
        for line, part in zip(self._lines, found.splitlines(keepends=True), strict=False):
            if as_json(line).encode() != part:
                break
            self._written, self._kept_bytes = self._written + 1, self._kept_bytes + len(part)

    def _write(self) -> None:
        """What the file lacks. Behind an epoch it is safe on the disk, before the training's state is."""
        if self._stream is None:
            return
        with self._failures():
            self._stream.truncate(self._kept_bytes)  # also the part of a line that a full disk took
            new = "".join(map(as_json, self._lines[self._written :])).encode()
            if self._stream.write(new) != len(new):
                raise OSError("the disk took no whole line")
            self._written, self._kept_bytes = len(self._lines), self._kept_bytes + len(new)
            if not isinstance(self._lines[-1], EpochLine):
                return
            os.fsync(self._stream.fileno())
            write_atomically(self._folder / TABLE_FILE, as_table(epochs_of(self._lines)).encode())

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        """What the disk refuses is said once."""
        try:
            yield
        except GroupNLError as error:
            self._tell(f"The training's log is not written, and the training goes on: {error.message}")
        except OSError as error:
            self._tell(f"The training's log {self._path} is not written, and the training goes on: {_reason(error)}.")

    def _tell_missing(self, epoch: int) -> None:
        known = {line.epoch for line in epochs_of(self._lines)}
        missing = sum(number not in known for number in range(1, epoch))
        if missing:
            self._say(f"The training's log lacks {missing} of the {epoch - 1} epochs that were trained before.")

    def _tell(self, text: str) -> None:
        if not self._told:
            self._told = True
            self._say(text)


def _is_of(lines: tuple[Line, ...], head: Head) -> bool:
    found = head_of(lines)
    return found is not None and found.job == head.job


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
