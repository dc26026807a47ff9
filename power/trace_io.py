"""Recordings as CSV: facts in `#` lines, units in the column names, one row per measurement.

::

    # schema_version: 1
    # meter: km003c
    # …
    # emulated: true
    t_s,voltage_v,current_a,power_w
    0.0213,5.1,0.25,1.275

Numbers are written so that reading gives back the same floats. A line without its newline is what a killed
writer leaves, and is not read.
"""

import contextlib
import math
import os
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import takewhile
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from power.errors import MeterSettingError, TraceFormatError, TraceNotWritten
from power.trace import MeterFacts, PowerTrace

SCHEMA_VERSION = 1
CLOCK = "monotonic"
COLUMNS = "t_s,voltage_v,current_a,power_w"
FACTS = (
    "schema_version",
    "meter",
    "transport",
    "port",
    "emulated",
    "sign",
    "field",
    "update_period_s",
    "clock",
    "t0_s",
    "started_at",
)
POWER_TOLERANCE = 1e-6  # relative, and in watts: room for a spreadsheet's rounding, none for another column

Row = tuple[float, float, float]


class TraceWriter:
    """Writes a recording while it grows; every row reaches the operating system at once.

    A recorder that is killed therefore loses at most the row it was writing. Replaces a file of that name.
    Raises `TraceNotWritten` when the system refuses.
    """

    def __init__(self, path: Path, facts: MeterFacts, t0_s: float, started_at: str) -> None:
        self._path = path
        try:
            self._file = path.open("w", encoding="utf-8", newline="\n", buffering=1)
            self._file.writelines(_head(facts, t0_s, started_at))
        except OSError as error:
            raise _not_written(path, error) from error

    def append(self, t_s: float, voltage_v: float, current_a: float) -> None:
        """Add one measurement; `t_s` counts from the recording's `t0_s`."""
        try:
            self._file.write(_line(t_s, voltage_v, current_a))
        except OSError as error:
            raise _not_written(self._path, error) from error

    def close(self) -> None:
        """Bring the file safely to the disk; harmless when called again."""
        if self._file.closed:
            return
        try:
            with self._file:
                self._file.flush()
                os.fsync(self._file.fileno())
        except OSError as error:
            raise _not_written(self._path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def write_csv(trace: PowerTrace, path: Path) -> None:
    """Store a whole trace; `path` holds either all of it or what it held before.

    Raises `TraceNotWritten` when the system refuses.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.partial")
    rows = zip(trace.t_s.tolist(), trace.voltage_v.tolist(), trace.current_a.tolist(), strict=True)
    try:
        with unfinished.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(_head(trace.facts, trace.t0_s, trace.started_at))
            file.writelines(_line(*row) for row in rows)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        raise _not_written(path, error) from error
    finally:
        with contextlib.suppress(OSError):  # gone after the rename; a second failure would hide the first
            unfinished.unlink()


def read_csv(path: Path) -> PowerTrace:
    """Read a recording. Raises `TraceFormatError`, naming the line, for anything that is not one.

    A file that does not say whether it was emulated is refused: silence must not pass for a measurement.
    """
    lines = _complete_lines(path)
    notes = list(takewhile(lambda line: line.startswith("#"), lines))
    facts = _Facts(path, notes)
    number = len(notes) + 1
    if lines[number - 1 : number] != [COLUMNS]:
        raise _bad_line(path, number, f"the columns are not {COLUMNS}")
    rows = np.array(list(_rows(path, lines[number:], number + 1)), dtype=np.float64).reshape(-1, 3)
    return PowerTrace(
        facts=facts.meter_facts(),
        t0_s=facts.number("t0_s"),
        started_at=facts.instant("started_at"),
        t_s=rows[:, 0],
        voltage_v=rows[:, 1],
        current_a=rows[:, 2],
    )


def _head(facts: MeterFacts, t0_s: float, started_at: str) -> Iterator[str]:
    values: tuple[object, ...] = (
        SCHEMA_VERSION,
        facts.meter,
        facts.transport,
        facts.port,
        "true" if facts.emulated else "false",
        f"{facts.sign:+d}",
        facts.field,
        facts.update_period_s,
        CLOCK,
        t0_s,
        started_at,
    )
    yield from (f"# {key}: {value}\n" for key, value in zip(FACTS, values, strict=True))
    yield COLUMNS + "\n"


def _line(t_s: float, voltage_v: float, current_a: float) -> str:
    return f"{t_s!r},{voltage_v!r},{current_a!r},{voltage_v * current_a!r}\n"


class _Facts:
    """The `#` lines of a file, each present exactly once."""

    def __init__(self, path: Path, notes: Iterable[str]) -> None:
        self._path = path
        self._values: dict[str, tuple[int, str]] = {}
        for number, note in enumerate(notes, start=1):
            key, _, value = note[1:].partition(":")
            self._add(number, key.strip(), value.strip())
        missing = [key for key in FACTS if key not in self._values]
        if missing:
            raise _bad_file(path, f"lacks the facts {', '.join(missing)}")
        self.choice("schema_version", str(SCHEMA_VERSION))
        self.choice("clock", CLOCK)

    def _add(self, number: int, key: str, value: str) -> None:
        if key not in FACTS:
            raise _bad_line(self._path, number, f"{key!r} is no known fact")
        if key in self._values:
            raise _bad_line(self._path, number, f"{key} is given twice")
        self._values[key] = (number, value)

    def meter_facts(self) -> MeterFacts:
        try:
            return MeterFacts(
                meter=self.text("meter"),
                transport=self.text("transport"),
                port=self.text("port"),
                emulated=self.choice("emulated", "true", "false") == "true",
                sign=int(self.choice("sign", "+1", "-1", "1")),
                field=self.text("field"),
                update_period_s=self.number("update_period_s"),
            )
        except MeterSettingError as error:
            raise _bad_file(self._path, f"has impossible facts ({error.message})") from error

    def text(self, key: str) -> str:
        return self._values[key][1]

    def choice(self, key: str, *known: str) -> str:
        number, value = self._values[key]
        if value not in known:
            raise _bad_line(self._path, number, f"{key} is {value!r}, not {' or '.join(known)}")
        return value

    def number(self, key: str) -> float:
        number, value = self._values[key]
        return _finite(self._path, number, value)

    def instant(self, key: str) -> str:
        number, value = self._values[key]
        try:
            datetime.fromisoformat(value)
        except ValueError as error:
            raise _bad_line(self._path, number, f"{key} is {value!r}, not an ISO 8601 time") from error
        return value


def _complete_lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise TraceFormatError(
            f"The recording {path} cannot be read: {error.strerror}.", "Check the path and its permissions."
        ) from error
    except UnicodeDecodeError as error:
        raise _bad_file(path, "is not a text file") from error
    return text.split("\n")[:-1]


def _rows(path: Path, lines: Iterable[str], first_number: int) -> Iterator[Row]:
    latest_s = -math.inf
    for number, line in enumerate(lines, start=first_number):
        cells = line.split(",")
        if len(cells) != 4:
            raise _bad_line(path, number, f"there are {len(cells)} columns instead of 4")
        t_s, voltage_v, current_a, power_w = (_finite(path, number, cell) for cell in cells)
        if t_s < latest_s:
            raise _bad_line(path, number, f"time goes backwards from {latest_s} s to {t_s} s")
        expected_w = voltage_v * current_a
        if not math.isclose(power_w, expected_w, rel_tol=POWER_TOLERANCE, abs_tol=POWER_TOLERANCE):
            raise _bad_line(path, number, f"power_w is {power_w}, but voltage times current is {expected_w}")
        latest_s = t_s
        yield t_s, voltage_v, current_a


def _finite(path: Path, number: int, text: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise _bad_line(path, number, f"{text!r} is not a number") from error
    if not math.isfinite(value):
        raise _bad_line(path, number, f"{text!r} is not a finite number")
    return value


def _bad_line(path: Path, number: int, what: str) -> TraceFormatError:
    return TraceFormatError(f"{path}, line {number}: {what}.", "Repair that line or record again.")


def _bad_file(path: Path, what: str) -> TraceFormatError:
    return TraceFormatError(f"The recording {path} {what}.", "Use a file that this package recorded.")


def _not_written(path: Path, error: OSError) -> TraceNotWritten:
    return TraceNotWritten(
        f"The recording {path} cannot be written: {error.strerror}.",
        "Check that its folder exists, may be written to, and has space left.",
    )
