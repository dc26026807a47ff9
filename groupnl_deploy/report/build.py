"""Runs → report rows. Pure: everything is derived from what the run folders hold."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from device_agent.backend_table import BACKENDS
from groupnl_deploy.bench.check import Check
from groupnl_deploy.bench.energy import RunEnergy, run_energy
from groupnl_deploy.bench.incomplete import IncompleteRun, is_incomplete, load_incomplete, require_not_cut_short
from groupnl_deploy.bench.memory import memory_need
from groupnl_deploy.bench.phase_energy import PAPER_IMAGES
from groupnl_deploy.bench.run import BenchRun, load_run
from groupnl_deploy.bench.stats import LatencyStats, latency_stats
from groupnl_deploy.bench.validity import checks, not_judged, problems, unusable_recording
from groupnl_deploy.errors import VerificationFailed
from groupnl_deploy.images.confusion import ClassAccuracy, Confusion, count_confusion
from groupnl_deploy.report.curves import RunCurves, run_curves
from groupnl_deploy.report.identity import Identity, identify
from groupnl_deploy.report.profile import RunProfile, Steady
from groupnl_deploy.report.profiled import profile_of
from groupnl_deploy.report.reproduce import bench_command
from power.errors import PowerError
from power.renewal import renewed_too_fast
from power.trace import PowerTrace

SCHEMA_VERSION = 6
_WH_J = 3600.0
_MB = 1e6


@dataclass(frozen=True, kw_only=True)
class ReportRow(Identity):
    """One run as a line of a table: what it was of, and what was measured.

    Where `valid` is false, `problems` says why the numbers must not be believed. `not_judged` is what nobody could
    tell, `checks` every rule's verdict with its value and limit. The numbers themselves stay as they were measured.

    Null is what was not measured, or not measurable: an emulated board (`emulated_board`) has no speed, no memory and
    no energy of an inference. `time_s` and `energy_wh` are for 100 images, as in the paper's Tables 11 and 12;
    `energy_j` and `net_energy_j` are per inference, gross and net of idle.
    `emulated` is true where the emulated meter made the joules up, null without a meter. `renews_too_fast` is true when
    the meter renewed its values faster than it was asked, so that there are no joules; null without a meter.
    `profile` is where the time of one inference goes, null where it was not asked for.
    `links_lost` is how often the host lost the device meanwhile, which then finished without it.
    Accuracies are fractions, each with its interval of 95 %. Where the images have labels, `per_class` has the
    accuracy of each class and `confusion` which of them was taken for which (`groupnl_deploy.images.confusion`).
    """

    iterations: int
    time_s: float | None
    fps: float | None
    latency: LatencyStats | None
    first_inference_ms: float | None
    memory_mb: float | None
    memory_after_load_mb: float | None
    power_w: float | None
    energy_wh: float | None
    energy_j: float | None
    net_energy_j: float | None
    idle_power_w: float | None
    emulated: bool | None
    accuracy: float | None
    valid: bool
    problems: tuple[str, ...]
    not_judged: tuple[str, ...]
    checks: tuple[Check, ...]
    energy: RunEnergy | None
    accuracy_low: float | None = None
    accuracy_high: float | None = None
    per_class: tuple[ClassAccuracy, ...] | None = None
    confusion: Confusion | None = None
    renews_too_fast: bool | None = None
    emulated_board: bool = False
    links_lost: int = 0
    profile: RunProfile | None = None

    def __str__(self) -> str:
        emulated = " EMULATED" if self.emulated else ""
        energy = "" if self.energy_j is None else f", {1e3 * self.energy_j:.2f} mJ{emulated}"
        accuracy = "" if self.accuracy is None else f", accuracy {100 * self.accuracy:.1f} %"
        speed = "EMULATED BOARD, which has no speed"
        if self.latency is not None:
            speed = f"{self.fps:.1f} FPS, p50 {self.latency.p50_ms:.2f} ms, {self.memory_mb:.0f} MB"
        invalid = "" if self.valid else ", INVALID"
        return f"{self.model} on {self.device} with {self.backend}: {speed}{energy}{accuracy}{invalid}"


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
    """What of a run is drawn, and the command that makes it again; JSON and CSV have neither."""

    curves: RunCurves
    command: str


@dataclass(frozen=True)
class Report:
    """Rows, in the order of the runs, and the runs that have none: their files are damaged, or they were cut short.

    `details` are the rows', in their order; there are none in a report that was not built from folders.
    """

    rows: tuple[ReportRow, ...]
    damaged: tuple[DamagedRun, ...] = ()
    incomplete: tuple[IncompleteRow, ...] = ()
    details: tuple[RunDetail, ...] = ()
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


def build_report(folders: Sequence[Path]) -> Report:
    """Read and verify each run folder and make its row; a damaged or incomplete run is named and blocks no other.

    Raises the first run's error where every run is damaged, and `UsageError` for a folder that is no run.
    """
    rows, details, damaged, incomplete, errors = [], [], [], [], []
    for folder, name in zip(folders, _names(folders), strict=True):
        try:
            if is_incomplete(folder):
                incomplete.append(_incomplete_row(load_incomplete(folder), name))
            else:
                require_not_cut_short(folder)
                run, trace = load_run(folder)
                rows.append(build_row(run, trace, name))
                details.append(RunDetail(run_curves(run, trace, name, len(folders)), bench_command(run, trace)))
        except (VerificationFailed, PowerError) as error:
            damaged.append(DamagedRun(name, error.message, error.remedy))
            errors.append(error)
    if errors and not rows and not incomplete:
        raise errors[0]
    return Report(tuple(rows), tuple(damaged), tuple(incomplete), tuple(details))


def _names(folders: Sequence[Path]) -> list[str]:
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


def build_row(run: BenchRun, trace: PowerTrace | None, name: str) -> ReportRow:
    """One run's row. Energy that cannot be had is null, with the reason among the problems."""
    energy, refusal = _energy(run, trace)
    span = run.result.span("steady")
    stats = latency_stats(run.result.latencies_ns, (span.end_ns - span.start_ns) / 1e9)
    found = (*refusal, *checks(run, energy))
    memory = memory_need(run.result)
    row = ReportRow(
        **vars(identify(run, trace, name)),
        iterations=stats.iterations,
        time_s=PAPER_IMAGES / stats.fps,
        fps=stats.fps,
        latency=stats,
        first_inference_ms=run.result.first_inference_ns / 1e6,
        memory_mb=_megabytes(memory.peak),
        memory_after_load_mb=_megabytes(memory.after_load),
        power_w=energy.steady.mean_power_w if energy else None,
        energy_wh=energy.steady.energy_j / stats.iterations * PAPER_IMAGES / _WH_J if energy else None,
        energy_j=energy.steady.energy_j / stats.iterations if energy else None,
        net_energy_j=energy.net.net_energy_j / stats.iterations if energy else None,
        idle_power_w=energy.net.idle_power_w if energy else None,
        emulated=trace.facts.emulated if trace else None,
        **_accuracies(confusion_of(run)),
        valid=not problems(found),
        problems=problems(found),
        not_judged=not_judged(found),
        checks=found,
        energy=energy,
        renews_too_fast=renewed_too_fast(trace) if trace else None,
        links_lost=run.links_lost,
    )
    row = replace(row, profile=profile_of(run, Steady(stats.p50_ms, row.energy_j, row.emulated)))
    return _without_speed(row) if run.result.board_before.emulated else row


def _megabytes(size: int | None) -> float | None:
    return None if size is None else size / _MB


def _without_speed(row: ReportRow) -> ReportRow:
    """Without the numbers that tell of the emulator and not of a board: no copy of the report may pass them on."""
    measured = ("time_s", "fps", "latency", "first_inference_ms", "memory_mb", "memory_after_load_mb")
    per_inference = ("energy_wh", "energy_j", "net_energy_j", "profile")
    none: dict[str, Any] = dict.fromkeys((*measured, *per_inference))
    return replace(row, emulated_board=True, **none)


def confusion_of(run: BenchRun) -> Confusion | None:
    """What the device answered against the labels; None for unlabelled images, untrained nets and made-up answers."""
    labels, predictions, classes = run.images.labels, run.result.predictions, run.manifest.classes
    if not labels or classes is None or run.manifest.trained is False or not _computes(run.result.backend):
        return None
    known = () if run.manifest.data is None else run.manifest.data.class_names
    # A network may tell more classes apart than its data set has, and a record from elsewhere may name none.
    unnamed = (f"class {label}" if known else str(label) for label in range(len(known), classes))
    return count_confusion(labels, predictions, (*known, *unnamed))


def _accuracies(confusion: Confusion | None) -> dict[str, Any]:
    if confusion is None:
        return {"accuracy": None}
    low, high = confusion.interval
    return {
        "accuracy": confusion.accuracy,
        "accuracy_low": low,
        "accuracy_high": high,
        "per_class": confusion.per_class,
        "confusion": confusion,
    }


def _computes(backend: str) -> bool:
    """Whether its answers are the model's; so are those of a backend that only another version knows."""
    return backend not in BACKENDS or BACKENDS[backend].computes


def _energy(run: BenchRun, trace: PowerTrace | None) -> tuple[RunEnergy | None, tuple[Check, ...]]:
    """The joules, or why they cannot be had."""
    if trace is None:
        return None, ()
    try:
        return run_energy(run, trace), ()
    except PowerError as error:
        return None, (unusable_recording(error.message, error.remedy),)
