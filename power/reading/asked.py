"""What a person says of a file that it does not say itself: `--columns`, `--units`, `--voltage` and their like."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from power.errors import TraceFormatError
from power.reading.names import SYMBOLS, Quantity, Unit, unit_of
from power.reading.times import BY_WORD, TimeForm, form_of_codes

DECIMALS = {"comma": ",", "point": "."}
EXAMPLE = "--columns t=time,v=voltage,i=current --units ms,mV,mA"


@dataclass(frozen=True)
class Asked:
    """`columns` by name or number, counted from 1; `units` of quantities, which go before those that names say.

    `time_form` is how times are written, None to see for oneself; `voltage_v` stands for one that is not in the file;
    `sign` multiplies the current. `decimal` is a comma or a point; `part` is which of several recordings in one file,
    counted from 1. `every_s` is how far apart the rows are, whatever times the file has, or if it has none.
    `allow_implausible` reads what no board takes.
    """

    columns: Mapping[Quantity, str] = field(default_factory=dict)
    units: Mapping[Quantity, Unit] = field(default_factory=dict)
    time_form: TimeForm | None = None
    voltage_v: float | None = None
    sign: int = 1
    decimal: str | None = None
    part: int | None = None
    every_s: float | None = None
    allow_implausible: bool = False

    @property
    def describes(self) -> bool:
        """Whether anything is said of what the file's cells mean, beside which columns count."""
        numbers = (self.voltage_v, self.every_s)
        return bool(self.units or self.time_form or self.decimal) or any(number is not None for number in numbers)


NOTHING = Asked()


def columns_of(text: str) -> dict[Quantity, str]:
    """`t=time,v=2,i=current` → the columns. Raises `TraceFormatError` for what is none."""
    found: dict[Quantity, str] = {}
    for part in text.split(","):
        symbol, mark, name = part.partition("=")
        quantity = SYMBOLS.get(symbol.strip().lower())
        if quantity is None or not mark or not name.strip() or quantity in found:
            raise TraceFormatError(
                f"--columns has “{part}”, which names no column, or one for the second time.",
                f"Give each as t, v, i, p or e, an equals sign, and the column's name or number: {EXAMPLE}.",
            )
        found[quantity] = name.strip()
    return found


def units_of(text: str) -> dict[Quantity, Unit]:
    """`ms,mV,uA` → the units of the quantities. Raises `TraceFormatError` for what is none."""
    found: dict[Quantity, Unit] = {}
    for word in text.split(","):
        unit = unit_of(word)
        if unit is None or unit.quantity in found:
            raise TraceFormatError(
                f"--units has “{word}”, which is no unit here, or the second of one quantity.",
                "Give one each of s ms us ns min h, V mV uV, A mA uA nA, W mW uW kW, J Wh kWh: --units ms,mV,uA.",
            )
        found[unit.quantity] = unit
    return found


def time_form_of(text: str) -> TimeForm:
    """A word for a form, or codes of strftime(3). Raises `TraceFormatError` for neither."""
    if text in BY_WORD:
        return BY_WORD[text]
    if "%" not in text:
        raise TraceFormatError(
            f"--time-format is “{text}”, which is no form of a time.",
            f"Give {', '.join(BY_WORD)}, or codes such as %d.%m.%Y %H:%M:%S; for numbers give --units instead.",
        )
    return form_of_codes(text)
