"""Recordings to CSV: row by row while they grow, or whole."""

import contextlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from power.errors import TraceLost, TraceNotWritten
from power.trace import MeterFacts, PowerTrace
from power.trace_facts import fact_lines

COLUMNS = ("t_s", "voltage_v", "current_a", "power_w")
SEGMENT = "segment"  # counts up where measurements are missing by the recording's own word
POWER_DIGITS = 9  # nanowatts: below the meter's steps, and half as long to write and to read as every digit
_BLOCK_ROWS = 1 << 16


class TraceWriter:
    """Writes a recording while it grows; every row reaches the operating system at once.

    A recorder that is killed therefore loses at most the row it was writing. A recording that is closed without a
    row leaves no file. Facts that changed meanwhile (`restate`) are written when it is closed.
    Raises `TraceNotWritten` when the system refuses, or where `path` is anything already.
    """

    def __init__(self, path: Path, facts: MeterFacts, t0_s: float, started_at: str) -> None:
        self._path, self._empty = path, True
        self._facts, self._began = facts, (t0_s, started_at)
        self._restated = facts
        with _refusals_named(path):
            self._file = path.open("x", encoding="utf-8", newline="\n", buffering=1)
        try:
            with _refusals_named(path):
                self._file.writelines(_head(facts, t0_s, started_at))
            self._line = _line_of(facts)
        except BaseException:
            with contextlib.suppress(TraceNotWritten):  # the first error says more
                self.close()
            raise

    def append(self, t_s: float, voltage_v: float, current_a: float) -> None:
        """Add one measurement; `t_s` counts from the recording's `t0_s`."""
        with _refusals_named(self._path):
            self._file.write(self._line(t_s, voltage_v, current_a) + "\n")
        self._empty = False

    def restate(self, facts: MeterFacts) -> None:
        """Let these be the recording's facts, from its beginning on."""
        self._restated = facts

    def close(self) -> None:
        """Bring the file safely to the disk; harmless when called again.

        Raises `TraceLost` where the file has been removed or replaced meanwhile.
        """
        if self._file.closed:
            return
        is_in_place = self._is_in_place()
        try:
            with _refusals_named(self._path), self._file:
                self._file.flush()
                os.fsync(self._file.fileno())
        finally:
            if self._empty and is_in_place:
                with contextlib.suppress(OSError):  # then it stays, and harms nobody
                    self._path.unlink()
        if not is_in_place:
            raise TraceLost(
                f"The recording {self._path} was removed or replaced while it grew.",
                "Record again, and leave its file alone until the end.",
            )
        if self._restated != self._facts and not self._empty:
            old, new = ("".join(_head(facts, *self._began)) for facts in (self._facts, self._restated))
            _replace_head(self._path, old, new)

    def _is_in_place(self) -> bool:
        """Whether the path still leads to what is written: a removed file takes every row and keeps none."""
        try:
            return os.path.samestat(self._path.lstat(), os.fstat(self._file.fileno()))
        except OSError:
            return False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _replace_head(path: Path, old: str, new: str) -> None:
    """Give a recording another head; it is whole at any moment, and keeps its old one where the system refuses."""
    with _whole_or_not_at_all(path) as file, path.open(encoding="utf-8", newline="\n") as rows:
        rows.read(len(old))
        file.write(new)
        shutil.copyfileobj(rows, file)


def write_csv(trace: PowerTrace, path: Path) -> None:
    """Store a whole trace; `path` holds either all of it or what it held before.

    Raises `TraceNotWritten` when the system refuses.
    """
    with _whole_or_not_at_all(path) as file:
        file.writelines(_head(trace.facts, trace.t0_s, trace.started_at, segmented=bool(trace.breaks)))
        file.writelines(_lines(trace))


@contextlib.contextmanager
def _whole_or_not_at_all(path: Path) -> Iterator[TextIO]:
    """A file beside `path` that takes its place when the block is done, and is gone when anything else ends it."""
    unfinished = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}.partial")
    try:
        with _refusals_named(path):
            with unfinished.open("x", encoding="utf-8", newline="\n") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
    finally:
        with contextlib.suppress(OSError):  # gone after the rename; a second failure would hide the first
            unfinished.unlink()


def _head(facts: MeterFacts, t0_s: float, started_at: str | None, segmented: bool = False) -> Iterator[str]:
    yield from fact_lines(facts, t0_s, started_at)
    columns = (COLUMNS[0], COLUMNS[-1]) if facts.watts_alone else COLUMNS
    yield ",".join((*columns, SEGMENT) if segmented else columns) + "\n"


def _lines(trace: PowerTrace) -> Iterator[str]:
    """Block by block: millions of rows as Python's numbers would take ten times the memory of the trace."""
    columns, line = (trace.t_s, trace.voltage_v, trace.current_a), _line_of(trace.facts)
    for segment, (begin, end) in enumerate(pairwise((0, *trace.breaks, len(trace.t_s)))):
        line_end = f",{segment}\n" if trace.breaks else "\n"
        for first in range(begin, end, _BLOCK_ROWS):
            block = slice(first, min(first + _BLOCK_ROWS, end))
            rows = zip(*(column[block].tolist() for column in columns), strict=True)
            yield from (line(*row) + line_end for row in rows)


def _line_of(facts: MeterFacts) -> Callable[[float, float, float], str]:
    """What makes a line, without its end, of a measurement."""
    return _watts if facts.watts_alone else _volts_and_amperes


def _volts_and_amperes(t_s: float, voltage_v: float, current_a: float) -> str:
    return f"{t_s!r},{voltage_v!r},{current_a!r},{round(voltage_v * current_a, POWER_DIGITS)!r}"


def _watts(t_s: float, voltage_v: float, current_a: float) -> str:
    return f"{t_s!r},{voltage_v * current_a!r}"


@contextlib.contextmanager
def _refusals_named(path: Path) -> Iterator[None]:
    """Turn what the system refuses into `TraceNotWritten`."""
    try:
        yield
    except OSError as error:
        raise _not_written(path, error) from error


def _not_written(path: Path, error: OSError) -> TraceNotWritten:
    if isinstance(error, FileExistsError):
        return TraceNotWritten(
            f"The recording {path} exists already, and is not replaced.", "Choose another name, or remove it first."
        )
    return TraceNotWritten(
        f"The recording {path} cannot be written: {error.strerror}.",
        "Check that its folder exists, may be written to, and has space left.",
    )
