"""Recordings as a page: what each took, power, joules and voltage over time, what was marked. Pure."""

from collections.abc import Iterator, Sequence

from groupnl_deploy.report.curves import LEAST_POINTS, MOST_POINTS, PowerCurve, curve_of
from groupnl_deploy.report.html.data import SHOWN, as_data, phases_of, power_of
from groupnl_deploy.report.html.document import UPLOT, Chapter, commands, document
from groupnl_deploy.report.html.markup import Markup, element, joined
from groupnl_deploy.report.html.stamps import COLOURS, colour, stamp
from groupnl_deploy.report.html.table import grid
from groupnl_deploy.report.html.tags import Tag
from groupnl_deploy.report.html.time_charts import boxes, no_script, notes, since, time_figure
from groupnl_deploy.report.phases import PhaseTime
from groupnl_deploy.report.recordings import DrawnRecording, Overlaid, overlaid, readable
from groupnl_deploy.report.time_axis import TimeAxis
from groupnl_deploy.version import __version__
from groupnl_deploy.words import counted, harmless, sentence

_STEADY = "Seconds since the steady window began"
_WORDS = {
    "EMULATED": ("EMULATED meter", "emulated", "The joules come from an emulated meter and are no measurement."),
    "INVALID": ("INVALID", "bad", "A rule found something wrong with this measurement."),
}
_SIGNS = {"EMULATED": "*", "INVALID": "!"}


def recordings_page(recordings: Sequence[DrawnRecording], again: str) -> str:
    """A whole file of at least one recording, that ends with a newline; `again` is the command that makes it."""
    drawn = overlaid(recordings)
    tags = [Tag(_text(drawn, number), colour(number), number, number) for number in range(len(recordings))]
    curves = [_curve(one, axis, len(recordings)) for one, axis in zip(recordings, drawn.axes, strict=True)]
    chapters = [
        Chapter("verdict", "Summary", _summary(drawn)),
        Chapter("power", "Power and energy", _power(drawn, tags, curves)),
        Chapter("table", "Recordings", _table(drawn, tags)),
        Chapter("marks", "Marks", _marks(drawn)),
        Chapter("again", "How to make this page again", commands("This page, from the recordings:", again)),
    ]
    data = as_data(
        {
            "axes": {"begin": drawn.label, "steady": _STEADY},
            "runs": [_run(*parts, len(tags)) for parts in zip(tags, recordings, drawn.axes, curves, strict=True)],
        }
    )
    return document("groupnl power plot", _title(drawn), _when(drawn), chapters, _footer(), data).text


def _text(drawn: Overlaid, number: int) -> str:
    """What a recording is called before its name, or for short."""
    return drawn.alone.name if drawn.alone else str(number + 1)


def word_stamps(words: Sequence[str], why: str | None = None) -> Markup:
    """The marks of recordings as stamps; `why` is told of what is invalid."""
    made = []
    for word in words:
        text, kind, about = _WORDS[word]
        made.append(stamp(text, kind, why if word == "INVALID" and why else about))
    return joined(made)


def _curve(one: DrawnRecording, axis: TimeAxis, count: int) -> PowerCurve:
    steady = _steady(one)
    points = max(LEAST_POINTS, MOST_POINTS // count)
    steady_s = None if steady is None else steady.start_s
    return curve_of(one.index, axis.zero_s, points, steady_s, voltage=not one.index.trace.facts.watts_alone)


def _steady(one: DrawnRecording) -> PhaseTime | None:
    return next((phase for phase in one.phases if phase.name == "steady"), None)


def _run(tag: Tag, one: DrawnRecording, axis: TimeAxis, curve: PowerCurve, count: int) -> dict[str, object]:
    """A recording as charts.js reads a run."""
    steady = _steady(one)
    phases = [PhaseTime(each.name, each.start_s - axis.zero_s, each.end_s - axis.zero_s) for each in one.phases]
    return {
        "name": harmless(f"{tag.text} {one.name}" if count > 1 else one.name),
        "colour": tag.number % COLOURS,
        "marks": {"time": "", "energy": _signs(one)},
        "steady": 0.0 if steady is None else steady.start_s - axis.zero_s,
        "phases": phases_of(phases),
        "flags": [[mark.t_s - axis.zero_s, harmless(mark.label)] for mark in one.marks],
        "power": power_of(curve),
    }


def _signs(one: DrawnRecording) -> str:
    return "".join(_SIGNS[word] for word in one.words)


def _title(drawn: Overlaid) -> str:
    if drawn.alone:
        return (drawn.alone.title or drawn.alone.name).replace("\n", ", ")
    return counted(len(drawn.recordings), "recording")


def _when(drawn: Overlaid) -> str:
    return f"recorded {drawn.when}" if drawn.when else ""


def _summary(drawn: Overlaid) -> Markup:
    one = drawn.alone
    said = one.total_sentence if one else _apart(drawn)
    return joined(
        element("p", said[:1].upper() + said[1:], class_="first"),
        [element("p", line) for line in (*one.about.splitlines(), one.meter)] if one else None,
        element("p", word_stamps(drawn.words), class_="stamps") if drawn.words else None,
        [element("p", f"It is not known whether a real meter measured {name}.") for name in _unknown(drawn)],
        _why(drawn),
    )


def _apart(drawn: Overlaid) -> str:
    """How far the means of several are apart, where each has one."""
    if any(one.index.holes_s for one in drawn.recordings):
        return f"{len(drawn.recordings)} recordings over one another."
    means = sorted((one.whole.mean_power_w, number) for number, one in enumerate(drawn.recordings))
    said = []
    for mean_w, number in (means[0], means[-1]):
        one = drawn.recordings[number]
        said.append(f"{mean_w:.4g}{_signs(one)} W ({one.name})")
    return f"Mean power from {said[0]} to {said[1]}."


def _unknown(drawn: Overlaid) -> list[str]:
    return [one.name for one in drawn.recordings if one.emulated is None]


def _why(drawn: Overlaid) -> Markup:
    said = [
        element("li", f"{sentence(reason)}." if drawn.alone else f"{one.name}: {reason}.")
        for one in drawn.recordings
        for reason in one.reasons
    ]
    if not said:
        return Markup("")
    return element("div", element("strong", "Why it is invalid"), element("ul", said), class_="why bad")


def _power(drawn: Overlaid, tags: Sequence[Tag], curves: Sequence[PowerCurve]) -> Markup:
    several = drawn.alone is None
    whose = "all chosen recordings" if several else "the recording"
    marked = word_stamps(drawn.words)
    named = [(tag, one.name) for tag, one in zip(tags, drawn.recordings, strict=True)]
    figures = [("Power over time", "power", True)]
    figures.append(("Energy as it adds up", "joules", any(curve.joules is not None for curve in curves)))
    figures.append(("Voltage over time", "voltage", any(curve.voltage_v is not None for curve in curves)))
    begin = drawn.label.removeprefix("Seconds since ")
    in_windows = all(map(_steady, drawn.recordings)) and begin != drawn.label
    return joined(
        no_script(),
        boxes("Recordings", named, tags[:SHOWN]) if several else None,
        since(begin) if in_windows else None,
        [time_figure(title, kind, whose, marked) for title, kind, is_known in figures if is_known],
        notes(zip(tags, curves, strict=True), _hint(drawn)),
    )


def _hint(drawn: Overlaid) -> str:
    bands = ""
    if any(one.phases for one in drawn.recordings):
        bands = "The bands are the phases of the run. " if drawn.alone else "The bands are the first one's phases. "
    return f"{bands}Joules are summed from every sample, not from the drawing."


def _table(drawn: Overlaid, tags: Sequence[Tag]) -> Markup:
    headings: list[tuple[object, bool]] = [
        ("Recording", False),
        ("Began (UTC)", False),
        ("Seconds", True),
        ("Joules", True),
        ("Mean (W)", True),
        ("Highest (W)", True),
        ("Missing (s)", True),
        ("Rows", True),
        ("Every (s)", True),
        ("Meter", False),
    ]
    rows = [
        [joined(_named(tag, one, len(tags)), _of_one(one)), *_cells(one, axis)]
        for tag, one, axis in zip(tags, drawn.recordings, drawn.axes, strict=True)
    ]
    return grid(headings, rows, "What each recording took", class_="cards")


def _named(tag: Tag, one: DrawnRecording, count: int) -> Markup:
    return element("span", tag.swatch() if count > 1 else None, one.name)


def _of_one(one: DrawnRecording) -> Markup:
    made = element("span", word_stamps(one.words, "; ".join(one.reasons)), class_="stamps")
    return element("span", made) if one.words else Markup("")


def _cells(one: DrawnRecording, axis: TimeAxis) -> Iterator[object]:
    facts, times, signs = one.index.trace.facts, one.index.trace.t_s, _signs(one)
    yield axis.when.removesuffix(" UTC") or "not known"
    yield readable(one.seconds)
    if one.index.holes_s:
        yield from ("–", "–")
    else:
        yield from (f"{readable(one.whole.energy_j)}{signs}", f"{one.whole.mean_power_w:.4g}{signs}")
    yield f"{float(one.index.trace.power_w.max()):.4g}{signs}"
    yield f"{one.holes_s:.3g}" if one.index.holes_s else "none"
    yield f"{len(times):,}"
    yield f"{one.index.update_period_s:.3g}"
    yield f"{facts.meter} over {facts.transport}, sign {facts.sign:+d}"


def _marks(drawn: Overlaid) -> Markup:
    several = drawn.alone is None
    headings: list[tuple[object, bool]] = [("Mark", False), ("At (s)", True)]
    headings += [("Recording", False)] if several else []
    rows: list[list[object]] = [
        [mark.label, f"{mark.t_s - axis.zero_s:.3f}", *([one.name] if several else [])]
        for one, axis in zip(drawn.recordings, drawn.axes, strict=True)
        for mark in one.marks
    ]
    return grid(headings, rows, "What was marked", class_="words") if rows else Markup("")


def _footer() -> Markup:
    said = f"Made by groupnl {__version__}. This file holds everything it shows and asks no other machine for anything."
    return joined(element("p", said), element("p", UPLOT))
