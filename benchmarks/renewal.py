"""How often a meter that renews faster than it is asked is found, and a right one taken for it.

    python benchmarks/renewal.py [--seeds 200] [--json]

Each line is one kind of meter, polls and load over many seeds: recordings of twenty seconds as the recorder keeps
them, stamped by `power.renewal`. The load is that of a camera: 1.4 A for two fifths of each of its periods, else 0.5 A,
at 5 V. Replies that stall take up to half a second. Of those that were not stamped, it is printed how many are off by
more than the bound of their error, and the largest error.
"""

import argparse
import json
import random
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # else benchmarks/power.py would be the package `power`

from power.energy import EnergyIndex
from power.meters.base import Measurement
from power.recorder import is_repeat
from power.trace import MeterFacts, PowerTrace

NOMINAL_S, UNTIL_S, LOAD_W = 0.5, 20.0, 4.3
NOISE = 1e-3  # of the mean power: what the meter's own noise adds, which is in no bound
IDLE_A, PULSE_A, DUTY = 0.5, 0.9, 0.4


@dataclass(frozen=True)
class Meter:
    """How often it renews, its noise and its steps; how it is asked; and the load's pulses a second."""

    rate_hz: float
    load_hz: float
    poll_hz: float = 20.0
    late_s: float = 0.005
    stalled: float = 0.0
    noise_a: float = 3e-6
    step_a: float = 1e-6

    def current_a(self, number: int, phase_s: float) -> float:
        """The mean over one of its periods."""
        until_s, period_s = phase_s + number / self.rate_hz, 1 / self.rate_hz
        return IDLE_A + PULSE_A * (self._pulse_s(until_s) - self._pulse_s(until_s - period_s)) / period_s

    def _pulse_s(self, at_s: float) -> float:
        whole, part = divmod(at_s * self.load_hz, 1.0)
        return (DUTY * whole + min(part, DUTY)) / self.load_hz


METERS = {
    "right: 2 a second, 20 polls": Meter(2, 20),
    "right, a load out of step": Meter(2, 7.3),
    "right, noise of a milliampere": Meter(2, 20, noise_a=1e-3),
    "right, polls late by up to 0.3 s": Meter(2, 20, late_s=0.3),
    "right, half of the replies stalled": Meter(2, 20, stalled=0.5),
    "right, 100 polls": Meter(2, 20, poll_hz=100, late_s=0.004),
    "10 a second, 20 polls see every value": Meter(10, 20),
    "10 a second, 10 polls": Meter(10, 20, poll_hz=10),
    "50 a second, in step": Meter(50, 20),
    "50 a second, out of step": Meter(50, 7.3),
    "1,000 a second, in step": Meter(1000, 20),
    "1,000 a second, nearly in step": Meter(1000, 19.97),
    "1,000 a second, out of step": Meter(1000, 7.3),
    "1,000 a second, a tenth of the replies stalled": Meter(1000, 20, stalled=0.1),
    "1,000 a second in steps of 1 mA, in step": Meter(1000, 20, step_a=1e-3),
    "1,000 a second in steps of 1 mA, nearly in step": Meter(1000, 19.97, step_a=1e-3),
    "1,000 a second in steps of 1 mA, out of step": Meter(1000, 7.3, step_a=1e-3),
}


@dataclass(frozen=True)
class Count:
    """Of how many recordings how many were stamped; of the others the largest error, and how many passed the bound."""

    name: str
    recordings: int
    stamped: int
    worst_unstamped: float
    beyond_bound: int

    def __str__(self) -> str:
        missed = ""
        if self.stamped < self.recordings:
            missed = f"{self.beyond_bound:>6} beyond the bound, off by up to {self.worst_unstamped:.2%}"
        return f"{self.name:<50}{self.stamped:>6} of {self.recordings}{missed}"


def recorded(meter: Meter, seed: int) -> PowerTrace:
    """What a recorder keeps: one poll after the other, each reply dated midway between request and receipt."""
    chance = random.Random(seed)
    phase_s, due_s = chance.uniform(0, 1 / meter.rate_hz), chance.uniform(0, 1 / meter.load_hz)
    values: dict[int, int] = {}
    rows: list[Measurement] = []
    while due_s < UNTIL_S:
        asked_s = due_s + chance.uniform(0, meter.late_s)
        took_s = chance.uniform(0, 0.5) if chance.random() < meter.stalled else 3e-4
        number = int((asked_s + chance.uniform(0, took_s) - phase_s) * meter.rate_hz // 1)
        if number not in values:
            exact_a = meter.current_a(number, phase_s) + chance.gauss(0, meter.noise_a)
            values[number] = round(exact_a / meter.step_a)
        reply = Measurement(asked_s + took_s / 2, 5.0, values[number] * meter.step_a, (values[number],))
        if not is_repeat(reply, rows[-1] if rows else None, NOMINAL_S):
            rows.append(reply)
        due_s = max(due_s + 1 / meter.poll_hz, asked_s + took_s)
    facts = MeterFacts("simulated", "none", "none", True, 1, "mean", NOMINAL_S, "block", 1 / meter.poll_hz)
    columns = [[row.t_s for row in rows], [row.voltage_v for row in rows], [row.current_a for row in rows]]
    return PowerTrace(facts, 0.0, None, *columns)


def counts(seeds: int) -> Iterator[Count]:
    """A line for each meter."""
    for name, meter in METERS.items():
        stamped, worst, beyond = 0, 0.0, 0
        for seed in range(seeds):
            index = EnergyIndex(recorded(meter, seed), max_gap_s=10.0)
            window = index.window(2.0, 17.0)
            stamped += window.renews_too_fast
            if not window.renews_too_fast:
                off = abs(window.mean_power_w / LOAD_W - 1)
                worst = max(worst, off)
                beyond += off > (window.edge_error_j or 0.0) / (LOAD_W * window.duration_s) + NOISE
        yield Count(name, seeds, stamped, worst, beyond)


def main() -> None:
    parser = argparse.ArgumentParser(description="How often a meter that renews too fast is found.")
    parser.add_argument("--seeds", type=int, default=200, help="recordings of each kind (default: 200)")
    parser.add_argument("--json", action="store_true", help="print all numbers as JSON")
    arguments = parser.parse_args()
    found = []
    for count in counts(arguments.seeds):
        found.append(count)
        if not arguments.json:
            print(count, flush=True)
    if arguments.json:
        print(json.dumps([asdict(count) for count in found]))


if __name__ == "__main__":
    main()
