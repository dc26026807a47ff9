"""Times as programs write them → seconds: dates and times of day, durations, and numbers of a unit. Pure.

Columns of text are read a piece at a time: where all cells of a piece have the form of the first, digit by digit with
numpy, else cell by cell. Both give whole nanoseconds. Times of day without a date may pass midnight once a day: they do
where the time falls by nearly a day and the wait is an ordinary one. A clock that is set back, such as at the end of
summer time, is refused by its line, for nothing tells how long it was. Times with a zone are right across both.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from power.trace import Samples

Nanoseconds = NDArray[np.int64]
DAY_NS = 86_400 * 10**9
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_1900 = datetime(1900, 1, 1, tzinfo=UTC)  # which strptime takes for a time of day
HOUR_S = 3600.0
_FRACTION = r"(?:[.,](?P<f>\d{1,9})|:(?P<ms>\d{3}))?"
_CLOCK = rf"(?P<H>\d{{1,2}}):(?P<M>\d{{2}}):(?P<S>\d{{2}}){_FRACTION}"
_DAYS_CLOCK = rf"(?P<H>\d{{1,2}}):(?P<M>\d{{2}})(?::(?P<S>\d{{2}}){_FRACTION})?"  # 10:11 alone may be 10 minutes
_ZONE = r"(?:\s?(?P<Z>Z|UTC)|\s?(?P<z>[+-])(?P<zh>\d{2})(?::?(?P<zm>\d{2}))?)?"


@dataclass(frozen=True)
class TimeForm:
    """One way to write times: a `pattern` with groups Y m d H M S f ms, D for days in front, z for a zone; or, where a
    person says it, the `codes` of strftime(3)."""

    word: str
    title: str
    pattern: re.Pattern[str]
    dated: bool = True
    codes: str = ""


def _form(word: str, title: str, pattern: str, dated: bool = True) -> TimeForm:
    return TimeForm(word, title, re.compile(pattern, re.ASCII), dated)


FORMS = (
    _form("iso", "dates and times as ISO 8601 has them",
          rf"(?P<Y>\d{{4}})[-/](?P<m>\d{{2}})[-/](?P<d>\d{{2}})[T ]{_DAYS_CLOCK}{_ZONE}"),
    _form("hms", "hours, minutes and seconds", rf"(?:(?P<D>\d{{1,4}})\.)?{_CLOCK}", dated=False),
    _form("dmy", "day.month.year and time",
          rf"(?P<d>\d{{1,2}})\.(?P<m>\d{{1,2}})\.(?P<Y>\d{{4}}),?[T ]{_DAYS_CLOCK}{_ZONE}"),
    _form("mdy", "month, day, year and time",
          rf"(?P<m>\d{{1,2}})[-/](?P<d>\d{{1,2}})[-/](?P<Y>\d{{4}}),?[T ]{_DAYS_CLOCK}{_ZONE}"),
    _form("dmy-slash", "day, month, year and time",
          rf"(?P<d>\d{{1,2}})[-/](?P<m>\d{{1,2}})[-/](?P<Y>\d{{4}}),?[T ]{_DAYS_CLOCK}{_ZONE}"),
)  # fmt: skip
BY_WORD = {form.word: form for form in FORMS}
YEARS = (1970, 2200)  # of which nanoseconds fit into 64 bits


def form_of_codes(codes: str) -> TimeForm:
    """Times as strftime(3) would write them."""
    dated = any(code in codes for code in ("%d", "%j", "%x", "%c", "%s"))
    return TimeForm(codes, f"a time of the form {codes}", re.compile(""), dated, codes)


def form_of(cell: str) -> TimeForm | None:
    """The form of a time that is no plain number; of days and months in doubt the American order."""
    return next((form for form in FORMS if form.pattern.fullmatch(cell.strip())), None)


def form_of_all(cells: Sequence[str]) -> TimeForm | None:
    """The same by many cells of a column: a number over twelve is a day.

    Raises `ValueError`, saying why, where that takes both orders, or where days follow one another in no certain order.
    """
    form = form_of(cells[0]) if cells else None
    if form is None or form.word != "mdy":
        return form
    dates = {match.group("m", "d") for cell in cells if (match := form.pattern.fullmatch(cell.strip()))}
    days = {place for date in dates for place in (0, 1) if int(date[place]) > 12}
    if len(days) == 2 or (not days and len(dates) > 1):
        raise ValueError(f"the first number of {cells[0].strip()} may be the day or the month")
    return BY_WORD["dmy-slash"] if days == {0} else form


class NoTime(ValueError):
    """A cell that is no time, by its place in its piece."""

    def __init__(self, place: int, why: str) -> None:
        super().__init__(why)
        self.place = place


def nanoseconds(form: TimeForm, cells: Sequence[str] | NDArray[np.str_]) -> tuple[Nanoseconds, bool]:
    """Each cell's time, since 1970 or since midnight, (n,), and whether all say their zone.

    Raises `NoTime` for the first cell that is none.
    """
    array = np.ascontiguousarray(cells)
    if not len(array):
        return np.empty(0, dtype=np.int64), True
    if form.codes:
        return _by_codes(form, array.tolist())
    alike = _all_alike(form, array)
    return alike if alike is not None else _one_by_one(form, array.tolist())


def _by_codes(form: TimeForm, cells: Sequence[str]) -> tuple[Nanoseconds, bool]:
    found, zoned = np.empty(len(cells), dtype=np.int64), True
    for place, cell in enumerate(cells):
        try:
            moment = datetime.strptime(cell.strip(), form.codes)
        except ValueError as error:
            raise NoTime(place, f"it is not {form.title}") from error
        zoned &= moment.tzinfo is not None
        since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - (_EPOCH if form.dated else _EPOCH_1900)
        found[place] = (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1000
    return found, zoned


def _one_by_one(form: TimeForm, cells: Sequence[str]) -> tuple[Nanoseconds, bool]:
    found, zoned = np.empty(len(cells), dtype=np.int64), True
    for place, cell in enumerate(cells):
        match = form.pattern.fullmatch(cell.strip())
        if match is None:
            raise NoTime(place, f"it is not {form.title}")
        parts = {name: np.array([int(text)]) for name, text in _numbers(match).items()}
        try:
            found[place] = _sum(parts, _sign(match))[0]
        except ValueError as error:
            raise NoTime(place, str(error)) from error
        zoned &= _has_zone(match)
    return found, zoned


def _all_alike(form: TimeForm, cells: NDArray[np.str_]) -> tuple[Nanoseconds, bool] | None:
    """All at once where each has its digits where the first has them, and the same between; None where not."""
    match = form.pattern.fullmatch(str(cells[0]))
    if match is None:
        return None
    width = len(str(cells[0]))
    letters = cells.view(np.uint32).reshape(len(cells), -1)
    if np.any(letters[:, width:] != 0):
        return None
    letters = letters[:, :width]
    spans = {name: match.span(name) for name in _numbers(match)}
    is_digit = np.zeros(width, dtype=bool)
    for begin, end in spans.values():
        is_digit[begin:end] = True
    digits = letters[:, is_digit]
    if np.any(letters[:, ~is_digit] != letters[0, ~is_digit]) or np.any((digits < 48) | (digits > 57)):
        return None
    parts = {name: _read(letters[:, begin:end]) for name, (begin, end) in spans.items()}
    for name in parts.keys() & {"f", "ms"}:
        begin, end = spans[name]
        parts[name] = parts[name] * 10 ** (9 - (end - begin))
    try:
        return _sum(parts, _sign(match)), _has_zone(match)
    except ValueError:
        return None  # the careful way says which


def _numbers(match: re.Match[str]) -> dict[str, str]:
    """The groups that are numbers, the fraction as nanoseconds where they are read one by one."""
    groups = {name: text for name, text in match.groupdict().items() if text is not None and name not in "Zz"}
    return groups | {name: groups[name].ljust(9, "0") for name in groups.keys() & {"f", "ms"}}


def _read(digits: NDArray[np.uint32]) -> Nanoseconds:
    powers = 10 ** np.arange(digits.shape[1] - 1, -1, -1, dtype=np.int64)
    number: Nanoseconds = (digits.astype(np.int64) - 48) @ powers
    return number


def _sign(match: re.Match[str]) -> int:
    return -1 if match.groupdict().get("z") == "-" else 1


def _has_zone(match: re.Match[str]) -> bool:
    groups = match.groupdict()
    return groups.get("Z") is not None or groups.get("z") is not None


def _sum(parts: dict[str, Nanoseconds], sign: int) -> Nanoseconds:
    """Nanoseconds of the parts. Raises `ValueError` for an hour, a minute or a day that there is not."""
    zero = np.zeros(1, dtype=np.int64)
    hours, minutes, seconds = (parts.get(name, zero) for name in ("H", "M", "S"))
    if "D" not in parts and np.any(hours > (23 if "Y" in parts else 99)):
        raise ValueError("there is no such hour")
    if np.any(minutes > 59) or np.any(seconds > 60):
        raise ValueError("there is no such minute or second")
    days = _days(parts["Y"], parts["m"], parts["d"]) if "Y" in parts else parts.get("D", zero)
    zone_s = sign * (parts.get("zh", zero) * 3600 + parts.get("zm", zero) * 60)
    whole_s = days * 86_400 + hours * 3600 + minutes * 60 + seconds - zone_s
    total: Nanoseconds = whole_s * 10**9 + parts.get("f", zero) + parts.get("ms", zero)
    return total


def _days(years: Nanoseconds, months: Nanoseconds, days: Nanoseconds) -> Nanoseconds:
    """Days since 1970 of a date. Raises `ValueError` where there is no such day, or where nobody measured power."""
    if np.any((years < YEARS[0]) | (years > YEARS[1])):
        raise ValueError("there was no such year")
    if np.any((months < 1) | (months > 12)):
        raise ValueError("there is no such month")
    first = (years - 1970).astype("datetime64[Y]").astype("datetime64[M]") + (months - 1)
    begins = first.astype("datetime64[D]")
    length = ((first + 1).astype("datetime64[D]") - begins).astype(np.int64)
    if np.any((days < 1) | (days > length)):
        raise ValueError("there is no such day in that month")
    since: Nanoseconds = begins.astype(np.int64) + days - 1
    return since


@dataclass
class WallClock:
    """Seconds since the first time that it is given, piece by piece."""

    form: TimeForm
    first_ns: int | None = None
    zoned: bool = True
    _latest_ns: int | None = None
    _days: int = 0
    _usual_ns: float = field(default=0.0)

    def seconds(self, cells: NDArray[np.str_]) -> Samples:
        """Of cells in their order, (n,). Raises `NoTime` for the first that is no time."""
        times, zoned = nanoseconds(self.form, cells)
        if not len(times):
            return np.empty(0)
        self.zoned &= zoned
        if not self.form.dated:
            times = self._past_midnight(times)
        self.first_ns = int(times[0]) if self.first_ns is None else self.first_ns
        return (times - self.first_ns) / 1e9

    def _past_midnight(self, times: Nanoseconds) -> Nanoseconds:
        """With a day more from each midnight on: where the time falls by nearly a day, to an ordinary wait."""
        before = times[0] if self._latest_ns is None else self._latest_ns
        steps = np.diff(times, prepend=before)
        forward = steps[steps > 0]
        if len(forward):
            self._usual_ns = float(np.median(forward))
        passes = (steps < 0) & (steps + DAY_NS <= max(3 * self._usual_ns, 1e9))
        self._latest_ns = int(times[-1])
        later = (self._days + np.cumsum(passes)) * DAY_NS
        self._days += int(np.count_nonzero(passes))
        whole: Nanoseconds = times + later
        return whole

    @property
    def started_at(self) -> str | None:
        """The first time as ISO 8601 in UTC, where its zone is known."""
        if self.first_ns is None or not self.form.dated or not self.zoned:
            return None
        return datetime.fromtimestamp(self.first_ns / 1e9, UTC).isoformat()
