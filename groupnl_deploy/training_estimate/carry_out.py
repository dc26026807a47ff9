"""An estimate from its plan to its file: each step as an artifact, benchmarked once, and the training added up."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from device_agent.settings import Settings, Workload
from groupnl_deploy.bench.run import load_run
from groupnl_deploy.bench.run_set import (
    SET_FILE,
    Member,
    drawn,
    load_set,
    make_set,
    measures_the_same,
    named,
    set_aside,
    unfinished,
    write_set,
)
from groupnl_deploy.errors import UsageError
from groupnl_deploy.progress import Reporter
from groupnl_deploy.record import add_record, amend_record
from groupnl_deploy.report.row import ReportRow, build_row
from groupnl_deploy.training_estimate.artifact import step_artifact
from groupnl_deploy.training_estimate.estimate import Estimate, measured_step, phases_estimated
from groupnl_deploy.training_estimate.steps import Part, Step
from groupnl_deploy.words import command_line
from groupnl_deploy.workspace import RUN_FILE, require_absent

BACKEND = "pytorch"
ESTIMATE_FILE = "estimate.json"
_RUNS, _ARTIFACTS = "runs", "artifacts"

BenchOne = Callable[[Member, Path], object]
"""Benchmarks the artifact that a member names into a run's folder."""


@dataclass(frozen=True)
class EstimatePlan:
    """All that decides what is measured and added up.

    Args:
        device: its name.
        label: of the backbone.
        parts: of the training.
        threads: of a step; 0 is every core.
        batch_size: training images a step.
        images: in an epoch.
        meter: its word; None without.
        emulated_meter: it makes its joules up.
    """

    device: str
    label: str
    parts: tuple[Part, ...]
    threads: int
    batch_size: int
    images: int
    meter: str | None
    emulated_meter: bool

    @property
    def steps(self) -> dict[str, Step]:
        """By name, each once."""
        return {part.step.name: part.step for part in self.parts}

    @property
    def settings(self) -> Settings:
        """Of each benchmark: as many steps as a valid run needs, and long enough for a meter."""
        if self.meter is not None:
            return Settings(threads=self.threads, workload=Workload(images=0, min_seconds=20.0))
        work = Workload(images=0, idle_s=0.5, warmup_s=1.0, min_seconds=2.0)
        return Settings(threads=self.threads, workload=work)


def estimated(plan: EstimatePlan, out: Path, bench_one: BenchOne, reporter: Reporter) -> Estimate:
    """Measure what of the plan is not in `out` yet, and write `estimate.json` there.

    Runs that are invalid, of an estimate that is there, are set aside and made again. Raises `UsageError` where `out`
    holds something else, and what a benchmark does.
    """
    _require_new_or_own(out)
    members = tuple(_member(plan, name, step, out, reporter) for name, step in plan.steps.items())
    meter = ("--meter", plan.meter) if plan.meter else ()
    command = command_line("train", "--method", "gearnn", "--estimate", "--device", plan.device, *meter)
    wanted = drawn(plan.device, command, members, 1)
    if not (out / SET_FILE).is_file():
        write_set(out, wanted)
    elif not measures_the_same(load_set(out), wanted):
        raise UsageError(
            f"{out} holds an estimate of another training or device, made by: {load_set(out).command}.",
            f"Remove {out}, or name another --out.",
        )
    if unsound := [name for name, row in _rows(out).items() if row.problems]:
        reporter.note(f"Invalid, and moved to {set_aside(out, unsound)} to be measured again: {', '.join(unsound)}.")
    if unfinished(out):
        make_set(out, wanted, bench_one, reporter.note)
    else:
        reporter.note(f"All steps were measured before, and are kept in {out}; remove it to measure them again.")
    found = _estimate(plan, members, _rows(out))
    path = out / ESTIMATE_FILE
    (amend_record if path.is_file() else add_record)(path, found)
    return found


def _require_new_or_own(out: Path) -> None:
    """Raise where `out` is neither absent nor an estimate, be it one that was only begun."""
    if out.is_dir() and not (out / SET_FILE).is_file() and {one.name for one in out.iterdir()} <= {_ARTIFACTS}:
        return
    if not (out / SET_FILE).is_file():
        require_absent(out)


def _member(plan: EstimatePlan, name: str, step: Step, out: Path, reporter: Reporter) -> Member:
    folder = out / _ARTIFACTS / name
    with reporter.task(f"prepare {name}"):
        folder.parent.mkdir(parents=True, exist_ok=True)
        artifact = step_artifact(folder, step)
    return named(name, str(folder), artifact.sha256, BACKEND, plan.settings)


def _rows(out: Path) -> dict[str, ReportRow]:
    """Of every run that is whole, by its folder's name."""
    there = [out / _RUNS / run for run in load_set(out).order]
    return {folder.name: build_row(*load_run(folder), folder.name) for folder in there if (folder / RUN_FILE).is_file()}


def _estimate(plan: EstimatePlan, members: Sequence[Member], rows: dict[str, ReportRow]) -> Estimate:
    mine = {name: rows[f"{member.name}-run1"] for name, member in zip(plan.steps, members, strict=True)}
    steps = {name: measured_step(name, plan.steps[name].images, row) for name, row in mine.items()}
    first = next(iter(mine.values()))
    return Estimate(
        device=plan.device,
        board=first.board,
        label=plan.label,
        threads=first.threads,
        batch_size=plan.batch_size,
        images=plan.images,
        meter=plan.meter,
        emulated_meter=plan.emulated_meter,
        steps=tuple(steps.values()),
        phases=phases_estimated(plan.parts, steps),
    )
