"""The page of a meter that is watched: a report's own kind of page, which asks the server that it came from. Pure."""

from typing import Any

from groupnl_deploy.report.html.data import as_data
from groupnl_deploy.report.html.document import UPLOT, Chapter, Document, document, own_file
from groupnl_deploy.report.html.markup import Markup, element, joined
from groupnl_deploy.report.html.recordings_page import word_stamps
from groupnl_deploy.report.html.time_charts import no_script, time_figure
from groupnl_deploy.report.time_axis import SINCE_BEGIN
from groupnl_deploy.version import __version__
from groupnl_deploy.watch.points import MOST, Point
from groupnl_deploy.watch.watched import Moment
from power.trace import MeterFacts

EVERY_MS = 500
"""How often a page asks: as often as a KM003C measures."""

_NAMES = {"voltage": "Voltage", "current": "Current", "power": "Power", "energy": "Energy"}
_WINDOWS = {"60": "the last minute", "600": "the last 10 minutes", "": "all that is kept"}
_DIGITS = 6


def live_page(moment: Moment) -> Document:
    """The page as it is before its first answer."""
    chapters = [
        Chapter("readings", "Readings", _readings(moment)),
        Chapter("power", "Power and energy", _charts(moment)),
    ]
    data = as_data({"axes": {"begin": SINCE_BEGIN}, "live": {"every": EVERY_MS, "most": MOST}, "runs": [_run(moment)]})
    facts = moment.facts
    subtitle = f"at {facts.port} over {facts.transport}, {facts.field}, sign {facts.sign:+d}"
    return document(
        "groupnl power watch", facts.meter, subtitle, chapters, _footer(), data, own_file("live.js"), asks_home=True
    )


def answer(moment: Moment, asked: int, first: int, points: list[Point]) -> dict[str, Any]:
    """What has come since a page asked last: the columns of its curves, and what else it shows.

    `first` is the number of the first point, `asked` that which the page asked for: where they differ, the page begins
    anew. A hole is a point without values in its middle.
    """
    columns: dict[str, list[float | None]] = {"t": [], "w": [], "v": [], "j": []}
    holes: list[tuple[float, float]] = []
    for point in points:
        if point.hole_s:
            holes.append((round(point.t_s - point.hole_s, _DIGITS), round(point.t_s, _DIGITS)))
            _append(columns, point.t_s - point.hole_s / 2, None, None, None)
        _append(columns, point.t_s, point.power_w, point.voltage_v, point.energy_j)
    return {
        "next": first + len(points),
        "anew": first != asked,
        **columns,
        "holes": holes,
        "until": round(moment.elapsed_s, _DIGITS),
        "gone": moment.is_gone,
        "figures": moment.figures,
        "status": f"{moment.status}.",
        "words": moment.words,
        "flags": [(round(mark.t_s, _DIGITS), mark.label) for mark in moment.marks],
    }


def _append(columns: dict[str, list[float | None]], *values: float | None) -> None:
    for column, value in zip(columns.values(), values, strict=True):
        column.append(None if value is None else round(value, _DIGITS))


def _run(moment: Moment) -> dict[str, Any]:
    """As charts.js reads a run, with nothing measured yet."""
    steps = "before" if moment.facts.averaging != "instant" else "line"
    power: dict[str, Any] = {"t": "", "w": "", "v": "", "j": "", "zero": None, "steps": steps, "holes": []}
    signs = "*" if moment.facts.emulated else ""
    return {
        "name": "power",
        "colour": 0,
        "marks": {"time": "", "energy": signs},
        "steady": 0,
        "phases": [],
        "flags": [],
        "power": power,
    }


def _readings(moment: Moment) -> Markup:
    shown = [
        element("div", element("dt", _NAMES[name]), element("dd", text, data_live=name))
        for name, text in moment.figures.items()
    ]
    return joined(
        element("p", _stamps(moment), class_="stamps"),
        element("dl", shown, class_="now", data_live="figures"),
        element("p", f"{moment.status}.", class_="status", data_live="status"),
        element("p", class_="unseen", data_live="said", role="status"),
    )


def _stamps(moment: Moment) -> Markup:
    """That of an emulated meter from the beginning, and one that appears where the meter is found to be too fast."""
    invalid = element("span", word_stamps(["INVALID"], _TOO_FAST), data_live="invalid", hidden=True)
    return joined(word_stamps(["EMULATED"]) if moment.facts.emulated else None, _not_known(moment.facts), invalid)


_TOO_FAST = "The meter renewed its values faster than it was asked. How wrong the joules are is not known."


def _not_known(facts: MeterFacts) -> Markup:
    return (
        Markup("") if facts.emulated is not None else element("span", "It is not known whether a real meter measures.")
    )


def _charts(moment: Moment) -> Markup:
    options = [
        element("label", element("input", type="radio", name="window", value=value, checked=value == "60"), words)
        for value, words in _WINDOWS.items()
    ]
    marked = _stamps(moment)
    return joined(
        no_script(),
        element("fieldset", element("legend", "Shown"), options, class_="choose"),
        time_figure("Power over time", "power", "the newest at the right", marked),
        time_figure("Energy as it adds up", "joules", "the newest at the right", marked),
        None
        if moment.facts.watts_alone
        else time_figure("Voltage over time", "voltage", "the newest at the right", marked),
        element("p", _HINT, class_="small hint"),
    )


_HINT = (
    "Drag over a chart to zoom in: it stands still then; double-click, All or 0 lets it go on. With the keyboard: "
    "arrow keys move the cursor, Shift and an arrow key move the view, + and - zoom. What comes faster than 20 times a "
    "second is drawn as the first, lowest, highest and last of each twentieth; joules are of every measurement."
)


def _footer() -> Markup:
    said = f"Made by groupnl {__version__}. This page asks the program that shows it on this machine, and nobody else."
    return joined(element("p", said), element("p", UPLOT))
