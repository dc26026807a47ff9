"""Runs → a report. Pure: everything is derived from what the run folders hold."""

import contextlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from groupnl_deploy.bench.incomplete import IncompleteRun, is_incomplete, load_incomplete, require_not_cut_short
from groupnl_deploy.bench.run import has_digest, load_run
from groupnl_deploy.bench.run_set import SET_FILE, load_set
from groupnl_deploy.errors import VerificationFailed
from groupnl_deploy.evaluation.record import FOLDER as EVALUATIONS
from groupnl_deploy.evaluation.record import EvaluationRecord, evaluations_in, load_evaluation
from groupnl_deploy.report.curves import RunCurves, run_curves
from groupnl_deploy.report.reproduce import bench_command
from groupnl_deploy.report.robustness import evaluation_of, with_robustness
from groupnl_deploy.report.row import ReportRow, build_row
from groupnl_deploy.report.trainings import RunTraining, Trainings
from groupnl_deploy.words import command_line
from power.errors import PowerError

SCHEMA_VERSION = 8


@dataclass(frozen=True)
class DamagedRun:
    """A run that could not be read: its folder, what is wrong with it, what to do."""

    run: str
    reason: str
    remedy: str


@dataclass(frozen=True)
class IncompleteRow:
    """A run that something ended early: what it was of, where it ended and why, and what there is of it.

    It has no row: its numbers are part of no comparison. `iterations` is how many latencies had arrived,
    `left_behind` is whether the device may have the rest of it.
    """

    run: str
    model: str
    backend: str
    device: str
    ended: str
    reason: str
    iterations: int
    recorded: bool
    left_behind: bool = False


@dataclass(frozen=True)
class RunDetail:
    """What of a run is drawn, and the command that makes it again; JSON and CSV have neither.

    `training` is that of its network, where its checkpoint is at hand, `evaluation` the one that its row is of.
    """

    curves: RunCurves
    command: str
    training: RunTraining | None = None
    evaluation: EvaluationRecord | None = None


@dataclass(frozen=True)
class Report:
    """Rows, in the order of the runs, and the runs that have none: their files are damaged, or they were cut short.

    `details` are the rows', in their order; there are none in a report that is not to be drawn. `commands` are
    those that measured whole sets of them, `places` what to name to `groupnl report` for the same runs.
    `without_digest` are runs of which nothing tells whether their record was altered.
    """

    rows: tuple[ReportRow, ...]
    damaged: tuple[DamagedRun, ...] = ()
    incomplete: tuple[IncompleteRow, ...] = ()
    details: tuple[RunDetail, ...] = ()
    commands: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    without_digest: tuple[str, ...] = ()
    schema_version: int = SCHEMA_VERSION

    def __str__(self) -> str:
        invalid = sum(not row.valid for row in self.rows)
        kinds = ((invalid, "of them invalid"), (len(self.damaged), "damaged"), (len(self.incomplete), "cut short"))
        more = "".join(f", {count} {what}" for count, what in kinds if count)
        return f"report of {len(self.rows)} run{'s' * (len(self.rows) != 1)}{more}"

    @property
    def emulated(self) -> bool:
        """True when any row's joules come from the emulated meter."""
        return any(row.emulated for row in self.rows)


def build_report(folders: Sequence[Path], drawn: bool = False) -> Report:
    """Read and verify each run folder and make its row; a damaged or incomplete run is named and blocks no other.

    A report that is `drawn` has the curves of each run, which the form "html" needs and no other: a long recording
    takes seconds.

    Raises the first run's error where every run is damaged, and `UsageError` for a folder that is no run.
    """
    rows, details, damaged, incomplete, unverified, errors = [], [], [], [], [], []
    trainings = Trainings()
    for folder, name in zip(folders, run_names(folders), strict=True):
        try:
            if is_incomplete(folder):
                incomplete.append(_incomplete_row(load_incomplete(folder), name))
            else:
                require_not_cut_short(folder)
                run, trace = load_run(folder)
                rows.append(build_row(run, trace, name))
                unverified += [] if has_digest(folder) else [name]
                if drawn:
                    curves, training = run_curves(run, trace, name, len(folders)), trainings.of(folder, run.manifest)
                    details.append(RunDetail(curves, bench_command(run, trace), training))
        except (VerificationFailed, PowerError) as error:
            damaged.append(DamagedRun(name, error.message, error.remedy))
            errors.append(error)
    if errors and not rows and not incomplete:
        raise errors[0]
    known = _evaluations(folders, damaged)
    evaluations = [evaluation_of(row, known) for row in rows]
    rows = [with_robustness(row, one) for row, one in zip(rows, evaluations, strict=True)]
    details = [replace(detail, evaluation=one) for detail, one in zip(details, evaluations, strict=False)]
    found = Report(tuple(rows), tuple(damaged), tuple(incomplete), tuple(details))
    return replace(found, commands=_commands(folders), places=_places(folders), without_digest=tuple(unverified))


def _evaluations(folders: Sequence[Path], damaged: list[DamagedRun]) -> list[EvaluationRecord]:
    """Those kept beside these runs, and beside the folders `runs` that they lie in; a damaged one is told."""
    places = dict.fromkeys(above / EVALUATIONS for folder in folders for above in folder.absolute().parents[:3])
    found = []
    for folder in evaluations_in(places):
        try:
            found.append(load_evaluation(folder))
        except VerificationFailed as error:
            damaged.append(DamagedRun(f"{folder.parent.name}/{folder.name}", error.message, error.remedy))
    return found


def _places(folders: Sequence[Path]) -> tuple[str, ...]:
    """The folders; one of a set or campaign stands for its runs where all of them are there."""
    beside: dict[Path, set[str]] = {}
    for folder in folders:
        beside.setdefault(folder.parent, set()).add(folder.name)
    whole = {place for place, names in beside.items() if _holds_only(place, names)}
    return tuple(dict.fromkeys(str(one.parent.parent if one.parent in whole else one) for one in folders))


def _holds_only(place: Path, names: Collection[str]) -> bool:
    """Whether it is the folder `runs` of a set or campaign, and has no other run than these."""
    if place.name != "runs" or not place.parent.name:
        return False
    return {one.name for one in place.iterdir() if not one.name.startswith(".")} <= set(names)


def _commands(folders: Sequence[Path]) -> tuple[str, ...]:
    """What was typed to measure the sets that these runs are of."""
    places = dict.fromkeys(
        folder.absolute().parents[1] for folder in folders if folder.absolute().parent.name == "runs"
    )
    found = []
    for place in places:
        with contextlib.suppress(VerificationFailed):  # of another version, say; its runs are whole all the same
            found += [load_set(place).command] if (place / SET_FILE).is_file() else []
        found += _campaign_commands(place)
    return tuple(found)


def _campaign_commands(place: Path) -> list[str]:
    """What runs the campaign of this folder again, where its file lies there as the demo's does."""
    files = list(place.glob("*.toml")) if (place / "stamps").is_dir() else []
    return [command_line("run", files[0])] if len(files) == 1 else []


def run_names(folders: Sequence[Path]) -> list[str]:
    """What each run is called: its folder's name, or its whole path where two folders have one name."""
    names = [folder.name for folder in folders]
    return [name if names.count(name) == 1 else str(folder) for name, folder in zip(names, folders, strict=True)]


def _incomplete_row(run: IncompleteRun, name: str) -> IncompleteRow:
    return IncompleteRow(
        run=name,
        model=run.manifest.label,
        backend=run.request.backend,
        device=run.device,
        ended=run.ended,
        reason=run.ended_by,
        iterations=len(run.arrived.latencies_ns),
        recorded=run.power is not None,
        left_behind=run.left_behind,
    )
