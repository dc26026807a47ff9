"""Times that are no seconds, and the unit that they look like. Pure.

Some times are impossible as seconds. Others are possible and unlikely: milliseconds of a slow meter, days or hours of a
spreadsheet. docs/measuring-energy.md says what tells them. Faster milliseconds look like seconds of a slow logger: they
are read as seconds, and `power.plausible.in_words` says for how long.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from power.trace import Samples
from power.update_period import near_median

SHORTEST_S, LONGEST_S = 1e-5, 86_400.0  # between two rows
ROUNDED = 0.95  # times with few digits make a spacing of 10 µs a little shorter
LONGEST_RECORDING_S = 366 * 86_400.0
LATEST_S = 1e11  # the year 5138
EPOCH_S = (9e8, 4.2e9)  # seconds since 1970, from 1998 to 2103
RECENT_S = (1.4e9, 2.1e9)  # from 2014 to 2036: seconds beyond doubt, for milliseconds since a start are seldom as many
SERIAL_DAYS = (36_526.0, 73_051.0)  # those of a spreadsheet, from 2000 to 2100
DAY_S, HOUR_S = 86_400.0, 3600.0
ENOUGH_ROWS = 8  # before their spacing means anything
REGULAR = 0.75  # share of spacings near their median
SLOWEST_IN_DOUBT_S = 16.0
SLOW_LOGGERS_S = (20, 30, *(60 * minutes for minutes in (1, 2, 3, 5, 10, 15, 20, 30)))
SLOW_LOGGERS_S += tuple(3600 * hours for hours in (1, 2, 3, 4, 6, 12, 24))
RARE_LOGGERS_S = (45, 90, 240)
SLEEP_S, WHOLE_S = 0.01, 5.0
LATE = 0.1  # share of its period by which a logger's loop is longer
_PARTS = ((1_000, "milliseconds"), (1_000_000, "microseconds"), (1_000_000_000, "nanoseconds"))
_SYMBOLS = {1_000: "ms", 1_000_000: "us", 1_000_000_000: "ns"}
SLOWEST_DAYS = 0.05  # days between two rows, a little over an hour
_ROUND_IN_HOURS_S = (0.1, 0.2, 0.5, 1, 2)
_ROUND_IN_DAYS_S = (0.1, 0.2, 0.25, 0.5, 1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600)


@dataclass(frozen=True)
class Doubt:
    """What was seen of a column, with the unit that it looks like, and how it is mended; parts of sentences.

    `unit` is that unit's symbol, "" where there is none.
    """

    seen: str
    mend: str
    unit: str = ""


def usual_spacing_s(t_s: Samples) -> float | None:
    """The median time between two different stamps, seconds; None where all are one."""
    spacings = np.diff(t_s)
    apart = spacings[spacings > 0.0]
    return float(np.median(apart)) if len(apart) else None


def doubt_about_times(t_s: Samples) -> Doubt | None:
    """Why times, (rows,) in order, can be no seconds; None where they can."""
    spacings = np.diff(t_s)
    spacings = spacings[spacings > 0.0]
    if not len(t_s) or not len(spacings):
        return None
    usual_s, since_1970 = float(np.median(spacings)), _within(RECENT_S, float(t_s[0]))
    for doubt in (
        _of_the_clock(float(t_s[0]), float(t_s[-1]), usual_s),
        _of_days(t_s, spacings, usual_s),
        _of_the_spacing(usual_s),
        None if since_1970 else _of_milliseconds(spacings, usual_s, float(t_s[-1] - t_s[0])),
        _of_the_length(float(t_s[-1] - t_s[0]), usual_s),
    ):
        if doubt is not None:
            return doubt
    return None


def may_be_milliseconds(t_s: Samples) -> bool:
    """Whether nothing but their name says that times, (rows,) in order, are seconds."""
    return len(t_s) >= ENOUGH_ROWS and not _within(RECENT_S, float(t_s[0])) and bool(np.all(t_s == np.floor(t_s)))


def lasting(seconds: float) -> str:
    """A duration as people say it."""
    if seconds < 120:
        return f"{seconds:.4g} s"
    minutes, hours = seconds / 60, seconds / 3600
    return f"{minutes:.3g} min" if hours < 2 else f"{hours:.3g} h" if hours < 48 else f"{hours / 24:.3g} days"


def _of_the_clock(first_s: float, last_s: float, usual_s: float) -> Doubt | None:
    """A clock that counts more than any can have."""
    latest = max(abs(first_s), abs(last_s))
    if latest < LATEST_S:
        return None
    seen = f"the column t_s holds {latest:.6g}, and no clock has counted so many seconds"
    for parts, word in _PARTS:
        if _within(EPOCH_S, latest / parts):
            return _looking_like(seen, f"epoch {word} (since 1970)", parts)
    return _by_spacing(seen, usual_s)


def _of_the_spacing(usual_s: float) -> Doubt | None:
    if usual_s > LONGEST_S:
        return _by_spacing(f"the rows are {usual_s:,.0f} s apart by their t_s, which is over a day", usual_s)
    if usual_s < ROUNDED * SHORTEST_S:
        seen = f"the rows are {usual_s:.4g} s apart by their t_s, and no meter of a board is read so fast"
        if usual_s * DAY_S > 1e-3:
            return _days(seen, usual_s)
        return Doubt(seen, "give t_s in seconds")
    return None


def _of_the_length(length_s: float, usual_s: float) -> Doubt | None:
    if length_s <= LONGEST_RECORDING_S:
        return None
    return _by_spacing(f"the recording is {length_s / 86_400 / 365.25:.3g} years long by its t_s", usual_s)


def _of_milliseconds(spacings: Samples, usual_s: float, length_s: float) -> Doubt | None:
    """Regular rows as far apart as no logger takes them and as milliseconds often are."""
    if usual_s < SLOWEST_IN_DOUBT_S or not _are_regular(spacings) or _are_of_a_logger(spacings, usual_s):
        return None
    seen = f"the rows are {usual_s:,.4g} s apart and {lasting(length_s)} long in all by their t_s"
    return _by_spacing(f"{seen}, and loggers so slow take whole minutes", usual_s, length_s)


def _are_of_a_logger(spacings: Samples, usual_s: float) -> bool:
    """Whether seconds are likelier than milliseconds, for what is as far apart as both may be."""
    if any(0.98 * period <= usual_s <= (1 + LATE) * period for period in SLOW_LOGGERS_S):
        return True
    if any(abs(usual_s / period - 1) <= 0.02 for period in RARE_LOGGERS_S):
        return True
    near = near_median(spacings)
    slept = np.abs(near - WHOLE_S * np.round(near / WHOLE_S)) < SLEEP_S
    return bool(np.all(slept) and np.ptp(near) > 1e-6)


def _of_days(t_s: Samples, spacings: Samples, usual_s: float) -> Doubt | None:
    """Days of a spreadsheet that are too far apart to be refused as such."""
    if not ROUNDED * SHORTEST_S <= usual_s < SLOWEST_DAYS:
        return None
    is_serial = all(_within(SERIAL_DAYS, float(end)) for end in (t_s[0], t_s[-1]))
    # Times since 1970 have no digits left to tell so short a spacing from a round one.
    if abs(t_s[-1]) >= EPOCH_S[0] or not (usual_s < 1e-3 or is_serial):
        return None
    typical, mean = float(np.mean(near_median(spacings))), float(np.mean(spacings))
    periods = (typical, mean) if usual_s < 1e-4 else (typical,)  # of times with few digits the mean alone is odd
    seen = f"the rows are {mean:.5g} s apart by their t_s, which is no period of a meter"
    if any(_is_of(DAY_S, _ROUND_IN_DAYS_S, period) for period in periods):
        return _days(seen, mean)
    if any(_is_of(HOUR_S, _ROUND_IN_HOURS_S, period) for period in periods):
        return Doubt(
            f"{seen}: these look like hours (a row every {lasting(mean * HOUR_S)})", "multiply t_s by 3,600", "h"
        )
    if len(spacings) < ENOUGH_ROWS - 1:  # of few rows an odd spacing means nothing, but no clock so late is so fast
        return _days(seen, mean) if is_serial and usual_s < 0.9e-3 else None
    is_odd = is_serial or not (_is_round(typical) or _is_round(1 / typical))
    return _days(seen, mean) if usual_s < 1e-4 and is_odd else None


def _days(seen: str, period: float) -> Doubt:
    looks = f"these look like days of a spreadsheet (a row every {lasting(period * DAY_S)})"
    return Doubt(f"{seen}: {looks}", "multiply t_s by 86,400")


def _is_of(unit_s: float, whole: Sequence[float], period: float) -> bool:
    """Whether a period is one of the `whole` seconds in that unit, and as one of seconds an odd one."""
    return not _is_round(period) and any(abs(period * unit_s / whole_s - 1) < 1e-3 for whole_s in whole)


def _is_round(value: float) -> bool:
    """Whether three digits tell it: the periods and the rates that meters have."""
    return abs(float(f"{value:.2e}") / value - 1) < 2e-4


def _are_regular(spacings: Samples) -> bool:
    return len(spacings) >= ENOUGH_ROWS - 1 and len(near_median(spacings)) >= REGULAR * len(spacings)


def _by_spacing(seen: str, usual_s: float, length_s: float | None = None) -> Doubt:
    """With the units in which the rows would be as far apart as a meter's are, the likeliest first."""
    likely = [(parts, word) for parts, word in _PARTS if ROUNDED * SHORTEST_S <= usual_s / parts <= 60.0]
    if not likely:
        return Doubt(seen, "give t_s in seconds")
    parts, word = likely[0]
    doubt = _looking_like(seen, word if length_s is None else f"{word} ({lasting(length_s / parts)} in all)", parts)
    others = "".join(f" (or, if they are {word}, by {parts:,})" for parts, word in likely[1:2])
    return Doubt(doubt.seen, doubt.mend + others, doubt.unit)


def _looking_like(seen: str, word: str, parts: int) -> Doubt:
    return Doubt(f"{seen}: these look like {word}", f"divide t_s by {parts:,}", _SYMBOLS[parts])


def _within(bounds: tuple[float, float], value: float) -> bool:
    return bounds[0] <= value <= bounds[1]
