"""The front of latency and energy in a report's table."""

from types import SimpleNamespace
from typing import Any

from groupnl_deploy.bench.check import Check
from groupnl_deploy.report.front import front_cells, has_front, on_front


def row(run: str, p50_ms: float | None, energy_j: float | None, emulated: bool = False, sound: bool = True) -> Any:
    checks = () if sound else (Check("foreign load", "time", "invalid", 1.0, 0.05, "busy", "wait"),)
    latency = None if p50_ms is None else SimpleNamespace(p50_ms=p50_ms)
    return SimpleNamespace(run=run, latency=latency, energy_j=energy_j, emulated=emulated, checks=checks)


def test_rows_on_the_front_say_so_and_doubtful_ones_do_not() -> None:
    rows = [
        row("fast", 1.0, 5.0),
        row("frugal", 5.0, 1.0, emulated=True),
        row("worse", 6.0, 2.0),
        row("noisy", 0.1, 0.1, sound=False),
        row("unmetered", 0.1, None),
    ]
    assert on_front(rows) == (True, False, True, False, False)  # what is made up beats nothing that was measured
    assert front_cells(rows)["worse"] == "yes" and has_front(rows)
    assert not has_front(rows[2:])
    emulated = [SimpleNamespace(**{**vars(one), "emulated": True}) for one in rows]
    cells = {"fast": "yes*", "frugal": "yes*", "worse": "–", "noisy": "–", "unmetered": "–"}
    assert front_cells(emulated) == cells
