"""Recordings of known joules in every way that programs write tables, drawn by Hypothesis.

The joules are those of the digits that stand in the file: each cell's text is reckoned here, apart from the product.
What is `clear` can be nothing else; of the rest a reader may have to refuse some.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import accumulate, pairwise
from random import Random

from hypothesis import strategies as st

from power.reading.asked import NOTHING, Asked
from power.reading.names import UNITS, Quantity

WORDS: dict[Quantity, tuple[str, ...]] = {
    "time": ("time", "Time", "t", "timestamp", "TIMESTAMP", "elapsed_time", "Elapsed"),
    "voltage": ("voltage", "Voltage", "V", "U", "bus_voltage", "VBUS", "Volt"),
    "current": ("current", "Current", "I", "ibus", "CURRENT", "bus_current"),
    "power": ("power", "Power", "P", "bus_power"),
    "energy": ("energy", "Energy", "total_energy"),
}
SYMBOLS: dict[Quantity, tuple[str, ...]] = {
    "time": ("s", "ms", "us", "ns", "min", "h"),
    "voltage": ("V", "mV", "uV"),
    "current": ("A", "mA", "uA"),
    "power": ("W", "mW", "uW"),
    "energy": ("J", "mJ", "Wh", "mWh", "kWh", "Ws"),
}
DIGITS = {"s": 3, "ms": 1, "us": 0, "ns": 0, "min": 8, "h": 10, "V": 4, "A": 4, "W": 4, "mV": 1, "mA": 1, "mW": 1,
          "uV": 0, "uA": 0, "uW": 0, "J": 4, "Ws": 4, "mJ": 1, "Wh": 7, "mWh": 4, "kWh": 9}  # fmt: skip
EXACT = {"s": "t_s", "V": "voltage_v", "A": "current_a", "W": "power_w"}
KINDS: tuple[tuple[Quantity, ...], ...] = (
    ("voltage", "current"),
    ("voltage", "current"),
    ("voltage", "current", "power"),
    ("power",),
    ("energy",),
)
CLEAR_FORMS = ("iso", "isoZ", "iso+01:00", "iso+0100", "hms", "D.hms", "dmy")
FORMS = (*CLEAR_FORMS, "iso+01", "mdy", "dmy-slash", "date, time")
DAYS = {"mdy": "%m/%d/%Y", "dmy": "%d.%m.%Y", "dmy-slash": "%d/%m/%Y"}
EXTRA = ("note", "temp_c", "Temp(°C)", "index", "D+(V)", "shunt_voltage_mV", "charge_mAh", "CC1(V)", "mode")
COMMENTS = ("# a comment, with a comma", "% 1.0;2.0", "// nothing", "#", "; said later", "# 1,2,3")
MISSING = ("NaN", "nan", "", "N/A", "--", "null")
ENCODINGS = {"UTF-8": "utf-8", "with a mark": "utf-8-sig", "UTF-16": "utf-16", "little endian": "utf-16-le",
             "big endian": "utf-16-be", "cp1252": "cp1252"}  # fmt: skip


@dataclass(frozen=True)
class Written:
    """A file's bytes, what has to be said of it, and the joules that may be read: without a first or a last row that
    holds nothing or may have been cut."""

    content: bytes
    asked: Asked
    joules: tuple[float, ...]


@dataclass(frozen=True)
class Column:
    """A column's name, its cells, and their seconds, volts, amperes, watts or joules; none where nobody counts them."""

    name: str
    cells: list[str]
    values: tuple[Decimal, ...] = ()
    unit: str = ""  # where it has to be said


@dataclass(frozen=True)
class Table:
    """What stands between cells, and how numbers are written."""

    separator: str
    decimal: str
    thousands: str
    exponent: bool
    width: int
    plus: bool
    strips: bool
    quotes: str
    clear: bool

    def number(self, value: Decimal, digits: int) -> tuple[str, Decimal]:
        """A number with so many digits behind its point, and what it is then."""
        plain = f"{value:.{digits + 8}e}" if self.exponent else f"{value:,.{digits}f}"
        if self.strips and "." in plain and not self.exponent:
            plain = plain.rstrip("0").rstrip(".")
        known = Decimal(plain.replace(",", ""))
        is_doubtful = plain.count(",") == 1 and "." not in plain
        thousands = "" if self.clear and is_doubtful else self.thousands
        marked = plain.replace(",", "_").replace(".", self.decimal).replace("_", thousands)
        return f"{'+' * self.plus}{marked}".rjust(self.width), known

    def line(self, cells: Sequence[str], padding: int = 0) -> str:
        """A line of these cells."""
        quoted = [f'"{cell}"' if self.quotes == "all" or self.separator in cell else cell for cell in cells]
        if self.quotes == "=" and not quoted[0].startswith('"'):
            quoted[0] = f'="{quoted[0]}"'
        return self.separator.join(quoted) + self.separator * padding


class Drawing:
    """One file, drawn step by step."""

    def __init__(self, draw: st.DrawFn, clear: bool) -> None:
        self.draw, self.clear = draw, clear
        self.random = Random(draw(st.integers(0, 2**32)))  # of what needs no shrinking: drawing costs time
        self.count = self.random.randint(8, 30)
        self.table = self._table()

    def pick(self, *choices):
        return self.draw(st.sampled_from(choices))

    def seldom(self) -> bool:
        return self.pick(False, False, False, True)

    def _table(self) -> Table:
        separator, decimal = self.pick(",", ";", "\t", "|", " "), self.pick(".", ",")
        marks = [mark for mark in ("", "", "", ".", ",", "'", " ", "\u00a0") if mark != decimal]
        # Points between thousands and bare commas between cells is nothing that anybody writes.
        never = {" ": (" ", "\u00a0"), ",": (".",)}.get(separator, ())
        thousands = self.pick(*(mark for mark in marks if mark not in never))
        exponent = not thousands and self.seldom()
        width = 0 if separator == " " else self.pick(0, 0, 0, 14)
        quotes = self.pick("", "", "all", "=") if separator != " " else self.pick("", "all")
        return Table(separator, decimal, thousands, exponent, width, self.seldom(), self.seldom(), quotes, self.clear)

    def written(self) -> Written:
        times = self.times()
        quantities = {kind: self.quantity(kind, values) for kind, values in self.curves(times[0].values).items()}
        seconds, counting = times[0].values, [times[0], *quantities.values()]
        columns = [*times, *quantities.values(), *self.extra()]
        self.random.shuffle(columns)
        needed = [column for kind, column in quantities.items() if kind != "power" or len(quantities) == 1]
        lacking = set() if self.clear else self.lose_some([times[0], *needed])
        units = {UNITS[column.unit].quantity: UNITS[column.unit] for column in counting if column.unit}
        return Written(
            self.content(columns), Asked(units=units) if units else NOTHING, joules(seconds, quantities, lacking)
        )

    def times(self) -> list[Column]:
        step_ms = self.pick(10, 50, 100, 250, 500, 1000, 2000, 10_000)
        form = self.pick("number", "number", "epoch", *(CLEAR_FORMS if self.clear else FORMS))
        if form == "number":
            return [self.plain_times(step_ms)]
        start = datetime(2026, self.pick(2, 3, 10), self.pick(3, 11, 14, 25, 28), tzinfo=UTC)
        start += timedelta(seconds=self.pick(0, 36_672, 86_399, 86_395), milliseconds=10 * self.random.randint(0, 99))
        moments = [start + timedelta(milliseconds=step_ms * k) for k in range(self.count)]
        values = tuple(Decimal(step_ms * k) / 1000 for k in range(self.count))
        if form == "epoch":
            return [self.epoch(moments, values)]
        has_zone = form.startswith("iso+")
        hours = [1] * self.count
        if (has_zone or not self.clear) and self.seldom():  # the end or the beginning of summer time
            turn = self.random.randrange(1, self.count)
            hours = [self.pick(0, 2)] * turn + hours[turn:]
        local = [moment + timedelta(hours=hour) for moment, hour in zip(moments, hours, strict=True)]
        clocks = [self.clock(moment) for moment in local]
        word = self.pick(*WORDS["time"])
        if form == "date, time":
            return [Column("Time", clocks, values), Column("Date", [f"{moment:%Y-%m-%d}" for moment in local])]
        return [Column(word, self.wall_clock(form, local, clocks, hours), values)]

    def clock(self, moment: datetime) -> str:
        return f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03}"

    def wall_clock(self, form: str, local: list[datetime], clocks: list[str], hours: list[int]) -> list[str]:
        if form in ("hms", "D.hms"):
            days = [(moment - local[0].replace(hour=0)).days for moment in local]
            return [f"{f'{day}.' * (form == 'D.hms')}{clock}" for day, clock in zip(days, clocks, strict=True)]
        between = "T" if self.table.separator == " " else self.pick("T", " ")
        zones = {"isoZ": "Z", "iso+01:00": "+0{}:00", "iso+0100": "+0{}00", "iso+01": "+0{}"}
        if form == "isoZ":
            local = [moment - timedelta(hours=hour) for moment, hour in zip(local, hours, strict=True)]
            clocks = [self.clock(moment) for moment in local]
        return [
            f"{moment.strftime(DAYS.get(form, '%Y-%m-%d'))}{between}{clock}{zones.get(form, '').format(hour)}"
            for moment, clock, hour in zip(local, clocks, hours, strict=True)
        ]

    def plain_times(self, step_ms: int) -> Column:
        unit = self.pick(*SYMBOLS["time"])
        first_ms = self.pick(0, 0, 570, 12_300, 1_500_000)
        seconds = [Decimal(first_ms + step_ms * k) / 1000 for k in range(self.count)]
        return self.column("time", unit, seconds, DIGITS[unit] + (unit == "s" and self.clear))

    def epoch(self, moments: list[datetime], values: tuple[Decimal, ...]) -> Column:
        unit = self.pick("s", "ms", "us", "ns")
        parts = {"s": 3, "ms": 0, "us": -3, "ns": -6}[unit]
        whole = [(moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1) for moment in moments]
        cells = [f"{ms}{'0' * -parts}" for ms in whole]
        if unit == "s":
            cells = [f"{cell[:-3]}{self.table.decimal}{cell[-3:]}" for cell in cells]
        return Column(self.pick(*WORDS["time"], f"timestamp_{unit}"), cells, values)

    def curves(self, t_s: Sequence[Decimal]) -> dict[Quantity, list[Decimal]]:
        volts = [Decimal(f"{5.05 + self.random.uniform(-0.03, 0.03):.6f}") for _ in range(self.count)]
        amps = [Decimal(f"{0.9 + self.random.uniform(-0.55, 0.55):.6f}") for _ in range(self.count)]
        watts = [v * a for v, a in zip(volts, amps, strict=True)]
        waits = [Decimal(0), *(later - earlier for earlier, later in pairwise(t_s))]
        counted = list(accumulate((w * s for w, s in zip(watts, waits, strict=True)), initial=Decimal(700)))[1:]
        made: dict[Quantity, list[Decimal]] = {"voltage": volts, "current": amps, "power": watts, "energy": counted}
        return {kind: made[kind] for kind in self.pick(*KINDS)}

    def quantity(self, kind: Quantity, values: list[Decimal]) -> Column:
        symbol = self.pick(*SYMBOLS[kind])
        digits = DIGITS[symbol] + self.pick(0, 1, 2) * (DIGITS[symbol] > 0)
        if self.clear:
            return self.column(kind, symbol, values, digits + (digits == 3))  # for `5,070` may be two numbers
        return self.column(kind, symbol, values, max(0, digits - self.pick(0, 1)))

    def column(self, kind: Quantity, symbol: str, values: list[Decimal], digits: int) -> Column:
        unit = UNITS[symbol]
        times, parts = Decimal(unit.times), Decimal(unit.parts)
        written = [self.table.number(value * parts / times, digits) for value in values]
        name, said = self.name(kind, symbol)
        return Column(name, [cell for cell, _ in written], tuple(known * times / parts for _, known in written), said)

    def name(self, kind: Quantity, symbol: str) -> tuple[str, str]:
        """A column's name, and its unit where it must be said."""
        word, spelled = self.pick(*WORDS[kind]), self.pick(symbol, symbol.replace("u", "µ"))
        forms = [f"{word}{mark}{spelled}{end}" for mark, end in (("_", ""), ("(", ")"), ("[", "]"), ("/", ""))]
        if self.table.separator != " ":
            forms += [f"{word}{mark}{spelled}{end}" for mark, end in ((" (", ")"), (" [", "]"), (" ", ""), (" / ", ""))]
        if symbol in EXACT:
            forms.append(EXACT[symbol])
        form = self.pick(*forms, word, *([symbol] if symbol not in ("min", "h") else []))
        if form == word:
            return word, symbol
        if form == symbol:  # which its case tells from a word of one letter
            return form, ""
        others = [] if self.clear else [form.upper(), form.title()]
        return self.pick(form, form, form.lower(), *others).replace("\u039c", "µ"), ""  # which has no capital in cp1252

    def extra(self) -> list[Column]:
        names = self.random.sample(EXTRA, self.random.randint(0, 3))
        texts = ("on", "off", "x", "a, b" if self.table.separator != " " else "y")
        return [
            Column(
                name,
                [
                    self.random.choice(texts)
                    if name in ("note", "mode")
                    else self.table.number(Decimal(self.random.randint(0, 4000)) / 100, 2)[0]
                    for _ in range(self.count)
                ],
            )
            for name in names
        ]

    def lose_some(self, columns: Sequence[Column]) -> set[int]:
        """Take the measurements out of a row or two; those rows."""
        lost = set(self.random.sample(range(self.count), self.pick(0, 0, 0, 1, 2)))
        for row in lost:
            self.random.choice(columns).cells[row] = self.pick(*MISSING)
        return lost

    def content(self, columns: Sequence[Column]) -> bytes:
        table, padding = self.table, self.pick(0, 0, 0, 1, 3) if self.table.separator != " " else 0
        header = table.line([column.name for column in columns], self.pick(0, padding))
        lines = [table.line(cells, padding) for cells in zip(*(column.cells for column in columns), strict=True)]
        for line in self.between(header):
            lines.insert(self.random.randrange(len(lines)), line)
        front = [f"sep={table.separator}"] if table.separator in ",;" and self.seldom() else self.preamble()
        text = "\n".join([*front, header, *lines, *([""] if self.clear else self.pick([""], []))])
        text = text.replace("\n", self.pick("\n", "\r\n", "\r"))
        return self.encoded(text)

    def between(self, header: str) -> list[str]:
        """Lines among the rows that are none."""
        comments = [line for line in COMMENTS if not (line[0] == ";" and self.table.separator == ";")]
        padding = self.table.separator * 3
        return [self.pick(*comments, "", "  ", padding, header) for _ in range(self.pick(0, 0, 1, 2))]

    def preamble(self) -> list[str]:
        logger, by_hand = ("Logger 1.2", "Device: meter 7, firmware 2"), ("# by hand", "2026-02-03", "")
        return list(self.pick((), (), logger, by_hand, ("",)))

    def encoded(self, text: str) -> bytes:
        mark = "\ufeff" if not text.isascii() else ""
        has_all = text.encode("cp1252", "ignore").decode("cp1252") == text  # it has a µ, and none in capitals
        encoding = self.pick(*(name for name in ENCODINGS if has_all or name != "cp1252"))
        if encoding in ("little endian", "big endian"):  # a mark or none
            text = self.pick(mark, "\ufeff") + text
        return text.encode(ENCODINGS[encoding])


def joules(t_s: Sequence[Decimal], columns: Mapping[Quantity, Column], lacking: set[int]) -> tuple[float, ...]:
    """Of all rows, and without those at an end that lack something or may be cut."""
    kept = [row for row in range(len(t_s)) if row not in lacking]
    ends = {len(t_s) - 1, kept[-1], len(t_s) - 2, [row for row in kept if row < len(t_s) - 1][-1]}
    spans = {(first, last) for first in (0, kept[0]) for last in ends}
    whole = [(first, last) for first, last in spans if not lacking & set(range(first, last + 1))]
    steps = _steps(t_s, columns)
    made = [sum(steps[first:last]) for first, last in whole]
    if "voltage" in columns and "power" in columns:
        # The watts count where a name such as VOLTAGE_MV says no unit, and a row that lacks volts lacks none.
        steps = _steps(t_s, {"power": columns["power"]})
        made += [sum(steps[:last]) for last in ends]
    return tuple(map(float, made))


def _steps(t_s: Sequence[Decimal], columns: Mapping[Quantity, Column]) -> list[Decimal]:
    """Joules between neighbouring rows: a counter's rise, or by straight lines between watts."""
    values = {kind: column.values for kind, column in columns.items()}
    if "energy" in values:
        return [later - earlier for earlier, later in pairwise(values["energy"])]
    watts = values.get("power", ())
    if "voltage" in values:
        watts = tuple(v * a for v, a in zip(values["voltage"], values["current"], strict=True))
    return [(b + a) / 2 * (t - s) for (a, b), (s, t) in zip(pairwise(watts), pairwise(t_s), strict=True)]


@st.composite
def recordings(draw: st.DrawFn, *, clear: bool = False) -> Written:
    """A file; a `clear` one can be nothing else."""
    return Drawing(draw, clear).written()
