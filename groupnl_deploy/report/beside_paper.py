"""The paper's Tables 10, 11, 12 and 16 beside our rows, and the ratio GroupNL/standard of both. Pure.

Absolute numbers are of the paper's board; a ratio of two networks on one board compares across boards.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from groupnl_deploy.report.alike import conditions
from groupnl_deploy.report.marks import doubts_of, marks, stamps_of
from groupnl_deploy.report.printed import PrintedRow, PrintedTable, printed_tables
from groupnl_deploy.report.repeats import Group
from groupnl_deploy.report.sections import Section

CHAPTER = "Beside the paper"
_MIB = 2.0**20
_HEADINGS = {
    "checkpoint_mib": "PyTorch (MiB)",
    "onnx_mib": "ONNX (MiB)",
    "time_s": "Time (s)",
    "latency_ms": "Avg. time (ms)",
    "fps": "Avg. FPS",
    "memory_mb": "Mem. (MB)",
    "power_w": "Power (W)",
    "energy_wh": "Energy (Wh)",
    "accuracy_percent": "Acc. (%)",
}
_NOTES = {
    10: "The paper's PyTorch files are training checkpoints with the optimizer's state, three to four times the "
    "weights; ours have the weights alone.",
    16: "The paper's depthwise convolution has a bias, and its other modules have none.",
}
_ENERGY_NOTE = (
    "Energy is counted as the paper counts it: 100 inferences, and import and loading before them. Its energies are "
    "more than its mean power times its time."
)
_RATIO_NOTE = (
    "GroupNL/standard: each number of the row over that of the standard network, where this was measured alike. It "
    "compares across boards."
)


@dataclass(frozen=True)
class Ours:
    """A row of ours beside a printed one: what it is called, its values by the paper's columns, marked as text."""

    group: Group
    values: dict[str, float]
    cells: dict[str, str]


def paper_sections(groups: Sequence[Group]) -> tuple[Section, ...]:
    """A section for each of the paper's tables, and one for ratios of networks that the paper has not.

    Those that no row of ours is of stand last.
    """
    found = [_section(table, groups) for table in printed_tables()]
    others = other_ratios(groups)
    none = [_none_of_it()] if not others and all(section.empty for section in found) else []
    return (*none, *([others] if others else []), *sorted(found, key=lambda section: section.empty))


def _none_of_it() -> Section:
    """What is said where the paper has none of these runs."""
    rows = ((table.input, row.network) for table in printed_tables() for row in table.rows)
    named = dict.fromkeys(f"{network} ({'x'.join(map(str, shape))})" for shape, network in rows)
    said = (
        "None of these runs is of a row of the paper's tables, which are of these networks and inputs, at width 1: "
        f"{', '.join(named)}. The files examples/table12.toml and examples/table16.toml measure such rows."
    )
    return Section("paper", CHAPTER, (), (), (said,), None)


def other_ratios(groups: Sequence[Group]) -> Section | None:
    """GroupNL/standard of the GroupNL rows here that are in none of the paper's tables; None where there are none."""
    here = [_ours(_OTHERS, group) for group in groups if not _is_in_a_table(group)]
    standards = [_ours(_OTHERS, group) for group in groups if group.row.convolution == "standard"]
    pairs = [
        (one, base)
        for network in dict.fromkeys(one.group.row.network for one in here)
        for one, base in _pairs(
            [one for one in here if _is_groupnl(one.group, network)],
            [base for base in standards if base.group.row.network == network],
        )
    ]
    if not pairs:
        return None
    return Section(
        name="other_ratios",
        title="GroupNL/standard of what the paper has not measured",
        headings=(("Network", False), ("Of", False), *((_HEADINGS[column], True) for column in _OTHERS.columns)),
        rows=tuple((one.group.row.network, *_ratio_line(_OTHERS, one, base)) for one, base in pairs),
        notes=(_RATIO_NOTE, _ENERGY_NOTE),
        data=[_pair_data(one, base) for one, base in pairs],
        chapter=CHAPTER,
    )


def _is_in_a_table(group: Group) -> bool:
    return any(_is_of(group, row, table) for table in printed_tables() for row in table.rows)


def _is_groupnl(group: Group, network: str) -> bool:
    return group.row.network == network and (group.row.convolution or "").startswith("groupnl")


_OTHERS = PrintedTable(0, "", "", None, ("time_s", "fps", "memory_mb", "power_w", "energy_wh", "accuracy_percent"), ())


def _section(table: PrintedTable, groups: Sequence[Group]) -> Section:
    ours = {row.name: [_ours(table, group) for group in groups if _is_of(group, row, table)] for row in table.rows}
    none = not any(ours.values())
    said = ["None of these runs is of a row of this table."] if none else [_RATIO_NOTE]
    if "energy_wh" in table.columns and not none:
        said.append(_ENERGY_NOTE)
    if table.number in _NOTES:
        said.append(_NOTES[table.number])
    return Section(
        name=f"table{table.number}",
        title=f"The paper's Table {table.number}: {table.title} (arXiv 2506.12335, section {table.section})",
        headings=(("Row", False), ("Of", False), *((_HEADINGS[column], True) for column in table.columns)),
        rows=tuple(_lines(table, ours)),
        notes=tuple(said),
        data=_data(table, ours),
        empty=none,
        chapter=CHAPTER,
    )


def _is_of(group: Group, printed: PrintedRow, table: PrintedTable) -> bool:
    row = group.row
    ratio = row.knobs.get("ratio")
    return (
        row.network == printed.network
        and row.convolution == printed.convolution
        and (printed.ratio or 2) == (ratio or 2)
        and (row.width or 1.0) == 1.0
        and tuple(row.input_shape) == table.input
        and table.classes in (None, row.classes)
        and (table.backend is None or row.backend == table.backend)
    )


def _ours(table: PrintedTable, group: Group) -> Ours:
    row = group.row
    size = None if row.model_bytes is None else row.model_bytes / _MIB
    known: dict[str, tuple[float | None, str]] = {
        "checkpoint_mib": (size if row.format == "torch" else None, ""),
        "onnx_mib": (size if row.format == "onnx" else None, ""),
        "latency_ms": (None if row.latency is None else row.latency.mean_ms, marks(row, "time")),
        "energy_wh": (row.energy_with_start_wh, marks(row, "energy")),
        "accuracy_percent": (None if row.accuracy is None else 100 * row.accuracy, ""),
    }
    known |= {
        name: (getattr(row, name), marks(row, doubts_of(name))) for name in ("time_s", "fps", "memory_mb", "power_w")
    }
    values = {column: value for column in table.columns if (value := known[column][0]) is not None}
    return Ours(group, values, {column: f"{value:.4g}{known[column][1]}" for column, value in values.items()})


def _lines(table: PrintedTable, ours: dict[str, list[Ours]]) -> Iterator[tuple[str, ...]]:
    for printed in table.rows:
        yield (printed.name, "paper", *(printed.printed[column] for column in table.columns))
        for one in ours[printed.name]:
            yield ("", one.group.label, *(one.cells.get(column, "–") for column in table.columns))
        yield from _ratio_lines(table, printed, ours)


def _ratio_lines(table: PrintedTable, printed: PrintedRow, ours: dict[str, list[Ours]]) -> Iterator[tuple[str, ...]]:
    """Over the standard network's row, of the paper and of each row of ours that has such a row."""
    standard = table.standard_of(printed)
    if standard is None:
        return
    yield ("  /standard", "paper", *(_times(printed.values, standard.values, column) for column in table.columns))
    for one, base in _pairs(ours[printed.name], ours[standard.name]):
        yield ("", *_ratio_line(table, one, base))


def _ratio_line(table: PrintedTable, one: Ours, base: Ours) -> tuple[str, ...]:
    """Of two rows of ours, with the marks of both."""
    spoilt = {
        column: "".join(dict.fromkeys(_marks_of(one, column) + _marks_of(base, column))) for column in table.columns
    }
    cells = (_times(one.values, base.values, column, spoilt[column]) for column in table.columns)
    return (f"{one.group.label} / {base.group.label}", *cells)


def _pairs(ours: Sequence[Ours], standards: Sequence[Ours]) -> Iterator[tuple[Ours, Ours]]:
    """Each with the one standard network that was measured as it was; without it where none was, or several."""
    for one in ours:
        alike = [base for base in standards if conditions(base.group.row) == conditions(one.group.row)]
        if len(alike) == 1:
            yield one, alike[0]


def _marks_of(one: Ours, column: str) -> str:
    """The marks of a cell."""
    return "".join(letter for letter in one.cells.get(column, "") if letter in "*!")


def _times(values: dict[str, float], base: dict[str, float], column: str, marked: str = "") -> str:
    if column not in values or not base.get(column):
        return "–"
    return f"×{values[column] / base[column]:.3g}{marked}"


def _data(table: PrintedTable, ours: dict[str, list[Ours]]) -> dict[str, object]:
    """For programs: printed and ours by row, and the ratios of both."""
    ratios = []
    for row in table.rows:
        standard = table.standard_of(row)
        if standard is not None:
            of_ours = [_pair_data(one, base) for one, base in _pairs(ours[row.name], ours[standard.name])]
            ratios.append({"row": row.name, "printed": _ratios(row.values, standard.values), "ours": of_ours})
    return {
        "number": table.number,
        "section": table.section,
        "rows": [
            {
                "row": row.name,
                "printed": row.values,
                "ours": [
                    {"row": one.group.label, "values": one.values, **stamps_of(one.group.row)} for one in ours[row.name]
                ],
            }
            for row in table.rows
        ],
        "ratios": ratios,
        "ours": any(ours.values()),
    }


def _pair_data(one: Ours, base: Ours) -> dict[str, object]:
    names = {"row": one.group.label, "standard": base.group.label}
    return {**names, "ratios": _ratios(one.values, base.values), **stamps_of(one.group.row, base.group.row)}


def _ratios(values: dict[str, float], base: dict[str, float]) -> dict[str, float]:
    return {column: value / base[column] for column, value in values.items() if base.get(column)}
