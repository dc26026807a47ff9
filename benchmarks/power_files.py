"""What it costs that a recording is recognised, and how long those of other programs take.

    python benchmarks/power_files.py [--only own german clock] [--rows 4000000] [--json]

own      a recording of ours, by `read_csv` and by its row reader alone, which knows what it reads: paired, by turns
german   a table in milliseconds, millivolts, milliamperes, with semicolons and decimal commas, in a fresh process
clock    a table with wall-clock stamps of ISO 8601, in a fresh process

Targets are printed as met or MISSED; nothing here fails on them.
"""

import argparse
import codecs
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.power import READER, ROOT, Result, noisy_trace, show
from power.reading.head import Head, notes_of
from power.reading.rows import Columns, RowLayout, read_own_rows
from power.reading.source import BLOCK_BYTES
from power.reading.text import pieces_of
from power.trace import PowerTrace
from power.trace_io import read_csv, write_csv

OWN_ROWS, PAIRS = 1_000_000, 9
RECOGNITION_LIMIT = 1.2  # times the rows alone
LIMIT_S, LIMIT_MIB = 15.0, 1024.0
CHUNK = 100_000  # rows written at once
OWN_COLUMNS = ("t_s", "voltage_v", "current_a", "power_w")


def own(_: argparse.Namespace) -> Iterator[Result]:
    """A recording of ours with and without looking what it is."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "own.csv"
        write_csv(noisy_trace(OWN_ROWS, 1000.0), path)
        assert np.array_equal(read_csv(path).t_s, rows_alone(path).t_s)  # and both have been run once
        ratios, alone_s = [], []
        for pair in range(PAIRS):
            order: list[Callable[[Path], PowerTrace]] = [read_csv, rows_alone]
            seconds = {read: timed(read, path) for read in (order if pair % 2 else reversed(order))}
            ratios.append(seconds[read_csv] / seconds[rows_alone])
            alone_s.append(seconds[rows_alone])
    yield Result(f"{OWN_ROWS:,} rows of ours, their rows alone", statistics.median(alone_s), "s")
    yield Result("read_csv over that, median of pairs", statistics.median(ratios), "times", RECOGNITION_LIMIT)


def rows_alone(path: Path) -> PowerTrace:
    """The recording by one who knows that it is of ours, plain UTF-8, and whole."""
    parts: list[Columns] = []
    with path.open("rb") as file:
        blocks = iter(lambda: file.read(BLOCK_BYTES), b"")
        for piece in pieces_of(path.name, codecs.iterdecode(blocks, "utf-8")):
            latest_s = parts[-1]["t_s"][-1] if parts else -math.inf
            first = 0 if parts else notes_of(Head(path.name, tuple(piece.lines[:50])))[2]
            layout = RowLayout(path.name, {name: place for place, name in enumerate(OWN_COLUMNS)}, len(OWN_COLUMNS))
            parts.append(read_own_rows(layout, piece.after(first), latest_s).columns)
    t_s, voltage_v, current_a = (np.concatenate([part[name] for part in parts]) for name in OWN_COLUMNS[:3])
    return PowerTrace(noisy_trace(2, 1000.0).facts, 0.0, None, t_s, voltage_v, current_a)


def german(arguments: argparse.Namespace) -> Iterator[Result]:
    """As a German spreadsheet or logger writes it."""

    def row(at_ms: int, volts: float, amps: float) -> str:
        return f"{at_ms};{1000 * volts:.1f};{1000 * amps:.2f}\n".replace(".", ",")

    yield from foreign("semicolons, decimal commas", "Time (ms);Voltage (mV);Current (mA)\n", row, arguments.rows)


def clock(arguments: argparse.Namespace) -> Iterator[Result]:
    """As a script writes it that logs with the time of day."""
    began = np.datetime64("2026-02-03T10:11:12.000")

    def row(at_ms: int, volts: float, amps: float) -> str:
        return f"{began + at_ms},{volts:.4f},{amps:.5f}\n"

    yield from foreign("ISO 8601 stamps", "timestamp,voltage_V,current_A\n", row, arguments.rows)


def foreign(what: str, head: str, row: Callable[[int, float, float], str], rows: int) -> Iterator[Result]:
    """Write such a file, then read and integrate it in a fresh process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "foreign.csv"
        joules = write(path, head, row, rows)
        command = [sys.executable, "-c", READER, str(path)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout)
    assert found["rows"] == rows and math.isclose(found["energy_j"], joules, rel_tol=1e-6)
    yield Result(f"{rows:,} rows, {what}: read and integrated", found["all_s"], "s", LIMIT_S)
    yield Result("peak resident memory", found["peak_mib"], "MiB", LIMIT_MIB)


def write(path: Path, head: str, row: Callable[[int, float, float], str], rows: int) -> float:
    """A foreign table, a row a millisecond; its joules."""
    random = np.random.default_rng(0)
    volts = np.round(5.1 + random.normal(0.0, 0.01, rows), 4)
    amps = np.round(1.2 + random.normal(0.0, 0.05, rows), 5)
    with path.open("w") as file:
        file.write(head)
        for first in range(0, rows, CHUNK):
            chunk = slice(first, first + CHUNK)
            each = zip(range(first, min(first + CHUNK, rows)), volts[chunk].tolist(), amps[chunk].tolist(), strict=True)
            file.write("".join(row(*values) for values in each))
    return float(np.trapezoid(volts * amps, dx=0.001))


def timed(read: Callable[[Path], PowerTrace], path: Path) -> float:
    """Seconds that one reading takes."""
    began_s = time.perf_counter()
    read(path)
    return time.perf_counter() - began_s


BENCHMARKS = {"own": own, "german": german, "clock": clock}


def main() -> None:
    parser = argparse.ArgumentParser(description="Cost of recognising and reading recordings of other programs.")
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS), help="which (default: all)")
    parser.add_argument("--rows", type=int, default=4_000_000, help="of a foreign table")
    parser.add_argument("--json", action="store_true", help="print all numbers as JSON")
    arguments = parser.parse_args()
    show(BENCHMARKS, arguments)


if __name__ == "__main__":
    main()
