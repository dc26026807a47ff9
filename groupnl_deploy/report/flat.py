"""A row as a line of CSV: every field that is one value, by its name. Pure."""

from collections.abc import Sequence
from dataclasses import fields

from device_agent.messages.bench import PHASES
from groupnl_deploy.report.identity import KNOB_NAMES
from groupnl_deploy.report.row import ReportRow
from groupnl_deploy.report.traits import plain

_NESTED = ("latency", "energy", "knobs", "checks", "per_class", "confusion", "profile", "agreement")
_LATENCIES = ("mean_ms", "p50_ms", "p90_ms", "p99_ms", "max_ms", "p95_ms", "std_ms", "drift_ms_per_min")
_AGREEMENT = ("images", "error", "allowed", "same_answers")
_PHASES = tuple(f"{phase}_j" for phase in PHASES)


def flat_names(rows: Sequence[ReportRow]) -> tuple[str, ...]:
    """The columns, the same whatever the rows are; knobs that only another version has stand behind all others."""
    own = (field.name for field in fields(ReportRow) if field.name not in _NESTED)
    foreign = sorted({knob for row in rows for knob in row.knobs} - set(KNOB_NAMES))
    agreement = (f"agreement_{name}" for name in _AGREEMENT)
    return (*own, *_LATENCIES, *_PHASES, *agreement, *KNOB_NAMES, *foreign)


def flat_values(row: ReportRow) -> dict[str, object]:
    """The values of these columns as they are; a knob that the row has not is absent."""
    data: dict[str, object] = {field.name: getattr(row, field.name) for field in fields(row)}
    for name in _NESTED:
        data.pop(name)
    data |= {name: getattr(row.latency, name, None) for name in _LATENCIES}
    data |= {f"agreement_{name}": getattr(row.agreement, name, None) for name in _AGREEMENT}
    return data | phase_joules(row) | row.knobs


def phase_joules(row: ReportRow) -> dict[str, float | None]:
    """Of each of `PHASES`, whole; none where an emulator computed."""
    phases = () if row.energy is None or row.emulated_board else row.energy.phases
    known = {f"{phase.phase}_j": phase.energy.energy_j for phase in phases if phase.energy is not None}
    return {name: known.get(name) for name in _PHASES}


def csv_cell(value: object) -> object:
    """Words for what is true or false, "3x32x32" for a shape, sentences one after another."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return "; ".join(value) if value and isinstance(value[0], str) else plain(value) if value else ""
    return value
