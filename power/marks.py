"""Marks of a recording: what somebody did at which instant, in a file of its own beside the CSV.

::

    # schema_version: 1
    t_s,label,marked_at
    12.048113,camera on,2026-01-02T03:04:05.123456+00:00

`trace.csv` has its marks in `trace.marks.csv`. `t_s` counts as the recording's own does; `marked_at` is the same
instant in UTC, for people. A row is added whole and flushed, so a file without a newline at its end was cut there, and
that row is no mark.
"""

import csv
import errno
import fcntl
import io
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from power.errors import MeterSettingError, TraceFormatError, TraceNotWritten
from power.trace_facts import bad_line, finite

SCHEMA_VERSION = 1
COLUMNS = ("t_s", "label", "marked_at")
LONGEST_LABEL = 80
_VERSION = "# schema_version:"
_REPAIR = "Repair that line, or remove the file of the marks."


@dataclass(frozen=True)
class Mark:
    """A label at an instant, in seconds of the recording."""

    t_s: float
    label: str


def marks_path(recording: Path) -> Path:
    """The file of a recording's marks, which is there as soon as there is one."""
    return recording.with_name(f"{recording.stem}.marks.csv")


def read_marks(recording: Path) -> tuple[Mark, ...]:
    """The marks of a recording (its CSV), by time; none where it has no file of marks.

    Raises `TraceFormatError`, naming the line, for a file that is none.
    """
    path = marks_path(recording)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise TraceFormatError(f"The marks {path} cannot be read: {error}.", "Check the file.") from error
    return tuple(sorted(_parse(path, text), key=lambda mark: mark.t_s))


def one_mark(recording: Path, label: str) -> Mark:
    """The one mark of that label. Raises `MeterSettingError` where there is none, or several."""
    marks = read_marks(recording)
    found = [mark for mark in marks if mark.label == clean_label(label)]
    if len(found) == 1:
        return found[0]
    if found:
        times = ", ".join(f"{mark.t_s:.3f} s" for mark in found)
        raise MeterSettingError(
            f"The recording {recording} has {len(found)} marks “{clean_label(label)}”: at {times}.",
            "Name the instant itself, with --from and --to.",
        )
    known = ", ".join(f"“{mark.label}”" for mark in marks)
    raise MeterSettingError(
        f"The recording {recording} has no mark “{clean_label(label)}”.",
        f"Its marks are {known}." if marks else "It has no marks: groupnl power mark LABEL adds one while it grows.",
    )


def clean_label(text: str) -> str:
    """One printable line: blanks are single, and whatever else is no letter is escaped as Python does it."""
    return " ".join("".join(letter if letter.isprintable() else _escaped(letter) for letter in text).split())


def require_label(text: str) -> str:
    """The label as it is kept. Raises `MeterSettingError` for an empty one, and for one that is too long."""
    label = clean_label(text)
    if not label or len(label) > LONGEST_LABEL:
        raise MeterSettingError(
            f"A label of {len(label)} letters is none." if label else "The label is empty.",
            f"Give 1 to {LONGEST_LABEL} letters, such as “camera on”.",
        )
    return label


def add_mark(recording: Path, mark: Mark, marked_at: datetime | None = None) -> None:
    """Add a mark; it is on the disk when this returns. Several programs may do so at once.

    Raises `MeterSettingError` for a label that is none, and `TraceNotWritten` where the system refuses.
    """
    instant = (marked_at or datetime.now(UTC)).isoformat()
    row = _line(f"{mark.t_s:.6f}", require_label(mark.label), instant)
    path = marks_path(recording)
    try:
        # A descriptor, not a stream: nothing is kept back, and the place to write at is the file's end of that moment.
        with closing(_Appended(path)) as file:
            file.add(row)
    except OSError as error:
        raise TraceNotWritten(
            f"The mark cannot be written to {path}: {error.strerror or error}.",
            "Check that its folder may be written to and has space left.",
        ) from error


class _Appended:
    """The file, which nobody else adds to until it is closed."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX)
        except OSError:
            self.close()
            raise

    def add(self, row: str) -> None:
        """A row behind the last whole one, as a whole; on a full disk the file is as it was."""
        there = os.pread(self._file, os.fstat(self._file).st_size, 0)
        end = there.rfind(b"\n") + 1
        added = (row if end else f"{_VERSION} {SCHEMA_VERSION}\n{_line(*COLUMNS)}{row}").encode()
        os.ftruncate(self._file, end)
        try:
            if os.pwrite(self._file, added, end) < len(added):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, end)
            raise

    def close(self) -> None:
        os.close(self._file)


def _line(*cells: str) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def _parse(path: Path, text: str) -> Iterator[Mark]:
    whole = text[: text.rfind("\n") + 1]
    header: list[str] | None = None
    for number, line in enumerate(whole.split("\n")[:-1], start=1):
        if line.startswith(_VERSION):
            _require_known(path, number, line.removeprefix(_VERSION).strip())
        elif not line.strip() or line.startswith("#"):
            continue
        elif header is None:
            header = _header(path, number, _cells(path, number, line))
        else:
            yield _mark(path, number, dict(zip(header, _cells(path, number, line), strict=False)))


def _header(path: Path, number: int, cells: list[str]) -> list[str]:
    header = [cell.strip() for cell in cells]
    if "t_s" not in header or "label" not in header:
        raise bad_line(str(path), number, "the columns t_s and label are expected", _REPAIR)
    return header


def _mark(path: Path, number: int, cells: dict[str, str]) -> Mark:
    try:
        return Mark(finite(cells.get("t_s", "")), clean_label(cells.get("label", "")))
    except ValueError as error:
        raise bad_line(str(path), number, f"t_s: {error}", _REPAIR) from error


def _cells(path: Path, number: int, line: str) -> list[str]:
    try:
        return next(csv.reader([line]), [])
    except csv.Error as error:
        raise bad_line(str(path), number, str(error), _REPAIR) from error


def _require_known(path: Path, number: int, version: str) -> None:
    if version != str(SCHEMA_VERSION):
        raise bad_line(
            str(path),
            number,
            f"the marks are of version {version}, and {SCHEMA_VERSION} is the one known here",
            "Update groupnl-deploy to the version that wrote them.",
        )


def _escaped(letter: str) -> str:
    return " " if letter.isspace() else ascii(letter)[1:-1]
