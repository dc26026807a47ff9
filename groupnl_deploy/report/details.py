"""The numbers that the table has no room for, as a table: one line for each, one column for each row. Pure."""

from collections.abc import Sequence

from groupnl_deploy.report.marks import doubts_of, marks
from groupnl_deploy.report.repeats import Group, group_values
from groupnl_deploy.report.sections import Section

_NAMES = (
    *("p50_ms", "p90_ms", "p95_ms", "p99_ms", "max_ms", "mean_ms", "std_ms", "drift_ms_per_min"),
    *("first_inference_ms", "preprocess_ms", "postprocess_ms", "end_to_end_ms"),
    *("memory_start_mb", "memory_after_import_mb", "memory_after_load_mb", "memory_mb", "model_mb", "working_set_mb"),
    *("pss_after_load_mb", "pss_steady_mb", "power_w", "idle_power_w", "energy_j", "net_energy_j"),
    *("energy_wh", "energy_with_start_wh", "idle_before_j", "import_j", "load_j", "check_j", "warmup_j", "steady_j"),
    *("runout_j", "idle_after_j", "start_c", "hottest_c", "clock_hz"),
    *("clean_accuracy", "clean_accuracy_in_five", "corrupted_accuracy", "corruption_error", "category_accuracy"),
    "corrupted_points_per_j",
    *("agreement_images", "agreement_error", "agreement_allowed", "agreement_same_answers"),
)
_NOTE = "The names are those of CSV and JSON, and end in their units; docs/reports.md says what each of them is."


def details_section(groups: Sequence[Group]) -> Section:
    """All numbers that any row has; it has no place in JSON, which has them all."""
    flat = [group_values(group) for group in groups]
    known = [name for name in _NAMES if any(values.get(name) is not None for values in flat)]
    rows = tuple(
        (name, *(_cell(values.get(name), group, name) for values, group in zip(flat, groups, strict=True)))
        for name in known
    )
    headings = (("Number", False), *((group.label, True) for group in groups))
    return Section("details", "Details", headings, rows, (_NOTE,), None)


def _cell(value: object, group: Group, name: str) -> str:
    if not isinstance(value, int | float):
        return "–"
    return f"{value:.5g}{marks(group.row, doubts_of(name))}"
