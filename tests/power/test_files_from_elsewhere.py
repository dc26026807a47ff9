"""The field trial's table of other people's power recordings: each file gives its right joules or is refused.

The files are made here by formula, in the formats that people's tools write: a board of 5.07 to 5.04 V that takes 0.6
to 1.2 A, as in the trial. The joules are those from the first row to the last, reckoned here apart from the product.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from groupnl_deploy.cli.exits import explain
from power.energy import EnergyIndex
from power.errors import PowerError, TraceFormatError
from power.reading.asked import Asked, columns_of, units_of
from power.trace import PowerTrace
from power.trace_io import read_csv
from tests.power.samples import (
    ACROSS_MIDNIGHT,
    AMPS,
    BASE,
    GERMAN,
    HEAD,
    MONSOON_S,
    PPK2,
    STAMPS,
    T_S,
    TEGRASTATS,
    VOLTS,
    WATTS,
    WHOLE_J,
    K,
    rows,
    text,
)

OWN = (
    "# schema_version: 2\n# meter: km003c\n# transport: serial\n# port: /dev/ttyACM0\n# emulated: false\n# sign: +1\n"
    "# field: vbus/ibus\n# update_period_s: 0.5\n# averaging: block\n# poll_period_s: 0.05\n# clock: monotonic\n"
    "# t0_s: 100.0\n# started_at: 2026-02-03T10:11:12+00:00\n"
)
OWN_T, OWN_P = 0.03 + 0.5 * np.arange(60), np.where(np.arange(60) < 30, 3.0, 6.0) + np.arange(60) / 1000
OWN_ROWS = [f"{t!r},5.0,{w / 5!r},{w!r}" for t, w in zip(OWN_T.tolist(), OWN_P.tolist(), strict=True)]
OWN_HEAD = "t_s,voltage_v,current_a,power_w\n"
BLOCKS_J, LINES_J = float(np.sum(0.5 * OWN_P[1:])), float(np.trapezoid(OWN_P, OWN_T))
PULSE = [0.6] * 2 + [1.2] * 4 + [0.6] * 4  # ten rows of one second, 4.2 W in the mean
TRIANGLES = [(k * 60, 5.1, 0.6 + 0.1 * (k % 3)) for k in range(120)]
BACK = [(k / 4, 5, 0.6) for k in range(80)] + [(10 + k / 4, 5, 1.8) for k in range(80)]


def plainly(values) -> list[str]:
    return [",".join(f"{value:.10g}" for value in row) for row in values]


def halves(before: str, insert: str) -> str:
    """The base with a line in its middle."""
    lines = before.splitlines()
    return "\n".join([*lines[:76], insert, *lines[76:]]) + "\n"


# name → the file, and its joules or the exit code and words of its refusal
RIGHT: dict[str, tuple[str | bytes, float]] = {
    "02 rounded watts": (
        text(*(f"{row},{v * a:.4f}" for row, v, a in zip(rows(), VOLTS, AMPS, strict=True)), head=OWN_HEAD),
        WHOLE_J,
    ),
    "10 Monsoon, in seconds": (MONSOON_S, 0.792 / 5),
    "14 INA219": (
        "timestamp,bus_voltage_V,current_mA,power_mW\n"
        + "".join(
            f"{t},{v:.3f},{1000 * a:.1f},{1000 * v * a:.0f}\n" for t, v, a in zip(STAMPS, VOLTS, AMPS, strict=True)
        ),
        WHOLE_J,
    ),
    "15 wall clock": (text(*(f"{t},{v},{a}" for t, v, a in zip(STAMPS, VOLTS, AMPS, strict=True))), WHOLE_J),
    "17 decimal commas in quotes": (
        HEAD + "".join(",".join(f'"{cell.replace(".", ",")}"' for cell in row.split(",")) + "\n" for row in rows()),
        WHOLE_J,
    ),
    "17 German": (GERMAN, WHOLE_J),
    "18 UTF-16": (BASE.replace(",", "\t").replace("\n", "\r\n").encode("utf-16"), WHOLE_J),
    "18 UTF-16 without a mark": (BASE.encode("utf-16-be"), WHOLE_J),
    "20 sep=": ("sep=,\r\n" + BASE.replace("\n", "\r\n"), WHOLE_J),
    "21 CR alone": (BASE.replace("\n", "\r"), WHOLE_J),
    "23 names with units": (BASE.replace(HEAD, "Time (s),Voltage (V),Current (A)\n"), WHOLE_J),
    "25 watts alone": (
        "t_s,power_w\n" + "".join(f"{k},{w}\n" for k, w in enumerate(WATTS)),
        float(np.trapezoid(WATTS)),
    ),
    "29 repeated header": (halves(BASE, HEAD.strip()), WHOLE_J),
    "32 blank lines": (halves(BASE, ""), WHOLE_J),
    "37 h:m:s": (
        text(*(f"{t},{v},{a}" for t, v, a in zip((s[11:] for s in STAMPS), VOLTS, AMPS, strict=True))),
        WHOLE_J,
    ),
    "42 thousands": (
        text(*(f'"{1000 + k / 10:,.1f}",{v},{a}' for k, v, a in zip(K, VOLTS, AMPS, strict=True))),
        WHOLE_J,
    ),
    "43 trailing comma": (text(*(f"{row}," for row in rows())), WHOLE_J),
    "47 midnight": (text(*(f"{t},{v},{a}" for t, v, a in zip(ACROSS_MIDNIGHT, VOLTS, AMPS, strict=True))), WHOLE_J),
    "52 own, saved by a spreadsheet": (OWN.replace("\n", ",,,\n") + text(*OWN_ROWS, head=OWN_HEAD), BLOCKS_J),
    "52 own, saved by a German spreadsheet": (
        OWN.replace("\n", ";;;\n") + text(*OWN_ROWS, head=OWN_HEAD).replace(",", ";").replace(".", ","),
        BLOCKS_J,
    ),
    "57 a comment": (halves(BASE, "# a,b,c"), WHOLE_J),
    "58 a blank line first": ("\n" + BASE, WHOLE_J),
    "59 names behind a #": ("# " + BASE, WHOLE_J),
    "61 tabs": (BASE.replace(",", "\t"), WHOLE_J),
    "62 watts of three digits": (
        text(*(f"{row},{v * a:.3f}" for row, v, a in zip(rows(), VOLTS, AMPS, strict=True)), head=OWN_HEAD),
        WHOLE_J,
    ),
    "30 trailing NULs": (BASE.encode() + bytes(4096), WHOLE_J),
    "35 epoch seconds": (text(*rows(1770113472 + T_S, form="{:.3f},{:.3f},{:.4f}")), WHOLE_J),
    "39 negative": (text(*rows(amps=-AMPS)), -WHOLE_J),
    "44 every row twice": (text(*(row for row in rows() for _ in range(2))), WHOLE_J),
    "48 other order": (
        text(*rows(AMPS, T_S, VOLTS, "{:.4f},{:.1f},{:.3f}"), head="current_a,t_s,voltage_v\n"),
        WHOLE_J,
    ),
    "51 own": (OWN + text(*OWN_ROWS, head=OWN_HEAD), BLOCKS_J),
    "64 repeated values": (
        text(*plainly((k / 1000, 5, 1.2 if k < 120 else 0.6) for k in range(195))),
        6e-3 * 119 + 4.5e-3 + 3e-3 * 74,
    ),
    "65 one minute": (
        text(*plainly(TRIANGLES)),
        60 * 5.1 * (sum(amps for _, _, amps in TRIANGLES) - (0.6 + 0.8) / 2),
    ),
    "66 two rows": (text("0,5,1", "10,5,1"), 50.0),
    "67 own shorn of its facts": (text(*OWN_ROWS, head=OWN_HEAD), LINES_J),
    "74 mark and CRLF": ("\ufeff" + BASE.replace("\n", "\r\n"), WHOLE_J),
    "75 own, mark and CRLF": ("\ufeff" + (OWN + text(*OWN_ROWS, head=OWN_HEAD)).replace("\n", "\r\n"), BLOCKS_J),
}
SHORTER_J = float(np.trapezoid((VOLTS * AMPS)[:-1], T_S[:-1]))
LEFT_OUT: dict[str, tuple[str, float]] = {
    "31 cut in the last current": (BASE[:-4], SHORTER_J),
    "68 cut in the last voltage": (BASE[:-9], SHORTER_J),
}
BACKWARDS = ("time goes backwards", "Split the file there")
ASKED = ("no two behind one another are equal", "--method hold", "--method trapezoid")
REFUSED: dict[str, tuple[str | bytes, int, tuple[str, ...]]] = {
    "08 ms and uA": (
        text(*rows(1000 * T_S, VOLTS, 1e6 * AMPS, "{:.0f},{:.1f},{:.3f}")),
        2,
        ("current_a", "microamperes", "1,000,000", "milliseconds", "divide t_s by 1,000", "--allow-implausible"),
    ),
    "09 mV and mA": (
        text(*rows(T_S, 1000 * VOLTS, 1000 * AMPS, "{:.1f},{:.3f},{:.1f}")),
        2,
        ("voltage_v holds up to 5,070", "millivolts", "milliamperes", "by 1,000"),
    ),
    "11 Monsoon": (
        text(*plainly((0.006 * k, 4, amps) for k in range(30) for amps in (0.3, 1.5, 1.5, 1.5, 1.5, 0.3))),
        2,
        ("6 rows that differ have the one time 0 s", "29 other time stamps", "a time of its own"),
    ),
    "34 shortened by a spreadsheet": (
        text(*rows(form="1.77011E+09,{1:.3f},{2:.4f}")),
        2,
        ("all its 150 rows have the one time", "spreadsheet"),
    ),
    "41 changes only": (text("0.0,5.0,0.6", "20.0,5.0,1.2", "40.0,5.0,0.6", "59.9,5.0,0.6"), 2, (*ASKED, "239.7 J")),
    "55 whole seconds": (
        text(*plainly((second, 5, amps) for second in range(19) for amps in PULSE)),
        2,
        ("10 rows that differ", "18 other"),
    ),
    "56 the docs' load": (text("0,5.1,0.5", "5,5.1,1.2", "15,5.1,0.5"), 2, (*ASKED, "power emulate", "73.95 J")),
    "71 time falls back": (text(*plainly(BACK)), 2, ("line 82", *BACKWARDS, "Do not sort")),
    "72 and was sorted": (
        text(*plainly(sorted(BACK, key=lambda row: row[0]))),
        2,
        ("from 10 s on", "two recordings", "sorted into one"),
    ),
    "13 missing values": (
        text(*rows()[:60], "6.0,NaN,NaN", *rows()[61:]),
        6,
        ("itself says that measurements are missing between 5.900 s and 6.100 s", "--skip-gaps"),
    ),
    "28 clock reset": (text(*rows()[:80], *rows()[:70]), 2, ("line 82", *BACKWARDS)),
    "40 empty cells": (text(*rows()[:7], "0.7,,", *rows()[8:]), 2, ("line 9", "is not a number")),
    "45 an hour back": (text(*rows(10790 + T_S)[:100], *rows(7190 + T_S)[100:]), 2, ("line 102", *BACKWARDS)),
    "46 an hour forward": (text(*rows(7190 + T_S)[:100], *rows(10790 + T_S)[100:]), 6, ("No measurement for 3600.1",)),
    "47 midnight in seconds": (text(*rows(86390 + T_S)[:100], *rows(T_S)[:50]), 2, ("line 102", *BACKWARDS)),
    "50 NULs in the middle": (halves(BASE, "\0" * 500), 2, ("line 77",)),
    "77 two rails": (
        text("0,5,1,3.3,1", head="t_s,voltage_v,current_a,voltage_v,current_a\n"),
        2,
        ("2 columns of voltage", "voltage_v, voltage_v", "--columns"),
    ),
    "78 a hole": (
        text(*(f"{t},5,1,0" for t in (*(k / 2 for k in range(60)), *(31.4 + k / 2 for k in range(60))))).replace(
            HEAD, "t_s,voltage_v,current_a,energy_wh\n"
        ),
        6,
        ("No measurement for 1.900 s",),
    ),
    "04 FNIRSI, restarted": (
        "\ntimestamp sample_in_packet voltage_V current_A energy_Ws\n1.00 0 5 0.6 0.03\n1.01 1 5 0.6 0.06\n"
        "1.02 0 5 0.6 0.03\n",
        2,
        ("several runs",),
    ),
    "05 FNIRSI renamed": (text("10.88,5,0.6", "10.89,5,0.6", "10.882,5,0.6"), 2, BACKWARDS),
    "07 PPK2": (PPK2, 2, ("Nordic's Power Profiler", "holds no voltage", "--voltage 5")),
    "24 tegrastats without times": (TEGRASTATS.replace("02-03-2026 10:11:12 ", ""), 2, ("without times", "| ts")),
    "24 tegrastats of a module without a whole": (
        TEGRASTATS.replace("VDD_IN", "VDD_GPU_SOC"),
        2,
        ("none of its rails is the whole module: VDD_GPU_SOC, VDD_SOC", "--columns p=NAME"),
    ),
    "60 no names": (
        BASE.replace(HEAD, ""),
        2,
        ("line 1: no line names the columns", "'0.0,5.070,0.6000'", "--columns t=1,v=2,i=3 --units s,V,A"),
    ),
}


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str | bytes], Path]:
    def write(content: str | bytes) -> Path:
        path = tmp_path / "elsewhere.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def whole_j(trace: PowerTrace, method: str | None = None) -> float:
    index = EnergyIndex(trace, method=method)  # type: ignore[arg-type]
    return index.window(float(trace.t_s[0]), float(trace.t_s[-1])).energy_j


def refusal(path: Path, code: int) -> str:
    with pytest.raises(PowerError) as caught:
        whole_j(read_csv(path))
    found = explain(caught.value)
    assert found.exit_code == code, found
    return f"{found.message} {found.remedy}"


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right(file, name: str) -> None:
    content, right_j = RIGHT[name]
    assert whole_j(read_csv(file(content))) == pytest.approx(right_j, rel=2e-6)


@pytest.mark.parametrize("name", LEFT_OUT)
def test_a_row_that_was_cut_is_left_out_and_it_is_said(file, name: str) -> None:
    content, right_j = LEFT_OUT[name]
    trace = read_csv(file(content))
    assert len(trace.t_s) == 149 and "left out" in trace.remarks[0]
    assert whole_j(trace) == pytest.approx(right_j, rel=1e-9)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(file, name: str) -> None:
    content, code, words = REFUSED[name]
    found = refusal(file(content), code)
    assert all(word in found for word in words), found


def test_every_file_of_the_table_is_here() -> None:
    """All but 79, which is a meter's fault and none of its file."""
    numbers = {int(name[:2]) for table in (RIGHT, LEFT_OUT, REFUSED) for name in table if name[:2].isdecimal()}
    numbers |= {1, 3, 4, 10, 24, 26}  # in `test_formats.py`
    missing = (6, 12, 16, 19, 22, 27, 33, 36, 38, 49, 53, 54, 63, 69, 70, 73, 76)
    assert numbers == set(range(1, 79)) - set(missing)


def test_what_the_refusals_ask_for_gives_the_right_joules(file) -> None:
    volts = float(np.trapezoid(5.0 * np.round(AMPS, 9), T_S))
    assert whole_j(read_csv(file(PPK2), Asked(voltage_v=5.0))) == pytest.approx(volts, rel=2e-6)
    bare = Asked(columns=columns_of("t=1,v=2,i=3"), units=units_of("s,V,A"))
    assert whole_j(read_csv(file(BASE.replace(HEAD, "")), bare)) == pytest.approx(WHOLE_J)
    even = Asked(every_s=0.1)
    assert whole_j(read_csv(file(REFUSED["05 FNIRSI renamed"][0]), even)) == pytest.approx(0.6)
    assert whole_j(read_csv(file(REFUSED["55 whole seconds"][0]), even)) == pytest.approx(79.8 - 0.3)
    assert whole_j(read_csv(file("V,A\n5,0.6\n5,0.6\n"), even)) == pytest.approx(0.3)
    rail = Asked(columns=columns_of("p=VDD_SOC"))
    assert whole_j(read_csv(file(TEGRASTATS), rail)) == pytest.approx(1.305 * 39)
    assert whole_j(read_csv(file(REFUSED["56 the docs' load"][0])), "hold") == pytest.approx(73.95)
    assert whole_j(read_csv(file(REFUSED["41 changes only"][0])), "hold") == pytest.approx(239.7)
    spread = text(*plainly((0.1 * k, 5, PULSE[k % 10]) for k in range(190)))
    assert EnergyIndex(read_csv(file(spread))).window(0.0, 18.0).energy_j == pytest.approx(75.6)
    for part in (BACK[:80], BACK[80:]):
        watts, seconds = part[0][1] * part[0][2], 79 / 4
        assert whole_j(read_csv(file(text(*plainly(part))))) == pytest.approx(watts * seconds)


def each_unit() -> Iterator[tuple[str, str]]:
    for parts, word in ((1e3, "milli"), (1e6, "micro")):
        yield text(*rows(amps=parts * AMPS, form="{:.1f},{:.3f},{:.6f}")), f"{word}amperes"
        yield text(*rows(volts=parts * VOLTS, form="{:.1f},{:.3f},{:.4f}")), f"{word}volts"
        yield text(*rows(parts * (1770113472 + T_S), form="{:.0f},{:.3f},{:.4f}")), f"epoch {word}seconds"
        for step_s in (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 10.0):
            yield text(*rows(parts * step_s * K, form="{:.0f},{:.3f},{:.4f}")), f"{word}seconds"
    for step_s in (0.1, 0.5, 1.0, 10.0, 60.0):
        for first in (0.0, 0.4246, 46056.4246):
            days = first + step_s * K / 86_400
            yield text(*rows(days, form="{:.10f},{:.3f},{:.4f}")), "days of a spreadsheet"


@pytest.mark.parametrize(("content", "word"), list(each_unit()))
def test_every_unit_that_cannot_be_is_named(file, content: str, word: str) -> None:
    assert word in refusal(file(content), 2)
    assert whole_j(read_csv(file(content), Asked(allow_implausible=True))) > 0.0


def test_what_a_person_says_against_a_file_is_told_or_refused(file) -> None:
    named = file(BASE.replace(HEAD, "Time (s),Voltage (V),Current (A)\n"))
    said = read_csv(named, Asked(units=units_of("mV"))).remarks[0]
    assert said == "The column 'Voltage (V)' was taken in mV, as --units says, though its name says V."
    bare = file(BASE.replace(HEAD, ""))
    with pytest.raises(TraceFormatError, match=r"has no column 9; it has 1, 2, 3"):
        read_csv(bare, Asked(columns=columns_of("t=1,v=2,i=9"), units=units_of("s,V,A")))
    own = file(OWN + text(*OWN_ROWS, head=OWN_HEAD))
    for asked in (Asked(every_s=0.1), Asked(voltage_v=5.0), Asked(units=units_of("mA")), Asked(decimal=",")):
        with pytest.raises(TraceFormatError, match="is a recording of groupnl, which says itself"):
            read_csv(own, asked)


def test_what_a_file_is_is_said(file) -> None:
    german = read_csv(file(GERMAN)).remarks[0]
    assert german == "It is written with semicolons between cells, decimal commas, as a German spreadsheet writes."
    assert (
        read_csv(file(BASE.replace(",", "\t"))).remarks[0] == "It is written with tabs between cells, decimal points."
    )
    assert not any("written with" in remark for remark in read_csv(file(BASE)).remarks)
