"""A device's answers, kept until its evaluation has come to its end: one that was cut short goes on from them.

They are known by the pixels that they answer, so it does not matter which data set or corruption these were of. An
SQLite file in this machine's cache holds them, which a killed process leaves whole; where that cannot be written, or
was damaged, nothing is kept and nobody is stopped.
"""

import hashlib
import sqlite3
import time
from contextlib import suppress
from pathlib import Path

from device_agent.messages.bench import OutputValues
from device_agent.strict import StrictError, from_json, to_json
from groupnl_deploy.places import cache_dir

KEPT_FOR_S = 7 * 86_400.0
MOST_BYTES = 256 << 20
"""Of one evaluation: answers to four million images of ten classes, or to 49,000 of a thousand; no more are kept."""

_TABLE = "create table if not exists answers (pixels blob primary key, images integer, answer text, digest blob)"
_FIND = "select answer, digest from answers where pixels = ? and rowid <= ?"
_COUNT = "select sum(images), sum(length(answer)), max(rowid) from answers"


class KeptAnswers:
    """Those of one artifact by one device. `images` is how many there were when it was opened: only these are given."""

    def __init__(self, key: str, most_bytes: int = MOST_BYTES) -> None:
        self.key, self._path, self._room = key, cache_dir() / "answers" / f"{key}.sqlite", most_bytes
        self._file: sqlite3.Connection | None = None
        self.images, self._last = 0, 0
        with suppress(OSError):
            _sweep(self._path.parent)
            self._open()

    def get(self, pixels: bytes) -> OutputValues | None:
        """The answer to these images, if it is kept, and whole."""
        if self._file is None:
            return None
        key = hashlib.sha256(pixels).digest()
        with suppress(sqlite3.Error, StrictError):
            row = self._file.execute(_FIND, (key, self._last)).fetchone()
            if row is not None and row[1] == _digest(key, row[0]):
                return from_json(OutputValues, row[0], "an answer")
        return None

    def put(self, pixels: bytes, images: int, answer: OutputValues) -> None:
        """Keep the answer to so many images, where there is room."""
        text, key = to_json(answer), hashlib.sha256(pixels).digest()
        self._room -= len(text)
        if self._file is None or self._room < 0:
            return
        with suppress(sqlite3.Error):
            row = (key, images, text, _digest(key, text))
            self._file.execute("insert or replace into answers values (?, ?, ?, ?)", row)

    def close(self) -> None:
        """Leave them for whoever goes on."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def forget(self) -> None:
        """The evaluation has come to its end."""
        self.close()
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._connect()
        except sqlite3.Error:  # damaged, or of something else
            self.forget()
            with suppress(sqlite3.Error):
                self._connect()

    def _connect(self) -> None:
        self._file = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=1.0)
        self._file.execute("pragma synchronous = off")  # a loss of power may cost them all; their digests tell
        self._file.execute(_TABLE)
        images, length, last = self._file.execute(_COUNT).fetchone()
        self.images, self._last, self._room = images or 0, last or 0, self._room - (length or 0)


def _digest(key: bytes, answer: str) -> bytes:
    return hashlib.sha256(key + answer.encode()).digest()


def _sweep(folder: Path) -> None:
    """Remove what nobody has gone on from."""
    for path in folder.glob("*.sqlite*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > KEPT_FOR_S:
                path.unlink()
