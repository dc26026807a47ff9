"""One run's row: every number of it, derived from its record and its recording. Pure."""

from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from device_agent.backend_table import BACKENDS
from groupnl_deploy.bench.agreement import Agreement
from groupnl_deploy.bench.board_rules import temperature_at_start
from groupnl_deploy.bench.check import Check
from groupnl_deploy.bench.energy import RunEnergy, run_energy
from groupnl_deploy.bench.memory import memory_need
from groupnl_deploy.bench.phase_energy import PAPER_IMAGES
from groupnl_deploy.bench.run import BenchRun
from groupnl_deploy.bench.stats import LatencyStats, latency_stats
from groupnl_deploy.bench.validity import checks, not_judged, problems, unusable_recording
from groupnl_deploy.images.confusion import ClassAccuracy, Confusion, count_confusion
from groupnl_deploy.report.identity import Identity, identify
from groupnl_deploy.report.profile import RunProfile, Steady
from groupnl_deploy.report.profiled import profile_of
from power.energy import JOULES_IN_WH
from power.errors import PowerError
from power.renewal import renewed_too_fast
from power.trace import PowerTrace

_MB = 1e6


@dataclass(frozen=True, kw_only=True)
class ReportRow(Identity):
    """One run as a line of a table: what it was of, and what was measured.

    Where `valid` is false, `problems` says why the numbers must not be believed. `not_judged` is what nobody could
    tell, `checks` every rule's verdict with its value and limit. The numbers themselves stay as they were measured.

    Latencies and what stands beside them are milliseconds, megabytes are 1e6 bytes, energies are joules.
    `preprocess_ms` and `postprocess_ms` are medians over the images, and `end_to_end_ms` is both around p50: from
    pixels to an answer. `memory_mb` is the highest resident memory, `model_mb` what loading the model added for good
    and `working_set_mb` what inference added at the most; pages that processes share count in part in the two of `pss`.
    `model_bytes` is the model's file. `start_c` is the temperature where the idle phase before begins, `hottest_c` the
    highest in the steady window, `clock_hz` the median clock of the fastest core there.

    Null is what was not measured, or not measurable: an emulated board (`emulated_board`) has no speed, no memory and
    no energy of an inference. `time_s` and `energy_wh` are for 100 images, as in the paper's Tables 11 and 12;
    `energy_j` and `net_energy_j` are per inference, gross and net of idle. `energy_with_start_wh` has import and
    loading in it, as the paper's energy has (`groupnl_deploy.bench.phase_energy`).
    `emulated` is true where the emulated meter made the joules up, null without a meter. `renews_too_fast` is true when
    the meter renewed its values faster than it was asked, so that there are no joules; null without a meter.
    `agreement` is how far the device's answers are from the network's own in double precision, null where nobody knows.
    `profile` is where the time of one inference goes, null where it was not asked for.
    `links_lost` is how often the host lost the device meanwhile, which then finished without it.
    Accuracies are fractions, each with its interval of 95 %. Where the images have labels, `per_class` has the
    accuracy of each class and `confusion` which of them was taken for which (`groupnl_deploy.images.confusion`).
    `picked` is true where these images, or those of the evaluation, picked the epoch of the weights, so that the
    accuracy is a little too good.

    What follows is of a kept evaluation of the same network (`groupnl_deploy.report.robustness`), null without one:
    `evaluated` is what answered there (checkpoint, artifact or device), `evaluated_images` which images;
    `corrupted_accuracy` is the mean over corruptions and severities, `corruption_error` what is left of it to 1, a mean
    whose name is `corruption_error_is`; `category_accuracy` is the mean of the four categories.
    `corrupted_points_per_j` is the corrupted accuracy in per cent, by the gross joules of one inference.
    """

    iterations: int
    time_s: float | None
    fps: float | None
    latency: LatencyStats | None
    first_inference_ms: float | None
    memory_mb: float | None
    memory_after_load_mb: float | None
    preprocess_ms: float | None
    postprocess_ms: float | None
    end_to_end_ms: float | None
    memory_start_mb: float | None
    memory_after_import_mb: float | None
    model_mb: float | None
    working_set_mb: float | None
    pss_after_load_mb: float | None
    pss_steady_mb: float | None
    model_bytes: int | None
    start_c: float | None
    hottest_c: float | None
    clock_hz: float | None
    power_w: float | None
    energy_wh: float | None
    energy_with_start_wh: float | None
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
    picked: bool = False
    renews_too_fast: bool | None = None
    emulated_board: bool = False
    links_lost: int = 0
    profile: RunProfile | None = None
    agreement: Agreement | None = None
    evaluated: str | None = None
    evaluated_images: str | None = None
    clean_accuracy: float | None = None
    clean_accuracy_in_five: float | None = None
    corrupted_accuracy: float | None = None
    corruption_error: float | None = None
    corruption_error_is: str | None = None
    category_accuracy: float | None = None
    corrupted_points_per_j: float | None = None

    def __str__(self) -> str:
        emulated = " EMULATED" if self.emulated else ""
        energy = "" if self.energy_j is None else f", {1e3 * self.energy_j:.2f} mJ{emulated}"
        accuracy = "" if self.accuracy is None else f", accuracy {100 * self.accuracy:.1f} %"
        speed = "EMULATED BOARD, which has no speed"
        if self.latency is not None:
            memory = "" if self.memory_mb is None else f", {self.memory_mb:.0f} MB"
            speed = f"{self.fps:.1f} FPS, p50 {self.latency.p50_ms:.2f} ms{memory}"
        invalid = "" if self.valid else ", INVALID"
        return f"{self.model} on {self.device} with {self.backend}: {speed}{energy}{accuracy}{invalid}"


# What an emulator's numbers say nothing of: an inference on a board.
_OF_A_BOARD = (
    *("time_s", "fps", "latency", "first_inference_ms", "preprocess_ms", "postprocess_ms", "end_to_end_ms"),
    *("memory_mb", "memory_after_load_mb", "memory_start_mb", "memory_after_import_mb", "model_mb", "working_set_mb"),
    *("pss_after_load_mb", "pss_steady_mb", "start_c", "hottest_c", "clock_hz"),
    *("energy_wh", "energy_with_start_wh", "energy_j", "net_energy_j", "profile"),
)


def build_row(run: BenchRun, trace: PowerTrace | None, name: str) -> ReportRow:
    """One run's row. Energy that cannot be had is null, with the reason among the problems."""
    energy, refusal = _energy(run, trace)
    span = run.result.span("steady")
    stats = latency_stats(run.result.latencies_ns, (span.end_ns - span.start_ns) / 1e9)
    found = (*refusal, *checks(run, energy))
    shown = confusion_of(run)
    row = ReportRow(
        **vars(identify(run, trace, name)),
        iterations=stats.iterations,
        time_s=PAPER_IMAGES / stats.fps,
        fps=stats.fps,
        latency=stats,
        first_inference_ms=run.result.first_inference_ns / 1e6,
        **_beside(run, stats),
        **_memory(run),
        **_board(run),
        model_bytes=next((file.bytes for file in run.manifest.files if file.role == "model"), None),
        **_joules(energy, stats.iterations),
        energy=energy,
        emulated=trace.facts.emulated if trace else None,
        **_accuracies(shown),
        picked=shown is not None and run.manifest.picked is True,
        valid=not problems(found),
        problems=problems(found),
        not_judged=not_judged(found),
        checks=found,
        agreement=run.agreement,
        renews_too_fast=renewed_too_fast(trace) if trace else None,
        links_lost=run.links_lost,
    )
    row = replace(row, profile=profile_of(run, Steady(stats.p50_ms, row.energy_j, row.emulated)))
    return _without_speed(row) if run.result.board_before.emulated else row


def _without_speed(row: ReportRow) -> ReportRow:
    """Without the numbers that tell of the emulator and not of a board: no copy of the report may pass them on."""
    none: dict[str, Any] = dict.fromkeys(_OF_A_BOARD)
    return replace(row, emulated_board=True, **none)


def _beside(run: BenchRun, stats: LatencyStats) -> dict[str, Any]:
    """What stands before and behind an inference."""
    before, behind = map(_median_ms, (run.result.preprocess_ns, run.result.postprocess_ns))
    whole = None if before is None or behind is None else before + stats.p50_ms + behind
    return {"preprocess_ms": before, "postprocess_ms": behind, "end_to_end_ms": whole}


def _median_ms(times_ns: tuple[int, ...]) -> float | None:
    return median(times_ns) / 1e6 if times_ns else None


def _memory(run: BenchRun) -> dict[str, Any]:
    need = memory_need(run.result)
    sizes = {
        "memory_mb": need.peak,
        "memory_after_load_mb": need.after_load,
        "memory_start_mb": need.start,
        "memory_after_import_mb": need.after_import,
        "model_mb": need.model,
        "working_set_mb": need.working_set,
        "pss_after_load_mb": need.pss_after_load,
        "pss_steady_mb": need.pss_steady,
    }
    return {name: None if size is None else size / _MB for name, size in sizes.items()}


def _board(run: BenchRun) -> dict[str, Any]:
    """Temperature and clock, from the board's states; what was read before the benchmark where there are none."""
    steady, first = run.result.states_in("steady"), temperature_at_start(run.result)
    hottest = max((state.temperature_c for state in steady if state.temperature_c is not None), default=None)
    clocks = [max(state.clocks_hz) for state in steady if state.clocks_hz]
    if first is None and run.result.settings.workload.cool_to_c is None:  # what was read before says it as well
        first = run.result.board_before.temperature_c
    return {"start_c": first, "hottest_c": hottest, "clock_hz": median(clocks) if clocks else None}


def _joules(energy: RunEnergy | None, iterations: int) -> dict[str, Any]:
    """Power, joules of an inference, watt-hours of 100; all None without a recording that tells them."""
    names = ("power_w", "energy_wh", "energy_with_start_wh", "energy_j", "net_energy_j", "idle_power_w")
    if energy is None:
        return dict.fromkeys(names)
    each = energy.steady.energy_j / iterations
    values = (
        energy.steady.mean_power_w,
        each * PAPER_IMAGES / JOULES_IN_WH,
        energy.paper.whole_wh if energy.paper else None,
        each,
        energy.net.net_energy_j / iterations,
        energy.net.idle_power_w,
    )
    return dict(zip(names, values, strict=True))


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
