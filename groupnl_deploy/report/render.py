"""A report as text: JSON, CSV, Markdown and HTML."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from device_agent.strict import to_dict, to_json
from groupnl_deploy.images.confusion import Confusion
from groupnl_deploy.report.baseline import RATIOS, baselines, ratios
from groupnl_deploy.report.build import Report
from groupnl_deploy.report.classes import READ_IT, class_sections, class_tables
from groupnl_deploy.report.extras import NONE, Extras, sections, shown
from groupnl_deploy.report.flat import csv_cell, flat_names, flat_values
from groupnl_deploy.report.formats import FileFormat
from groupnl_deploy.report.grouped_reasons import brief_notes
from groupnl_deploy.report.html.page import render_html
from groupnl_deploy.report.repeats import Group, groups_of
from groupnl_deploy.report.sections import Section
from groupnl_deploy.report.tables import left_out, table_of
from groupnl_deploy.words import known_word

_LARGEST_MATRIX = 100  # classes; a larger matrix is left out of JSON, and its pairs are all there


def render(report: Report, form: FileFormat, extras: Extras = NONE) -> str:
    """The report as text that ends with a newline, with what is asked for beside its table.

    Raises `UsageError` for another form, and for a name in `extras` that names nothing.
    """
    writers = {"json": _json, "csv": _csv, "markdown": _markdown, "html": _html}
    return writers[known_word("form", form, writers)](report, extras)


def _html(report: Report, extras: Extras) -> str:
    return render_html(report, shown(report, extras), extras.baseline, extras.words)


def document(report: Report, extras: Extras = NONE) -> dict[str, Any]:
    """All of it for programs; each extra table has a key of its own."""
    rows = [{**to_dict(row), "confusion": _counted(row.confusion)} for row in report.rows]
    data = {**to_dict(replace(report, rows=(), details=())), "rows": rows, "emulated": report.emulated}
    data.pop("details")
    data.pop("places")
    extra = {section.name: section.data for section in sections(report, extras) if section.data is not None}
    return {**data, "groups": [_group(group) for group in groups_of(report)], **extra}


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


def _json(report: Report, extras: Extras) -> str:
    return to_json(document(report, extras))


def _csv(report: Report, extras: Extras) -> str:
    """One line a run, every scalar field; empty where null. The columns are the same whatever the rows are.

    Repeats of one thing have one `group`, a number from 1. A baseline adds the ratios, a pivot takes the table's place.
    """
    if extras.pivot is not None:
        (pivot, *_) = sections(report, extras)
        return _lines([heading for heading, _ in pivot.headings], pivot.rows)
    groups = groups_of(report)
    beside: dict[int, dict[str, object]] = {
        place: {"group": number} for number, group in enumerate(groups, 1) for place in group.places
    }
    names = [*flat_names(report.rows), "group"]
    if extras.baseline is not None:
        names += ["baseline", *RATIOS]
        for group, base in zip(groups, baselines(groups, extras.baseline), strict=True):
            for place in group.places:
                beside[place] |= {"baseline": base and base.label, **ratios(group, base)}
    flat = [flat_values(row) | beside[place] for place, row in enumerate(report.rows)]
    return _lines(names, [[csv_cell(line.get(name)) for name in names] for line in flat])


def _lines(names: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    return buffer.getvalue()


def _markdown(report: Report, extras: Extras) -> str:
    table = table_of(report)
    lines = [
        _line([column.heading for column in table.columns]),
        _line(["---:" if column.numeric else ":---" for column in table.columns]),
        *(_line([column.cell(row) for column in table.columns]) for row in table.rows),
        "",
        *(f"{note}\n" for note in (*brief_notes(report), *left_out(report))),
        *(line for section in shown(report, extras) for line in _section(section)),
        *_classes(report),
    ]
    return "\n".join(lines).rstrip("\n") + "\n"


def _section(section: Section) -> Iterator[str]:
    yield f"### {section.title}\n"
    if section.headings:
        yield _line([heading for heading, _ in section.headings])
        yield _line(["---:" if numeric else ":---" for _, numeric in section.headings])
        yield from map(_line, section.rows)
        yield ""
    yield from (f"{note}\n" for note in section.notes)


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
