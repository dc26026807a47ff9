"""The tables of one run: its numbers, its phases, every rule's verdict, where it is from. Pure."""

from collections.abc import Sequence
from dataclasses import fields
from operator import attrgetter

from groupnl_deploy.bench.check import Doubts
from groupnl_deploy.bench.phase_energy import PhaseEnergy
from groupnl_deploy.report.html.markup import Markup, element
from groupnl_deploy.report.html.table import grid
from groupnl_deploy.report.identity import Identity
from groupnl_deploy.report.marks import marks
from groupnl_deploy.report.phases import PhaseTime, phase_words
from groupnl_deploy.report.row import ReportRow
from groupnl_deploy.report.traits import plain

Headings = list[tuple[object, bool]]

# What it is called, where the row has it, what one of the row's own units is in the unit shown, what must be believed.
_NUMBERS: tuple[tuple[str, str, float, Doubts | None], ...] = (
    ("Inferences in the steady window", "iterations", 1, None),
    ("Steady window (s)", "latency.duration_s", 1, "time"),
    ("Frames per second", "fps", 1, "time"),
    ("Latency, p50 (ms)", "latency.p50_ms", 1, "time"),
    ("Latency, p90 (ms)", "latency.p90_ms", 1, "time"),
    ("Latency, p95 (ms)", "latency.p95_ms", 1, "time"),
    ("Latency, p99 (ms)", "latency.p99_ms", 1, "time"),
    ("Latency, highest (ms)", "latency.max_ms", 1, "time"),
    ("Latency, mean (ms)", "latency.mean_ms", 1, "time"),
    ("Latency, standard deviation (ms)", "latency.std_ms", 1, "time"),
    ("Latency, drift (ms a minute)", "latency.drift_ms_per_min", 1, "time"),
    ("First inference (ms)", "first_inference_ms", 1, "time"),
    ("Before an inference: pixels to input (ms)", "preprocess_ms", 1, "time"),
    ("Behind an inference: output to answer (ms)", "postprocess_ms", 1, "time"),
    ("Pixels to answer, with p50 (ms)", "end_to_end_ms", 1, "time"),
    ("Power in the steady window (W)", "power_w", 1, "energy"),
    ("Idle power (W)", "idle_power_w", 1, "energy"),
    ("Energy of an inference, gross (mJ)", "energy_j", 1e3, "energy"),
    ("Energy of an inference, net of idle (mJ)", "net_energy_j", 1e3, "energy"),
    ("Energy of 100 inferences (Wh)", "energy_wh", 1, "energy"),
    ("The same with import and loading, as in the paper (Wh)", "energy_with_start_wh", 1, "energy"),
    ("Memory before the import (MB)", "memory_start_mb", 1, None),
    ("Memory after the import (MB)", "memory_after_import_mb", 1, None),
    ("Memory after loading (MB)", "memory_after_load_mb", 1, None),
    ("Memory, highest (MB)", "memory_mb", 1, None),
    ("What loading the model added (MB)", "model_mb", 1, None),
    ("What inference added (MB)", "working_set_mb", 1, None),
    ("PSS after loading (MB)", "pss_after_load_mb", 1, None),
    ("PSS behind the steady window (MB)", "pss_steady_mb", 1, None),
    ("Model file (MB)", "model_bytes", 1e-6, None),
    ("Temperature at the beginning (°C)", "start_c", 1, None),
    ("Temperature, highest in the steady window (°C)", "hottest_c", 1, None),
    ("Clock in the steady window (GHz)", "clock_hz", 1e-9, None),
    ("Answers held against double precision, images", "agreement.images", 1, None),
    ("Largest error of an answer", "agreement.error", 1, None),
    ("Error that is allowed", "agreement.allowed", 1, None),
    ("Images with the same answer", "agreement.same_answers", 1, None),
    ("Accuracy (%)", "accuracy", 1e2, None),
    ("Accuracy, lower end of 95 % (%)", "accuracy_low", 1e2, None),
    ("Accuracy, upper end of 95 % (%)", "accuracy_high", 1e2, None),
)


def numbers(row: ReportRow) -> Markup:
    """Every number that the run has, with its marks."""
    rows: list[list[object]] = []
    for words, path, scale, doubts in _NUMBERS:
        whole = path.partition(".")[0]  # latencies are null as a whole where an emulator computed
        value = None if getattr(row, whole) is None else attrgetter(path)(row)
        if value is not None:
            rows.append([words, f"{scale * value:,.6g}{marks(row, doubts) if doubts else ''}"])
    return grid([("What", False), ("Value", True)], rows, f"Numbers of {row.run}")


def phases(row: ReportRow, times: Sequence[PhaseTime]) -> Markup:
    """When each phase was and, with a meter, what it took."""
    energies = () if row.energy is None or row.emulated_board else row.energy.phases
    known: dict[str, PhaseEnergy] = {one.phase: one for one in energies}
    headings: Headings = [("Phase", False), ("Begins (s)", True), ("Lasts (s)", True)]
    energy: Headings = [("Mean power (W)", True), ("Energy (J)", True), ("Edge error up to (J)", True)]
    rows: list[list[object]] = [
        [
            phase_words(phase.name),
            f"{phase.start_s:.3f}",
            f"{phase.end_s - phase.start_s:.3f}",
            *(_energy_cells(known.get(phase.name), marks(row, "energy")) if known else ()),
        ]
        for phase in times
    ]
    return grid([*headings, *(energy if known else [])], rows, f"Phases of {row.run}")


def _energy_cells(phase: PhaseEnergy | None, marks: str) -> tuple[object, ...]:
    if phase is None or phase.energy is None:
        reason = phase.reason if phase else None
        return ("–", element("span", "not known", title=reason), "–")
    window = phase.energy
    error = "not known" if window.edge_error_j is None else f"{window.edge_error_j:.3g}"
    return (f"{window.mean_power_w:.3f}{marks}", f"{window.energy_j:.4g}{marks}", error)


def verdicts(row: ReportRow) -> Markup:
    """Of every rule."""
    headings: Headings = [("Rule", False), ("Verdict", False), ("Value", True), ("Limit", True), ("Why", False)]
    rows: list[list[object]] = [
        [check.rule, _stamp(check.verdict), _or_dash(check.value), _or_dash(check.limit), check.says or "–"]
        for check in row.checks
    ]
    return grid(headings, rows, f"Validity of {row.run}")


def _stamp(verdict: str) -> Markup:
    kind = {"sound": "good", "invalid": "bad"}.get(verdict, "plain")
    return element("span", verdict, class_=f"stamp {kind}")


def _or_dash(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def provenance(row: ReportRow) -> Markup:
    """All that the run was of."""
    values = ((field.name, getattr(row, field.name)) for field in fields(Identity))
    said = [(name.replace("_", " "), _plain(value)) for name, value in values]
    rows: list[list[object]] = [[name, value] for name, value in said if value not in ("–", "")]
    return grid([("What", False), ("Value", False)], rows, f"Where {row.run} is from", class_="words")


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {plain(one) if not isinstance(one, dict) else one}" for key, one in value.items())
    return plain(value)
