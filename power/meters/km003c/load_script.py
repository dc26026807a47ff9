"""A load script: a CSV of seconds, volts and amperes that an emulated meter follows."""

import csv
from pathlib import Path

import numpy as np

from power.errors import MeterSettingError
from power.meters.km003c.emulated_load import LoadHistory, LoadPoint
from power.plausible import refuse_impossible_values
from power.shared_times import refuse_shared_times
from power.trace_facts import KNOWN

COLUMNS = ("t_s", "voltage_v", "current_a")


def read_load_script(path: Path, interpolate: bool = False, allow_implausible: bool = False) -> LoadHistory:
    """Read the columns t_s, voltage_v, current_a; others and lines that begin with `#` are passed over.

    So a recording can be played again as a load. Between two rows the earlier holds, or the load is linear with
    `interpolate`: `groupnl power integrate --method hold` counts the same joules as the former. Raises
    `MeterSettingError`, naming the line, for a file that is no such script, and, where it is no recording of ours,
    `TraceFormatError` for what no board takes, unless it is allowed, and for several loads at one instant.
    """
    lines = _lines(path)
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if _counts(line)]
    if not numbered:
        raise _no_script(path, "holds no rows")
    names = [name.strip() for name in _cells(path, *numbered[0])]
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise _no_script(path, f"lacks the column {', '.join(missing)}")
    points = [_point(path, number, names, _cells(path, number, line)) for number, line in numbered[1:]]
    if not points:
        raise _no_script(path, "holds no rows")
    for (number, _), earlier, later in zip(numbered[2:], points, points[1:], strict=False):
        if later.t_s < earlier.t_s:
            raise _no_script(path, f"goes back in time in line {number}, from {earlier.t_s} s to {later.t_s} s")
    if not _is_ours(lines):
        _refuse_what_cannot_be(path, points, allow_implausible)
    return LoadHistory(points, interpolate)


def _is_ours(lines: list[str]) -> bool:
    return any(line.startswith(f"# {KNOWN[0]}:") for line in lines)


def _refuse_what_cannot_be(path: Path, points: list[LoadPoint], allow_implausible: bool) -> None:
    t_s, voltage_v, current_a = (np.array([getattr(point, name) for point in points]) for name in COLUMNS)
    if not allow_implausible:
        refuse_impossible_values(str(path), voltage_v, current_a)
    refuse_shared_times(str(path), t_s, voltage_v, current_a)


def _lines(path: Path) -> list[str]:
    if path.exists() and not path.is_file():  # a pipe or a device would be read without end
        raise _no_script(path, "is not a file")
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise MeterSettingError(
            f"The load script {path} cannot be read: {error.strerror}.", "Check the path and its permissions."
        ) from error
    except UnicodeDecodeError as error:
        raise _no_script(path, "is not a text file") from error


def _counts(line: str) -> bool:
    return bool(line.strip()) and not line.startswith("#")


def _cells(path: Path, number: int, line: str) -> list[str]:
    try:
        return next(csv.reader([line]))
    except csv.Error as error:  # such as a field without end
        raise _no_script(path, f"cannot be read in line {number} ({error})") from error


def _point(path: Path, number: int, names: list[str], cells: list[str]) -> LoadPoint:
    if len(cells) != len(names):
        raise _no_script(path, f"has {len(cells)} columns in line {number} instead of {len(names)}")
    row = dict(zip(names, cells, strict=True))
    try:
        return LoadPoint(*(float(row[name]) for name in COLUMNS))
    except ValueError as error:
        raise _no_script(path, f"has something that is no number in line {number}") from error
    except MeterSettingError as error:
        raise MeterSettingError(f"{path}, line {number}: {error.message}", error.remedy) from error


def _no_script(path: Path, what: str) -> MeterSettingError:
    return MeterSettingError(
        f"The load script {path} {what}.",
        f"Write a CSV whose first line is {','.join(COLUMNS)}, then rows in time order.",
    )
