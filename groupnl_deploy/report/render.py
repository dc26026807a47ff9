"""A report as text: JSON, CSV, Markdown and HTML."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from typing import Any

from device_agent.messages.bench import PHASES
from device_agent.strict import to_dict, to_json
from groupnl_deploy.images.confusion import Confusion
from groupnl_deploy.report.build import Report
from groupnl_deploy.report.classes import READ_IT, class_sections, class_tables
from groupnl_deploy.report.formats import FileFormat
from groupnl_deploy.report.html.page import render_html
from groupnl_deploy.report.identity import KNOB_NAMES
from groupnl_deploy.report.repeats import Group, groups_of
from groupnl_deploy.report.row import ReportRow
from groupnl_deploy.report.tables import left_out, notes, table_of
from groupnl_deploy.report.traits import plain
from groupnl_deploy.words import known_word

_NESTED = ("latency", "energy", "knobs", "checks", "per_class", "confusion", "profile")
_LARGEST_MATRIX = 100  # classes; a larger matrix is left out of JSON, and its pairs are all there
_LATENCIES = ("mean_ms", "p50_ms", "p90_ms", "p99_ms", "max_ms", "p95_ms", "std_ms", "drift_ms_per_min")
_PHASES = tuple(f"{phase}_j" for phase in PHASES)


def render(report: Report, form: FileFormat) -> str:
    """The report as text that ends with a newline. Raises `UsageError` for another form."""
    writers = {"json": _json, "csv": _csv, "markdown": _markdown, "html": render_html}
    return writers[known_word("form", form, writers)](report)


def document(report: Report) -> dict[str, Any]:
    """All of it for programs."""
    rows = [{**to_dict(row), "confusion": _counted(row.confusion)} for row in report.rows]
    data = {**to_dict(replace(report, rows=(), details=())), "rows": rows, "emulated": report.emulated}
    data.pop("details")
    return {**data, "groups": [_group(group) for group in groups_of(report)]}


def _group(group: Group) -> dict[str, Any]:
    """Repeats: their runs, the spread of every number, what is said of them together."""
    names = ("label", "runs", "used", "valid", "spreads", "checks")
    return {name: to_dict(getattr(group, name)) for name in names}


def _counted(confusion: Confusion | None) -> dict[str, Any] | None:
    """Names, the matrix unless it is huge, and every pair of classes of which one was taken for the other."""
    if confusion is None:
        return None
    small = len(confusion.class_names) <= _LARGEST_MATRIX
    return {
        "class_names": list(confusion.class_names),
        "matrix": to_dict(confusion.matrix) if small else None,
        "confused": to_dict(confusion.confused),
    }


def _json(report: Report) -> str:
    return to_json(document(report))


def _csv(report: Report) -> str:
    """One line a run, every scalar field; empty where null. The columns are the same whatever the rows are.

    Repeats of one thing have one `group`, a number from 1.
    """
    buffer = io.StringIO()
    group_of = {place: number for number, group in enumerate(groups_of(report), 1) for place in group.places}
    flat = [{**_flat(row), "group": group_of[place]} for place, row in enumerate(report.rows)]
    names = [field.name for field in fields(ReportRow) if field.name not in _NESTED]
    # Knobs that another version's specifications have stand behind all others.
    foreign = sorted({knob for row in report.rows for knob in row.knobs} - set(KNOB_NAMES))
    writer = csv.DictWriter(
        buffer, [*names, *_LATENCIES, *_PHASES, "group", *KNOB_NAMES, *foreign], lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(flat)
    return buffer.getvalue()


def _flat(row: ReportRow) -> dict[str, object]:
    data: dict[str, object] = {field.name: getattr(row, field.name) for field in fields(row)}
    for name in _NESTED:
        data.pop(name)
    data |= {name: getattr(row.latency, name, None) for name in _LATENCIES} | _phase_joules(row) | row.knobs
    return {name: _scalar(value) for name, value in data.items()}


def _phase_joules(row: ReportRow) -> dict[str, object]:
    """Of each of `PHASES`, whole; none where an emulator computed."""
    phases = () if row.energy is None or row.emulated_board else row.energy.phases
    known = {f"{phase.phase}_j": phase.energy.energy_j for phase in phases if phase.energy is not None}
    return {name: known.get(name) for name in _PHASES}


def _scalar(value: object) -> object:
    """A cell of a CSV: words for what is true or false, "3x32x32" for a shape, sentences one after another."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return "; ".join(value) if value and isinstance(value[0], str) else plain(value) if value else ""
    return value


def _markdown(report: Report) -> str:
    table = table_of(report)
    lines = [
        _line([column.heading for column in table.columns]),
        _line(["---:" if column.numeric else ":---" for column in table.columns]),
        *(_line([column.cell(row) for column in table.columns]) for row in table.rows),
        "",
        *(f"{note}\n" for note in (*notes(report), *left_out(report))),
        *_classes(report),
    ]
    return "\n".join(lines).rstrip("\n") + "\n"


def _classes(report: Report) -> Iterator[str]:
    """A table of classes for each model that has labels."""
    sections = class_sections(report)
    if sections:
        yield f"{READ_IT}\n"
    for section in sections:
        yield f"{section.title}\n"
        for table in class_tables(section.confusion):
            yield _line([heading for heading, _ in table.headings])
            yield _line(["---:" if numeric else ":---" for _, numeric in table.headings])
            yield from map(_line, table.rows)
            yield ""


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
