"""The facts of a recording as `#` lines: written whole, read leniently where absent and strictly where wrong.

What a file does not say is unknown, and stays so: its `emulated` and its periods are None. A line that no
version of this project writes is a comment. A fact given twice, or one that cannot be, is refused by its line.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from power.errors import TraceFormatError
from power.trace import Averaging, MeterFacts

T = TypeVar("T")

SCHEMA_VERSION = 3  # 1 had no `averaging`; 2 no `watts_alone`, no column `segment` and no averages of a row
CLOCK = "monotonic"
UNKNOWN = "unknown"
CELL_SHOWN = 40  # characters of a cell in an error
REPAIR = "Repair that line or record again."
KNOWN = (
    "schema_version",
    "meter",
    "transport",
    "port",
    "emulated",
    "sign",
    "field",
    "update_period_s",
    "averaging",
    "poll_period_s",
    "renews_too_fast",
    "watts_alone",
    "clock",
    "t0_s",
    "started_at",
)
_TRUTH = {"true": True, "false": False}
_EMULATED: dict[str, bool | None] = {**_TRUTH}
_SIGNS = {"+1": 1, "1": 1, "-1": -1}
_AVERAGING: dict[str, Averaging] = {"block": "block", "instant": "instant", "row": "row"}


@dataclass(frozen=True)
class RecordedFacts:
    """What the `#` lines of one file say. `ours` is whether they begin as this project's do, with a version."""

    meter: MeterFacts
    t0_s: float
    started_at: str | None
    ours: bool


def fact_lines(facts: MeterFacts, t0_s: float, started_at: str | None) -> Iterator[str]:
    """The `#` lines of a recording; what is unknown, or was not seen, has none."""
    values: tuple[object, ...] = (
        SCHEMA_VERSION,
        facts.meter,
        facts.transport,
        facts.port,
        None if facts.emulated is None else str(facts.emulated).lower(),
        f"{facts.sign:+d}",
        facts.field,
        facts.update_period_s,
        facts.averaging,
        facts.poll_period_s,
        "true" if facts.renews_too_fast else None,
        "true" if facts.watts_alone else None,
        CLOCK,
        t0_s,
        started_at,
    )
    yield from (f"# {key}: {value}\n" for key, value in zip(KNOWN, values, strict=True) if value is not None)


def parse_facts(name: str, notes: Sequence[str], numbers: Sequence[int]) -> RecordedFacts:
    """Read the `#` lines that a file begins with, and their numbers. Raises `TraceFormatError`, naming the line."""
    given = _Given(name, notes, numbers)
    _refuse_newer(name, given)
    given.read("clock", _one_of({CLOCK: CLOCK}), CLOCK)
    meter = MeterFacts(
        meter=given.read("meter", str, UNKNOWN),
        transport=given.read("transport", str, UNKNOWN),
        port=given.read("port", str, UNKNOWN),
        emulated=given.read("emulated", _one_of(_EMULATED), None),
        sign=given.read("sign", _one_of(_SIGNS), 1),
        field=given.read("field", str, UNKNOWN),
        update_period_s=given.read("update_period_s", _period, None),
        averaging=given.read("averaging", _one_of(_AVERAGING), "instant"),
        poll_period_s=given.read("poll_period_s", _period, None),
        renews_too_fast=given.read("renews_too_fast", _one_of(_TRUTH), False),
        watts_alone=given.read("watts_alone", _one_of(_TRUTH), False),
    )
    return RecordedFacts(
        meter=meter,
        t0_s=given.read("t0_s", finite, 0.0),
        started_at=given.read("started_at", _instant, None),
        ours=given.line("schema_version") is not None,
    )


def bad_line(name: str, number: int, what: str, remedy: str = REPAIR) -> TraceFormatError:
    """The error for one line of a file, counted from 1."""
    return TraceFormatError(f"{name}, line {number}: {what}.", remedy)


def finite(text: str) -> float:
    """A number that is neither infinite nor NaN; raises `ValueError` with the reason."""
    try:
        value = float(text)
    except ValueError as error:
        raise ValueError(f"{shown(text)} is not a number") from error
    if not math.isfinite(value):
        raise ValueError(f"{shown(text)} is not a finite number")
    return value


def shown(text: str) -> str:
    """A cell as an error shows it: what a power failure left in place of it is many characters long."""
    zeros = text.count("\0")
    if zeros > 1:
        return f"a cell of {zeros:,} zero bytes, such as a power failure leaves,"
    return ascii(text[:CELL_SHOWN]) + ("…" if len(text) > CELL_SHOWN else "")


class _Given:
    """The known facts among some `#` lines, each with its line's number."""

    def __init__(self, name: str, notes: Sequence[str], numbers: Sequence[int]) -> None:
        self._name = name
        self._values: dict[str, tuple[int, str]] = {}
        for number, note in zip(numbers, notes, strict=True):
            key, _, value = note.lstrip("#").partition(":")
            if key.strip() in KNOWN:
                self._add(number, key.strip(), value.strip())

    def _add(self, number: int, key: str, value: str) -> None:
        if key in self._values:
            raise bad_line(self._name, number, f"{key} is given twice, first in line {self._values[key][0]}")
        self._values[key] = (number, value)

    def line(self, key: str) -> int | None:
        """The number of the line that gives a fact, None where none does."""
        return self._values[key][0] if key in self._values else None

    def read(self, key: str, parse: Callable[[str], T], absent: T) -> T:
        if key not in self._values:
            return absent
        number, text = self._values[key]
        try:
            return parse(text)
        except ValueError as error:
            raise bad_line(self._name, number, f"{key}: {error}") from error


def _refuse_newer(name: str, given: _Given) -> None:
    version, number = given.read("schema_version", _version, 1), given.line("schema_version")
    if number is not None and version > SCHEMA_VERSION:
        raise bad_line(
            name,
            number,
            f"the recording is of version {version}, and the newest known here is {SCHEMA_VERSION}",
            "Update groupnl-deploy to the version that recorded it, or a later one.",
        )


def _version(text: str) -> int:
    version = int(text) if text.isdecimal() else 0
    if version < 1:
        raise ValueError(f"{text!r} is no version")
    return version


def _one_of(values: dict[str, T]) -> Callable[[str], T]:
    def parse(text: str) -> T:
        if text not in values:
            raise ValueError(f"it is {text!r}, not {' or '.join(values)}")
        return values[text]

    return parse


def _period(text: str) -> float:
    value = finite(text)
    if value <= 0.0:
        raise ValueError(f"a period of {text} s is impossible")
    return value


def _instant(text: str) -> str:
    try:
        datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not an ISO 8601 time") from error
    return text
