"""A sweep from its plan to the file that a fit reads: a set of benchmarks that goes on where it was interrupted."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

from groupnl_deploy.bench.run_set import SET_FILE, Member, RunSet, drawn, make_set, unfinished, write_set
from groupnl_deploy.energy_model.sweep import OtherKey
from groupnl_deploy.energy_sweep.chain import chain_artifact
from groupnl_deploy.energy_sweep.kept_runs import KeptRuns, member_name
from groupnl_deploy.energy_sweep.measured import Cell, Window, cells_measured, sweep_of
from groupnl_deploy.energy_sweep.plan import SweepPlan, begin_or_go_on
from groupnl_deploy.progress import Reporter
from groupnl_deploy.record import add_record, amend_record
from groupnl_deploy.words import duration_text

SWEEP_FILE = "sweep.json"

BenchOne = Callable[[str, str, Path], object]
"""Benchmarks the artifact in the folder that comes first with the backend that comes second, into a run's folder."""


@dataclass(frozen=True)
class SweepDone:
    """A sweep whose every run was made.

    Args:
        folder: that keeps it.
        plan: what was measured.
        cells: what each layer costs with each number of groups.
        record: the file for `groupnl energy-model fit`; None where no window was sound.
    """

    folder: Path
    plan: SweepPlan
    cells: tuple[Cell, ...]
    record: Path | None

    @property
    def unsound(self) -> tuple[Window, ...]:
        """The windows that are in no fit."""
        return tuple(one for cell in self.cells for one in cell.windows if one.problems)

    @property
    def lacking(self) -> tuple[Cell, ...]:
        """The cells without a sound window."""
        return tuple(cell for cell in self.cells if not cell.sound)


def carry_out(plan: SweepPlan, out: Path, bench_one: BenchOne, reporter: Reporter) -> SweepDone:
    """Measure what of the plan is not in `out` yet, and write the record for a fit.

    The order is drawn once, and kept. Runs that are invalid, of a sweep that is gone on with, are set aside and made
    again. Raises `UsageError` where `out` holds something else, `OtherKey` where the device is not as it was.
    """
    begin_or_go_on(out, plan)
    runs = KeptRuns(plan, out, reporter)
    runs.set_aside_unsound()
    if left := _runs_left(plan, out):
        for text in plan.said(left):
            reporter.note(text)
        members = tuple(
            plan.member(label, chain_artifact(out / "artifacts" / label, *cell, plan.key.batch, reporter).sha256)
            for label, cell in plan.labels.items()
        )
        wanted = drawn(plan.device, f"groupnl energy-model sweep --device {plan.device}", members, plan.repeats)
        if not (out / SET_FILE).is_file():
            write_set(out, wanted)
        pace = _Pace(runs, wanted, bench_one)
        make_set(out, wanted, pace.bench, reporter.note)
    cells = cells_measured(plan, runs.windows())
    return SweepDone(out, plan, cells, _record(plan, cells, out))


@dataclass
class _Pace:
    """One run after the other, with the time that is left and a word on each that is invalid."""

    runs: KeptRuns
    wanted: RunSet
    bench_one: BenchOne
    took_s: dict[str, float] = field(default_factory=dict)

    def bench(self, member: Member, folder: Path) -> None:
        say = self.runs.reporter.note
        say(f"{self._left([run for run in self.wanted.order if not self.runs.is_there(run)])} left.")
        began_s = time.monotonic()
        self.bench_one(str(self.runs.out / member.artifact), member.backend, folder)
        self.took_s[member.name] = time.monotonic() - began_s
        found = self.runs.window(folder.name)
        if found.elsewhere:
            raise OtherKey(
                f"{folder.name}: {found.problems[0]}. One model is of one board and setting.",
                "What was measured is kept. Make the device what it was and run the same command again; or begin "
                "another sweep with --out.",
            )
        if found.problems:
            say(f"{folder.name} is INVALID, and in no fit: {found.problems[0]}.")

    def _left(self, runs: list[str]) -> str:
        """What the same layers took before; the mean of the others for those that were not measured yet."""
        if not self.took_s:
            return f"At least {duration_text(len(runs) * self.runs.plan.run_s)}"
        usual = fmean(self.took_s.values())
        return f"About {duration_text(sum(self.took_s.get(member_name(run), usual) for run in runs))}"


def _runs_left(plan: SweepPlan, out: Path) -> int:
    if not (out / SET_FILE).is_file():
        return len(plan.cells) * plan.repeats
    there = unfinished(out)
    return 0 if there is None else len(there.order) - len(there.made)


def _record(plan: SweepPlan, cells: tuple[Cell, ...], out: Path) -> Path | None:
    """The sweep's file, made anew of what is sound now."""
    path = out / SWEEP_FILE
    if not any(cell.sound for cell in cells):
        return None
    (amend_record if path.is_file() else add_record)(path, sweep_of(plan, cells))
    return path
