"""Volts, amperes and watts that no board takes, and the unit that the numbers look like. Pure.

A column renamed to `current_a` that still holds microamperes makes a million times the joules, and nothing else in the
file tells. The limits are wide: USB PD 3.1 ends at 48 V, 5 A and 240 W, a board of the largest kind takes 19 V and 7 A.
What lies within them is never refused. Milliamperes of a board that sleeps lie within them (15 mA reads as 15 A, which
at 5 V is 75 W and may be), so `in_words` says of every recording from elsewhere what its numbers were taken for.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from power.errors import ImplausibleTrace
from power.time_units import Doubt, doubt_about_times, lasting, may_be_milliseconds, usual_spacing_s
from power.trace import Samples

LARGEST_V, LARGEST_A, LARGEST_W = 60.0, 20.0, 500.0
MAINS_V = (85.0, 265.0)
LIKELY_V, LIKELY_A = (0.7, 60.0), (0.005, 10.0)  # what a board has when the right unit was found
USB_A = 6.0  # more than any USB supply gives
ALLOW = "--allow-implausible"
_LETTERS = {1_000: "m", 1_000_000: "u", 1_000_000_000: "n"}
_PARTS = ((1_000, "milli"), (1_000_000, "micro"), (1_000_000_000, "nano"))


@dataclass(frozen=True)
class _Quantity:
    column: str
    unit: str
    word: str
    largest: float
    likely: tuple[float, float]


_VOLTAGE = _Quantity("voltage_v", "V", "volts", LARGEST_V, LIKELY_V)
_CURRENT = _Quantity("current_a", "A", "amperes", LARGEST_A, LIKELY_A)


def refuse_implausible(
    what: str, t_s: Samples, voltage_v: Samples, current_a: Samples, *, watts_alone: bool = False
) -> None:
    """Raise `ImplausibleTrace` for columns, (rows,) each, that no board and no clock fills; `what` names their file.

    Where there are `watts_alone`, the amperes are watts at 1 V.
    """
    of_times = doubt_about_times(t_s)
    of_values = _doubt_about_watts(current_a) if watts_alone else _doubts(voltage_v, current_a)
    _refuse(what, [*of_values, *([] if of_times is None else [of_times])])


def refuse_impossible_values(what: str, voltage_v: Samples, current_a: Samples) -> None:
    """`refuse_implausible` without the times, which a load that was drawn by hand may have as it likes."""
    _refuse(what, list(_doubts(voltage_v, current_a)))


def _refuse(what: str, doubts: list[Doubt]) -> None:
    if not doubts:
        return
    seen = "; ".join(doubt.seen for doubt in doubts)
    mend = " and ".join(doubt.mend for doubt in doubts)
    units = [doubt.unit for doubt in doubts]
    say = f", or say so: groupnl power import FILE --units {','.join(units)} --out ours.csv" if all(units) else ""
    raise ImplausibleTrace(
        f"{what}: {seen}.", f"{mend[0].upper()}{mend[1:]}{say}; if the numbers are right as they are, say {ALLOW}."
    )


def in_words(
    t_s: Samples,
    voltage_v: Samples,
    current_a: Samples,
    *,
    watts_alone: bool = False,
    is_certain: bool = False,
    of_clock: bool = False,
) -> Iterator[str]:
    """What the columns of a recording from elsewhere were taken for, as sentences for whoever must judge it.

    Of a format that is known the units are certain, and no other are suggested; nor of times `of_clock`, without unit.
    """
    spacing_s = usual_spacing_s(t_s)
    if spacing_s is None:
        return
    ranges = (_range(current_a, "W"),) if watts_alone else (_range(voltage_v, "V"), _range(current_a, "A"))
    taken = "seconds and watts" if watts_alone else "seconds, volts and amperes"
    length_s = float(t_s[-1] - t_s[0])
    yield (
        f"Its columns were taken as {taken}: a row every {lasting(spacing_s)} for "
        f"{lasting(length_s)}, {', '.join(ranges)}."
    )
    if is_certain:
        return
    if not of_clock and may_be_milliseconds(t_s):
        yield (
            "Its times are whole numbers: if they are milliseconds, divide t_s by 1,000 "
            f"({lasting(length_s / 1000)} in all)."
        )
    if not watts_alone and np.max(np.abs(current_a)) > USB_A:
        yield (
            f"More than {USB_A:g} A is more than a USB supply gives: if the column current_a is in milliamperes, "
            "divide it by 1,000."
        )


def _range(values: Samples, unit: str) -> str:
    low, high = f"{np.min(values):.4g}", f"{np.max(values):.4g}"
    return f"{low} {unit}" if low == high else f"{low} to {high} {unit}"


def _doubts(voltage_v: Samples, current_a: Samples) -> Iterator[Doubt]:
    each = (_doubt_about(_VOLTAGE, voltage_v), _doubt_about(_CURRENT, current_a))
    found = [doubt for doubt in each if doubt is not None]
    yield from found or _doubt_about_power(voltage_v, current_a)


def _doubt_about(quantity: _Quantity, values: Samples) -> Doubt | None:
    largest = float(np.max(np.abs(values), initial=0.0))
    if largest <= quantity.largest:
        return None
    limit = f"no board has over {quantity.largest:g} {quantity.unit}"
    seen = f"the column {quantity.column} holds up to {_number(largest)}, and {limit}"
    low, high = quantity.likely
    likely = [(parts, f"{name}{quantity.word}") for parts, name in _PARTS if low <= largest / parts <= high]
    if quantity is _VOLTAGE and MAINS_V[0] <= largest <= MAINS_V[1]:
        apparent = f"{seen}: that is the mains, where volts times amperes are no watts"
        return Doubt(apparent, "read the meter's own column of watts or of energy: --columns t=NAME,p=NAME")
    if not likely:
        return Doubt(seen, f"give {quantity.column} in {quantity.word}")
    parts, word = likely[0]
    others = "".join(f" (or {word}: by {parts:,})" for parts, word in likely[1:2])
    unit = f"{_LETTERS[parts]}{quantity.unit}"
    return Doubt(f"{seen}: these look like {word}", f"divide {quantity.column} by {parts:,}{others}", unit)


def _doubt_about_power(voltage_v: Samples, current_a: Samples) -> Iterator[Doubt]:
    power_w = np.abs(voltage_v * current_a)
    if np.max(power_w, initial=0.0) > LARGEST_W:
        row = int(np.argmax(power_w))
        yield Doubt(
            f"{voltage_v[row]:g} V times {current_a[row]:g} A are {_number(float(power_w[row]))} W, and no board takes "
            f"over {LARGEST_W:g} W: the amperes look like milliamperes",
            "divide current_a by 1,000",
            "mA",
        )


def _doubt_about_watts(power_w: Samples) -> Iterator[Doubt]:
    largest_w = float(np.max(np.abs(power_w), initial=0.0))
    if largest_w > LARGEST_W:
        yield Doubt(
            f"the watts are up to {_number(largest_w)}, and no board takes over {LARGEST_W:g} W: these look like "
            "milliwatts",
            "divide the watts by 1,000",
            "mW",
        )


def _number(value: float) -> str:
    """With thousands apart, and no more digits than tell something."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
