"""Where plausible ends: refused beyond it with the likely unit, untouched within it, said where nobody can tell."""

import numpy as np
import pytest

from power.errors import ImplausibleTrace
from power.plausible import in_words, refuse_implausible
from power.time_units import doubt_about_times

TEN_HZ = np.arange(100) / 10


def refuse(t_s=TEN_HZ, voltage_v=5.0, current_a=1.0) -> None:
    t_s = np.asarray(t_s, dtype=float)
    refuse_implausible("file.csv", t_s, np.full(len(t_s), voltage_v), np.full(len(t_s), current_a))


@pytest.mark.parametrize(
    ("voltage_v", "current_a"),
    [(60.0, 1.0), (-60.0, 1.0), (5.0, 20.0), (5.0, -20.0), (25.0, 20.0), (48.0, 5.0), (5.0, 12.0), (1.0, 19.0), (0, 0)],
)
def test_what_a_board_may_have(voltage_v: float, current_a: float) -> None:
    refuse(voltage_v=voltage_v, current_a=current_a)


@pytest.mark.parametrize(
    ("voltage_v", "current_a", "words"),
    [
        (60.1, 1.0, ("voltage_v holds up to 60.1", "over 60 V")),
        (-5000.0, 1.0, ("millivolts", "Divide voltage_v by 1,000")),
        (5.07e6, 1.0, ("microvolts", "by 1,000,000")),
        (230.0, 1.0, ("voltage_v holds up to 230", "the mains", "own column of watts")),
        (5.0, 20.1, ("current_a holds up to 20.1", "over 20 A")),
        (5.0, -606.0, ("606", "milliamperes", "Divide current_a by 1,000")),
        (5.0, 606_000.0, ("current_a holds up to 606,000", "microamperes", "Divide current_a by 1,000,000")),
        (5.0, 6e8, ("nanoamperes", "1,000,000,000")),
        (50.0, 15.0, ("750 W", "over 500 W", "milliamperes")),
        (5070.0, 606.0, ("millivolts", "milliamperes", "divide current_a by 1,000")),
    ],
)
def test_what_no_board_has(voltage_v: float, current_a: float, words: tuple[str, ...]) -> None:
    with pytest.raises(ImplausibleTrace) as caught:
        refuse(voltage_v=voltage_v, current_a=current_a)
    found = f"{caught.value.message} {caught.value.remedy}"
    assert all(word in found for word in (*words, "file.csv", "--allow-implausible")), found


def test_one_row_is_enough() -> None:
    amps = np.full(100, 1.0)
    amps[57] = 1000.0
    with pytest.raises(ImplausibleTrace, match="1,000, and no board"):
        refuse_implausible("file.csv", TEN_HZ, np.full(100, 5.0), amps)


N = np.arange(200)
REAL = {
    "microseconds apart": 1e-5 * N,
    "rounded to microseconds, 75 kHz": np.round(N / 75_000, 6),
    "an oscilloscope at 44.1 kHz": N / 44_100,
    "1,500 a second": np.round(N / 1_500, 6),
    "a kilohertz": N / 1000,
    "a kilohertz by the clock of a host up for half a day": 46_056.4 + N / 1000,
    "twenty kilohertz by such a clock": 46_056.4 + N / 2000,
    "twice a second": N / 2,
    "once a second for hours": np.arange(10_000) * 1.0,
    "every 10 s": 10.0 * N,
    "every 15 s, by a loop that is late": 15.3 * N,
    "every 30 s, by a loop that is late": np.floor(31.4 * N),
    "every minute": 60.0 * N,
    "every minute, by a loop that is late": 63.7 * N,
    "every 45 s": 45.0 * N,
    "every minute and a half, by a loop that is a little late": np.round(90.4 * N, 1),
    "every 4 minutes": 240.0 * N,
    "every 100 s, by a loop of whole sleeps": np.round(100.003 * N + (N * 7) % 9 / 4000, 3),
    "every 1,000 s, by such a loop": np.round(1000.0 * N + (N * 7) % 9 / 4000, 3),
    "every 5 minutes": 300.0 * N,
    "every hour": 3600.0 * N,
    "every day": 86_400.0 * N,
    "since 1970": 1_770_113_472 + N / 10,
    "since 1970, every 100 s": 1_770_113_472 + 100.0 * N,
    "a few rows of a kilohertz": N[:5] / 1000,
    "a few rows of a kilohertz by the clock of a host": 46_056.4 + N[:5] / 1000,
    "a few rows of odd spacing": 2.53e-5 * N[:5] + 1e-7 * (N[:5] % 2),
    "a few rows far apart": np.array([0.0, 100.0, 200.0, 300.0]),
    "uneven": np.cumsum(np.random.default_rng(0).exponential(100.0, 200)),
    "a year": 86_400.0 * np.arange(366),
    "with a hole of three days": np.concatenate((N / 10, 260_000 + N / 10)),
    "one row": np.array([5.0]),
    "none": np.array([]),
}


@pytest.mark.parametrize("name", REAL)
def test_times_that_a_logger_may_have(name: str) -> None:
    assert doubt_about_times(REAL[name]) is None


STRANGE = {
    "9 µs apart": (9e-6 * N, ("9e-06 s apart", "no meter")),
    "over a day apart": (86_401.0 * N[:5], ("over a day",)),
    "over a year long": (3600.0 * np.arange(8800), ("years long",)),
    "milliseconds, ten a second": (100.0 * N, ("5.53 h long", "look like milliseconds (19.9 s", "divide t_s by 1,000")),
    "milliseconds, ten a second by a clock of microseconds": (100.02 * N + (N * 7) % 9 / 100, ("milliseconds",)),
    "milliseconds, ten a second, on time but for a start": (100.0 * N + 0.123, ("milliseconds",)),
    "milliseconds, late by a fifteenth": (96.0 * N, ("milliseconds",)),
    "milliseconds, ten a second, jittered": (100.0 * N + (N * 7) % 9, ("look like milliseconds",)),
    "milliseconds, four a second": (250.0 * N, ("look like milliseconds (49.75 s in all)",)),
    "milliseconds, two a second": (500.0 * N, ("look like milliseconds",)),
    "milliseconds, one a second": (1000.0 * N, ("look like milliseconds",)),
    "milliseconds, 20 a second": (50.13 * N, ("look like milliseconds",)),
    "microseconds, a thousand a second": (1000.0 * N, ("microseconds", "1,000,000")),
    "microseconds, one a second": (1e6 * N, ("microseconds",)),
    "nanoseconds, one a second": (1e9 * N, ("nanoseconds",)),
    "milliseconds since 1970": (1.770113472e12 + 100 * N, ("epoch milliseconds", "divide t_s by 1,000")),
    "microseconds since 1970": (1.770113472e15 + 1e5 * N, ("epoch microseconds",)),
    "nanoseconds since 1970": (1.770113472e18 + 1e8 * N, ("epoch nanoseconds",)),
    "days, ten rows a second": (N / 864_000, ("1.157e-06", "days of a spreadsheet", "multiply t_s by 86,400")),
    "days, a row a second": (N / 86_400, ("days of a spreadsheet",)),
    "days, a row a second, five digits": (46056.4 + np.unique(np.round(N / 86_400, 5)), ("days of a spreadsheet",)),
    "days, a row in 1.003 s": (1.003 * N / 86_400, ("days of a spreadsheet",)),
    "days, a row a minute": (46056.4 + N / 1440, ("days of a spreadsheet",)),
    "hours, ten rows a second": (N / 36_000, ("hours", "multiply t_s by 3,600")),
    "hours, a row a second": (N / 3600, ("hours",)),
    "days, two rows": (np.array([0.0, 1 / 86_400]), ("days of a spreadsheet",)),
    "days, five rows": (N[:5] / 8640, ("days of a spreadsheet (a row every 10 s)",)),
    "days, five rows, five digits": (np.round(46056.4 + N[:5] / 43_200, 5), ("days of a spreadsheet",)),
    "days, three rows, a minute apart": (46056.4 + N[:3] / 1440, ("days of a spreadsheet (a row every 60 s)",)),
    "milliseconds since a start 12 days ago": (1.04e9 + 100 * N, ("look like milliseconds",)),
    "days, a row in 5 minutes": (46056.4 + N / 288, ("days of a spreadsheet",)),
}


@pytest.mark.parametrize("name", STRANGE)
def test_times_that_are_no_seconds(name: str) -> None:
    times, words = STRANGE[name]
    doubt = doubt_about_times(times)
    assert doubt is not None
    assert all(word in f"{doubt.seen}; {doubt.mend}" for word in words), doubt


def test_what_nobody_can_tell_is_said() -> None:
    """15 mA written as 15, and milliseconds of a hundred rows a second: both may be what they are called."""
    said = " ".join(in_words(10.0 * np.arange(1001), np.full(1001, 5.0), np.full(1001, 15.0)))
    assert "whole numbers: if they are milliseconds, divide t_s by 1,000 (10 s in all)" in said
    assert "a row every 10 s for 2.78 h" in said and "5 V, 15 A" in said and "milliamperes, divide it by 1,000" in said
    usual = list(in_words(TEN_HZ, np.full(100, 5.0), np.linspace(0.6, 1.2, 100)))
    assert usual == [
        "Its columns were taken as seconds, volts and amperes: a row every 0.1 s for 9.9 s, 5 V, 0.6 to 1.2 A."
    ]
