"""The curves of a report as JSON for charts.js. Pure.

Numbers of a curve are little-endian 32-bit floats in base64: seven digits are more than a dot can show. `<` is escaped,
so that no text can end the element that holds them.
"""

import base64
import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from groupnl_deploy.report.build import Report, RunDetail
from groupnl_deploy.report.curves import BoardCurve, LatencyCurve, PowerCurve
from groupnl_deploy.report.html.markup import Markup
from groupnl_deploy.report.html.stamps import COLOURS
from groupnl_deploy.report.html.tags import Tag
from groupnl_deploy.report.marks import marks
from groupnl_deploy.report.phases import PhaseTime, phase_words
from groupnl_deploy.report.row import ReportRow
from groupnl_deploy.words import harmless
from power.trace import Samples

AXES = {"begin": "Seconds since the benchmark began", "steady": "Seconds since the steady window began"}
"""What the axis of time is called, by what it begins with."""

SHOWN = 6
"""Runs whose power is drawn when the page opens; each of the others can be chosen."""


def chart_data(report: Report, tags: Sequence[Tag]) -> Markup:
    """Of all runs, in the rows' order."""
    runs = zip(tags, report.rows, report.details, strict=True)
    return as_data({"axes": AXES, "runs": [_run(tag, row, detail) for tag, row, detail in runs]})


def as_data(document: object) -> Markup:
    """A document for charts.js, as it can stand in a page."""
    text = json.dumps(document, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))


def _run(tag: Tag, row: ReportRow, detail: RunDetail) -> dict[str, Any]:
    curves = detail.curves
    return {
        "name": harmless(f"{tag.text} {row.run}"),
        "colour": tag.number % COLOURS,
        "marks": {"time": marks(row, "time"), "energy": marks(row, "energy")},
        "steady": curves.steady_s,
        "phases": phases_of(curves.phases),
        "flags": [],
        "power": None if curves.power is None else power_of(curves.power),
        "latency": None if curves.latency is None else _latency(curves.latency, row.iterations),
        "board": None if curves.board is None else _board(curves.board),
    }


def phases_of(phases: Iterable[PhaseTime]) -> list[list[Any]]:
    """Each phase: its name, how people read it, from when to when."""
    return [[phase.name, phase_words(phase.name), phase.start_s, phase.end_s] for phase in phases]


def power_of(curve: PowerCurve) -> dict[str, Any]:
    """A recording's curves; those that nobody knows are null."""
    columns = {"t": curve.t_s, "w": curve.power_w, "j": curve.joules, "v": curve.voltage_v}
    packed = {name: None if values is None else _packed(values) for name, values in columns.items()}
    return packed | {"zero": curve.joules_at_steady, "steps": curve.steps, "holes": curve.holes}


def _latency(curve: LatencyCurve, count: int) -> dict[str, Any]:
    parts = {"n": curve.first, "low": curve.lowest_ms, "mid": curve.median_ms, "high": curve.highest_ms}
    return {name: _packed(values) for name, values in parts.items()} | {"per": curve.per_block, "count": count}


def _board(curve: BoardCurve) -> dict[str, Any]:
    return {"t": _packed(curve.t_s), "c": _packed(curve.temperature_c), "ghz": _packed(curve.clock_ghz)}


def _packed(values: Samples) -> str:
    return base64.b64encode(np.asarray(values, dtype="<f4").tobytes()).decode("ascii")
