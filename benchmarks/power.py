"""What reading, integrating and recording power costs, beside what it may cost.

    python benchmarks/power.py [--only hour windows share pages day] [--seconds 20] [--json]

hour     an hour at 1,000 measurements a second, 3.6 million rows, read and integrated in a fresh process
windows  a million windows of one recording, and how the time of one grows from 10⁴ to 10⁶ rows
share    recording the emulated KM003C at 20 polls a second: processor time over time, the emulator elsewhere
pages    the same while 1 and 20 pages of `power watch --web` are open, each asking twice a second from another process
day      24 hours of measurements through the recorder, its clock turned fast: memory after each quarter

Targets are printed as met or MISSED; nothing here fails on them.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # else this very file would be the package of its name

from groupnl_deploy.bench.meter import MeterPlan
from groupnl_deploy.bench.recording import recording
from groupnl_deploy.watch.points import LivePoints
from groupnl_deploy.watch.server import PageServer
from groupnl_deploy.watch.watched import Watched
from power.energy import EnergyIndex
from power.meters import open_meter
from power.meters.synthetic import SyntheticMeter
from power.recorder import Recorder
from power.trace import MeterFacts, PowerTrace
from power.trace_io import write_csv

ROOT = Path(__file__).resolve().parents[1]
HOUR_ROWS, HOUR_HZ = 3_600_000, 1000
HOUR_LIMIT_S, HOUR_LIMIT_MIB = 3.0, 1024.0
WINDOWS, FEW_ROWS, MANY_ROWS = 1_000_000, 10_000, 1_000_000
GROWTH_LIMIT = 10.0  # a hundred times the rows: a scan would take a hundred times as long, a search half as long again
POLL_HZ, SHARE_LIMIT = 20.0, 0.03
PAGES, PAGES_LIMIT = (1, 20), 0.1
DAY_S, DAY_HZ, DAY_SPEED = 86_400.0, 20.0, 4_000.0
DAY_LIMIT_MIB = 1.0

T = TypeVar("T")

READER = """
import json, resource, sys, time
began_s = time.perf_counter()
from pathlib import Path
from power.energy import EnergyIndex
from power.trace_io import read_csv
trace = read_csv(Path(sys.argv[1]))
read_s = time.perf_counter() - began_s
energy = EnergyIndex(trace).window(trace.t_s[0], trace.t_s[-1])
all_s = time.perf_counter() - began_s
peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"read_s": read_s, "all_s": all_s, "peak_mib": peak_mib, "rows": len(trace.t_s),
                  "energy_j": energy.energy_j}))
"""

EMULATOR = """
import sys
from power.meters.km003c.emulator import Km003cEmulator
with Km003cEmulator(5.1, 1.0) as emulator:
    print(emulator.port, flush=True)
    sys.stdin.read()
"""


ASKERS = """
import json, sys, threading, time, urllib.request
address, count, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
end_s, answers = time.monotonic() + seconds, []
def page():
    following = 0
    while time.monotonic() < end_s:
        with urllib.request.urlopen(f"{address}samples?after={following}", timeout=10) as answer:
            following = json.load(answer)["next"]
        answers.append(following)
        time.sleep(0.5)
threads = [threading.Thread(target=page) for _ in range(count)]
for one in threads: one.start()
for one in threads: one.join()
print(len(answers))
"""


@dataclass(frozen=True)
class Result:
    """One measured quantity, and the most it may be; None where there is no target."""

    name: str
    value: float
    unit: str
    limit: float | None = None

    def __str__(self) -> str:
        verdict = ""
        if self.limit is not None:
            verdict = f"   at most {self.limit:g}: {'met' if self.value <= self.limit else 'MISSED'}"
        return f"{self.name:<52}{self.value:>10.3f} {self.unit:<8}{verdict}"


def noisy_trace(rows: int, rate_hz: float) -> PowerTrace:
    """A board at work as a meter with microvolts and microamperes sees it, its clock mapped onto the host's."""
    random = np.random.default_rng(0)
    t_s = np.arange(rows) / rate_hz * (1 + 1e-5) + 0.0123456789
    voltage_v = np.round(5.1 + random.normal(0.0, 0.01, rows), 6)
    current_a = np.round(1.2 + random.normal(0.0, 0.05, rows), 6)
    facts = MeterFacts("synthetic", "computed", "none", True, 1, "vbus/ibus", 1.0 / rate_hz, "block")
    return PowerTrace(facts, 0.0, None, t_s, voltage_v, current_a)


def hour(_: argparse.Namespace) -> Iterator[Result]:
    """Write, then read and integrate, an hour at the meter's fastest rate."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hour.csv"
        began_s = time.perf_counter()
        write_csv(noisy_trace(HOUR_ROWS, HOUR_HZ), path)
        yield Result("write_csv, 3.6 million rows", time.perf_counter() - began_s, "s")
        yield Result("the file", path.stat().st_size / 2**20, "MiB")
        command = [sys.executable, "-c", READER, str(path)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout)
    assert found["rows"] == HOUR_ROWS
    yield Result("read_csv, imports included", found["read_s"], "s")
    yield Result("read and integrated, imports included", found["all_s"], "s", HOUR_LIMIT_S)
    yield Result("peak resident memory", found["peak_mib"], "MiB", HOUR_LIMIT_MIB)


def windows(_: argparse.Namespace) -> Iterator[Result]:
    """A million windows at once, of a short recording and of one a hundred times as long."""
    each_ns = {}
    for rows in (FEW_ROWS, MANY_ROWS):
        trace = noisy_trace(rows, HOUR_HZ)
        index, build_s = timed(lambda trace=trace: EnergyIndex(trace))
        edges = np.random.default_rng(1).uniform(trace.t_s[0], trace.t_s[-1], (WINDOWS, 2))
        edges.sort(axis=1)
        joules, query_s = timed(lambda index=index, edges=edges: index.energy_j(edges[:, 0], edges[:, 1]))
        assert np.isfinite(joules).all()
        each_ns[rows] = 1e9 * query_s / WINDOWS
        yield Result(f"EnergyIndex of {rows:,} rows, built once", 1e3 * build_s, "ms")
        yield Result(f"a million windows of {rows:,} rows", query_s, "s")
    growth = each_ns[MANY_ROWS] / each_ns[FEW_ROWS]
    yield Result("one window, 10⁶ rows over 10⁴ rows", growth, "times", GROWTH_LIMIT)


def share(arguments: argparse.Namespace) -> Iterator[Result]:
    """What recording takes of one core. The emulator runs in a process of its own."""
    with tempfile.TemporaryDirectory() as folder, emulator_port() as port, open_meter("km003c", port) as meter:
        with Recorder(meter, POLL_HZ, Path(folder) / "power.csv", keep_rows=False) as recorder:
            time.sleep(1.0)
            began_s, began_cpu_s = time.perf_counter(), time.process_time()
            time.sleep(arguments.seconds)
            busy_s, passed_s = time.process_time() - began_cpu_s, time.perf_counter() - began_s
        totals = recorder.totals
    assert totals is not None
    yield Result("rows recorded", totals.rows, "")
    yield Result("recording at 20 polls a second, of one core", 100 * busy_s / passed_s, "%", 100 * SHARE_LIMIT)


def pages(arguments: argparse.Namespace) -> Iterator[Result]:
    """What pages that look on take of one core, and of the measurements."""
    points = LivePoints()
    with (
        emulator_port() as port,
        PageServer() as server,
        recording(MeterPlan("km003c", port), None, print, heard=points.hear) as running,
        server.serving(Watched(running, points, None)),
    ):
        time.sleep(1.0)
        for count in PAGES:
            began_s, began_cpu_s = time.perf_counter(), time.process_time()
            command = [sys.executable, "-c", ASKERS, server.address, str(count), str(arguments.seconds)]
            answered = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            busy_s, passed_s = time.process_time() - began_cpu_s, time.perf_counter() - began_s
            limit = 100 * PAGES_LIMIT if count == PAGES[-1] else None
            yield Result(f"answers to {count} open pages", answered, "")
            yield Result(f"recording and {count} open pages, of one core", 100 * busy_s / passed_s, "%", limit)
        totals = running.recorder.totals
    assert totals is not None
    yield Result("holes while pages were open", totals.holes, "", 0.0)


def day(_: argparse.Namespace) -> Iterator[Result]:
    """24 hours through the recorder's own way from meter to file, with a clock that runs 4,000 times as fast."""
    began_s = time.monotonic()
    meter = SyntheticMeter(
        "sine:5V,1A,0.2A,2s",
        update_hz=DAY_HZ,
        now=lambda: began_s + DAY_SPEED * (time.monotonic() - began_s),
    )
    quarters: list[tuple[int, float]] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        Recorder(meter, 1000.0, Path(folder) / "day.csv", keep_rows=False) as recorder,
    ):
        for quarter in range(5):
            # The first mark is a hundredth of the day: by then everything has been used once.
            reach(recorder, meter.began_s + max(0.01, quarter / 4) * DAY_S)
            totals = recorder.totals
            assert totals is not None
            quarters.append((totals.rows, resident_mib()))
            yield Result(f"resident after {totals.rows:,} rows", quarters[-1][1], "MiB")
    (first_rows, first_mib), (last_rows, last_mib) = quarters[0], quarters[-1]
    growth_mib = last_mib - first_mib
    yield Result("growth for each million rows", growth_mib / (last_rows - first_rows) * 1e6, "MiB")
    yield Result("growth in 24 hours", growth_mib, "MiB", DAY_LIMIT_MIB)


def reach(recorder: Recorder, instant_s: float) -> None:
    """Wait until the recorder holds a measurement of that instant of the meter's clock."""
    while recorder.latest is None or recorder.latest.t_s < instant_s:
        recorder.wait(0.05)


@contextmanager
def emulator_port() -> Iterator[str]:
    """The port of an emulated meter in another process."""
    command = [sys.executable, "-c", EMULATOR]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as emulator:
        assert emulator.stdin is not None and emulator.stdout is not None
        yield emulator.stdout.readline().strip()
        emulator.stdin.close()


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """What it returns, and the shorter of two times in seconds."""
    seconds = []
    for _ in range(2):
        began_s = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - began_s)
    return result, min(seconds)


def resident_mib() -> float:
    """Memory in use now, not at the worst moment so far."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


BENCHMARKS = {"hour": hour, "windows": windows, "share": share, "pages": pages, "day": day}


def main() -> None:
    parser = argparse.ArgumentParser(description="Cost of reading, integrating and recording power.")
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS), help="which (default: all)")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long `share` and `pages` record")
    parser.add_argument("--json", action="store_true", help="print all numbers as JSON")
    arguments = parser.parse_args()
    show(BENCHMARKS, arguments)


def show(
    benchmarks: Mapping[str, Callable[[argparse.Namespace], Iterator[Result]]], arguments: argparse.Namespace
) -> None:
    """Print the results of those that `arguments.only` names, each as it comes, or all as JSON."""
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {platform.system()}"
    if not arguments.json:
        print(f"{machine}; Python {platform.python_version()}, numpy {np.__version__}")
    results = []
    for name in arguments.only:
        for result in benchmarks[name](arguments):
            results.append(result)
            if not arguments.json:
                print(result, flush=True)
    if arguments.json:
        print(json.dumps({"machine": machine, "results": [asdict(result) for result in results]}))


if __name__ == "__main__":
    main()
