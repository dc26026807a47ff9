"""What a column's name says: which quantity, in which unit. Pure.

Only what the name itself says counts: `current_mA`, `Current (mA)` and `mA` are milliamperes, and `current` is a
current of an unknown unit. Letter case is free but where it decides (`mA` and `MA`, which nobody measures).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Quantity = Literal["time", "voltage", "current", "power", "energy"]
QUANTITIES: tuple[Quantity, ...] = ("time", "voltage", "current", "power", "energy")
SYMBOLS: dict[str, Quantity] = {"t": "time", "v": "voltage", "i": "current", "p": "power", "e": "energy"}
EXACT: dict[str, Quantity] = {"t_s": "time", "voltage_v": "voltage", "current_a": "current", "power_w": "power"}


@dataclass(frozen=True)
class Unit:
    """A unit by its symbol. A value of it is `times / parts` of the quantity's own: s, V, A, W or J.

    Two whole numbers, for 5,070 / 1,000 is 5.07 and 5,070 x 0.001 is a little more.
    """

    symbol: str
    quantity: Quantity
    times: float = 1.0
    parts: float = 1.0


UNITS: dict[str, Unit] = {
    unit.symbol: unit
    for unit in (
        *(Unit(f"{p}s", "time", parts=n) for p, n in (("", 1.0), ("m", 1e3), ("u", 1e6), ("n", 1e9))),
        Unit("min", "time", 60.0),
        Unit("h", "time", 3600.0),
        *(Unit(f"{p}V", "voltage", parts=n) for p, n in (("", 1.0), ("m", 1e3), ("u", 1e6))),
        *(Unit(f"{p}A", "current", parts=n) for p, n in (("", 1.0), ("m", 1e3), ("u", 1e6), ("n", 1e9))),
        *(Unit(f"{p}W", "power", parts=n) for p, n in (("", 1.0), ("m", 1e3), ("u", 1e6))),
        Unit("kW", "power", 1e3),
        *(Unit(f"{p}J", "energy", parts=n) for p, n in (("", 1.0), ("m", 1e3), ("u", 1e6))),
        Unit("kJ", "energy", 1e3),
        Unit("Ws", "energy"),
        *(Unit(f"{p}Wh", "energy", 3600.0, n) for p, n in (("", 1.0), ("m", 1e3), ("u", 1e6))),
        Unit("kWh", "energy", 3.6e6),
    )
}
OWN_UNITS: dict[Quantity, Unit] = {unit.quantity: unit for unit in (UNITS[s] for s in ("s", "V", "A", "W", "J"))}
_SPELLED = {
    "sec": "s", "secs": "s", "second": "s", "seconds": "s", "msec": "ms", "millis": "ms", "milliseconds": "ms",
    "usec": "us", "micros": "us", "microseconds": "us", "nanoseconds": "ns", "minutes": "min", "hours": "h", "hr": "h",
    "volt": "V", "volts": "V", "millivolts": "mV", "amp": "A", "amps": "A", "ampere": "A", "amperes": "A",
    "milliamps": "mA", "milliamperes": "mA", "microamps": "uA", "microamperes": "uA",
    "watt": "W", "watts": "W", "milliwatts": "mW", "kilowatts": "kW", "joule": "J", "joules": "J",
    "watthours": "Wh", "milliwatthours": "mWh", "kilowatthours": "kWh",
}  # fmt: skip
_BY_LETTERS = {symbol.lower(): symbol for symbol in UNITS} | _SPELLED
_SPELLINGS: dict[Quantity, str] = {
    "time": "t|time|times|timestamp|timestamps|time stamp|elapsed|elapsed time|relative time|relativetime|datetime|"
    "date time|uptime|system time|zeit|zeitstempel",
    "voltage": "v|u|voltage|volt|volts|vbus|bus voltage|busvoltage|getbusvoltage|supply voltage|bus|main voltage|"
    "spannung",
    "current": "i|current|curr|amp|amps|ibus|bus current|getcurrent|main current|amperage|strom|stromstärke",
    "power": "p|power|watt|watts|pwr|wattage|bus power|getpower|power draw|power draw average|power draw instant|"
    "main power|leistung",
    "energy": "e|energy|energy consumed|total energy|cumulative energy|accumulated energy|energie",
}
_WORDS = {word: quantity for quantity, words in _SPELLINGS.items() for word in words.split("|")}
_BRACKETED = re.compile(r"^(.*?)\s*[(\[{]\s*([^()\[\]{}]*?)\s*[)\]}]$")


@dataclass(frozen=True)
class Named:
    """A column at a `place`, counted from 0: its quantity, and its unit where the name says one."""

    place: int
    name: str
    quantity: Quantity
    unit: Unit | None


def unit_of(text: str) -> Unit | None:
    """The unit of a symbol or a word, None for what is none.

    >>> unit_of("mA").symbol, unit_of("µV").symbol, unit_of("Seconds").symbol, unit_of("MA"), unit_of("°C")
    ('mA', 'uV', 's', None, None)
    """
    plain = text.strip().replace("µ", "u").replace("μ", "u")
    if plain.startswith("M") and plain.lower() not in _SPELLED:  # mega, which no board has
        return None
    return UNITS.get(plain) or UNITS.get(_BY_LETTERS.get(plain.lower(), ""))


def named(place: int, name: str) -> Named | None:
    """What a column's name says, None where it is no quantity that makes joules.

    >>> [(n.quantity, n.unit.symbol) for n in (named(0, "Current (mA)"), named(0, "bus_voltage_V"), named(0, "mW"))]
    [('current', 'mA'), ('voltage', 'V'), ('power', 'mW')]
    >>> named(0, "voltage").unit, named(0, "shunt_voltage_mV"), named(0, "temp_c")
    (None, None, None)
    """
    text = name.strip().strip('"').lstrip("#").strip()
    if text.lower() in EXACT:
        quantity = EXACT[text.lower()]
        return Named(place, name, quantity, OWN_UNITS[quantity])
    base, unit = _split(text)
    word = re.sub(r"[\s_.\-]+", " ", base).strip().lower()
    quantity_of_word = _WORDS.get(word)
    if not word and unit is not None:
        return Named(place, name, unit.quantity, unit)
    if quantity_of_word is None or (unit is not None and unit.quantity != quantity_of_word):
        return None
    return Named(place, name, quantity_of_word, unit)


def unit_in(name: str, quantity: Quantity) -> Unit | None:
    """The unit that a name of any column ends with, None where it is none of that quantity.

    >>> unit_in("ch1_bus_mv", "voltage").symbol, unit_in("ch1_bus_mv", "current")
    ('mV', None)
    """
    _, unit = _split(name.strip().strip('"').lstrip("#").strip())
    return unit if unit is not None and unit.quantity == quantity else None


def _split(text: str) -> tuple[str, Unit | None]:
    """A name without its unit, and the unit: in brackets, or behind `_`, a blank, a slash or a comma."""
    bracketed = _BRACKETED.match(text)
    if bracketed:
        unit = unit_of(bracketed[2])
        return (bracketed[1], unit) if unit is not None else (text, None)
    whole = unit_of(text)
    if whole is not None and (text in "VAWJs" if len(text) == 1 else text.lower() != "min"):  # which may be the least
        return "", whole
    if text.lower() in _WORDS:
        return text, None
    base, mark, last = _last_part(text)
    unit = unit_of(last) if mark else None
    return (base, unit) if unit is not None else (text, None)


def _last_part(text: str) -> tuple[str, str, str]:
    """The text, split at the last mark that may stand in front of a unit."""
    place = max(text.rfind(mark) for mark in "_ /,-")
    return (text[:place].rstrip(" ,/"), text[place], text[place + 1 :]) if place > 0 else (text, "", "")


def quantities(names: Sequence[str]) -> list[Named]:
    """The columns of a header that make joules, those that are named exactly as ours in front of others alike."""
    found = [column for column in (named(place, name) for place, name in enumerate(names)) if column is not None]
    exact = {column.quantity for column in found if column.name.strip().lower() in EXACT}
    return [column for column in found if column.quantity not in exact or column.name.strip().lower() in EXACT]
