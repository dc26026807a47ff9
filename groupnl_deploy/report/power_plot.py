"""Recordings as a picture: power, joules as they add up, and voltage over time; phases, marks, and holes left empty."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from groupnl_deploy.report.curves import joules_at_rows, steps_of
from groupnl_deploy.report.downsample import KEPT, broken_at_holes, rows_to_draw
from groupnl_deploy.report.phases import PhaseTime, phase_words
from groupnl_deploy.report.pictures import picture_bytes
from groupnl_deploy.report.recordings import DrawnRecording, Overlaid, overlaid
from groupnl_deploy.words import harmless
from power.trace import Samples

# More than twice the dots that a panel has across: what is left out would fall on a dot that is drawn.
COLUMNS = 2600
LONGEST_LINE = 150  # characters of a reason, as wide as the picture
LONGEST_MARK = 28  # characters of a mark's label
LEAST_SHARE = 0.07  # of the picture's width; a narrower phase has no room for its name
# An upright axis spans at least this share of the mean, and this much: the noise of a steady load is no event.
LEAST_SPAN_OF_MEAN, LEAST_SPAN = 0.05, 1e-3  # the latter in W, J or V
INCHES = (12.0, 8.6)
# Of the upper panel: the width of a mark's letter; the height of a phase's name, and of a row of marks' labels.
LETTER_SHARE, NAME_SHARE, ROW_SHARE = 0.0062, 0.07, 0.06
MOST_MARK_ROWS = 6

HOLE_COLOUR, BAD_COLOUR, INK = "#999999", "#CC0000", "#222222"
PANEL_COLOURS = {"power": "#0072B2", "joules": "#00795A", "voltage": "#D55E00"}  # of a recording alone
# Those of a report's page, of recordings over one another; more are dashed.
COLOURS = ("#0072B2", "#C2500A", "#00795A", "#A8447F", "#7D6300", "#5B4BC4", "#85502B", "#56606B")
DASHES: tuple[Literal["-", "--", ":"], ...] = ("-", "--", ":")
# Okabe and Ito's colours, made pale by `SHADE`. What is not named here is a phase that only gets the board ready.
PHASE_COLOURS = {
    "idle_before": "#56B4E9",
    "warmup": "#F0E442",
    "steady": "#009E73",
    "command": "#009E73",
    "runout": "#F0E442",
}
PHASE_COLOURS |= dict.fromkeys(("cooldown", "idle_after"), PHASE_COLOURS["idle_before"])
OTHER_PHASE_COLOUR, SHADE = "#CC79A7", 0.22
_AS_IT_IS: dict[str, Any] = {"parse_math": False}  # a dollar in a name begins no formula
_PAPER = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.2}  # below words that cross a curve
_DRAWSTYLES = {"before": "steps-pre", "after": "steps-post", "line": "default"}


@dataclass(frozen=True)
class _Panel:
    """One of the curves over time: its name, what its axis is called, and how high it is beside the others."""

    name: str
    label: str
    height: float


_PANELS = (
    _Panel("power", "Power (W)", 2.0),
    _Panel("joules", "Energy (J)", 1.0),
    _Panel("voltage", "Voltage (V)", 0.9),
)


def draw_power(recordings: Sequence[DrawnRecording], format: str = "png") -> bytes:
    """`power_figure` as a file in one of `PICTURE_FORMATS`."""
    return picture_bytes(power_figure(recordings), format)


def power_figure(recordings: Sequence[DrawnRecording]) -> Figure:
    """Draw one recording or several over one another, of any length.

    What covers the time before it, or holds until the next, is drawn as the steps that it is, instants as lines;
    nothing is drawn across a hole, and no joule is added there. A curve that nobody knows is not drawn.
    Phases and holes are those of the first of several.
    """
    drawn = overlaid(recordings)
    panels = [panel for panel in _PANELS if any(_values(one, panel.name) is not None for one in recordings)]
    figure = Figure(figsize=INCHES, layout="constrained")
    grid = figure.subplots(len(panels), 1, sharex=True, height_ratios=[panel.height for panel in panels], squeeze=False)
    for panel, axes in zip(panels, grid[:, 0], strict=True):
        _curves(axes, drawn, panel)
    first, zero_s = recordings[0], drawn.axes[0].zero_s
    upper, lower = grid[0, 0], grid[-1, 0]
    upper.set_xlim(*_limits(drawn))
    lower.set_xlabel(drawn.label + (f"; 0 is {drawn.when}" if drawn.when else ""), fontsize=11)
    for axes in grid[:, 0]:
        _shade(axes, first.phases, first.index.holes_s if drawn.alone else (), zero_s)
        _flags(axes, drawn)
    _label(upper, first.phases, zero_s)
    _label_marks(upper, drawn)
    figure.suptitle(harmless(_title(drawn)), fontsize=15, color=BAD_COLOUR if drawn.words else "black", **_AS_IT_IS)
    if drawn.alone:
        upper.set_title(harmless(f"{first.about}\n{_facts(first)}".lstrip()), fontsize=10, **_AS_IT_IS)
    figure.align_ylabels(list(grid[:, 0]))
    _add_legend(figure, drawn)
    _watermark(figure, drawn.words)
    return figure


def _values(one: DrawnRecording, panel: str) -> Samples | None:
    """At every row; None where nobody knows them."""
    trace = one.index.trace
    if panel == "joules":
        return None if one.index.renews_too_fast else joules_at_rows(one.index)
    if panel == "voltage":
        return None if trace.facts.watts_alone else trace.voltage_v
    return trace.power_w


def _limits(drawn: Overlaid) -> tuple[float, float]:
    ends = [
        (float(one.index.trace.t_s[0]) - axis.zero_s, float(one.index.trace.t_s[-1]) - axis.zero_s)
        for one, axis in zip(drawn.recordings, drawn.axes, strict=True)
    ]
    return min(begin for begin, _ in ends), max(end for _, end in ends)


def _watermark(figure: Figure, marks: Sequence[str]) -> None:
    style: dict[str, Any] = {
        "fontsize": 90,
        "color": BAD_COLOUR,
        "alpha": 0.13,
        "rotation": 22,
        "ha": "center",
        "va": "center",
    }
    if marks:
        figure.text(0.5, 0.55, "\n".join(marks), **style)


def _curves(axes: Any, drawn: Overlaid, panel: _Panel) -> None:
    known = []
    for number, (one, axis) in enumerate(zip(drawn.recordings, drawn.axes, strict=True)):
        values = _values(one, panel.name)
        if values is None:
            continue
        known.append(abs(float(values.mean())))
        colour = PANEL_COLOURS[panel.name] if drawn.alone else COLOURS[number % len(COLOURS)]
        dashes = DASHES[number // len(COLOURS) % len(DASHES)]
        _curve(axes, one, values, axis.zero_s, panel.name == "joules", color=colour, linestyle=dashes)
    axes.margins(y=0.12)  # room for the names of the phases
    _widen(axes, max(LEAST_SPAN_OF_MEAN * max(known), LEAST_SPAN))
    axes.set_ylabel(panel.label, fontsize=11)
    axes.grid(color="#DDDDDD", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.ticklabel_format(useOffset=False)
    axes.spines[["top", "right"]].set_visible(False)


def _curve(axes: Any, one: DrawnRecording, values: Samples, zero_s: float, adds_up: bool, **style: Any) -> None:
    trace, holes_s = one.index.trace, one.index.holes_s
    rows = rows_to_draw(trace.t_s, values, holes_s, COLUMNS)
    times, (shown,) = broken_at_holes(trace.t_s[rows], holes_s, values[rows])
    few = len(rows) <= COLUMNS // 20 and not adds_up
    drawstyle = "default" if adds_up else _DRAWSTYLES[steps_of(one.index)]
    axes.plot(times - zero_s, shown, linewidth=1.1, drawstyle=drawstyle, marker="." if few else None, **style)


def _widen(axes: Any, least: float) -> None:
    """Let the upright axis span `least` or more, its middle where it is."""
    low, high = axes.get_ylim()
    lacking = max(0.0, least - (high - low))
    axes.set_ylim(low - lacking / 2, high + lacking / 2)


def _shade(axes: Any, phases: Sequence[PhaseTime], holes_s: Sequence[tuple[float, float]], zero_s: float) -> None:
    for phase in phases:
        axes.axvspan(phase.start_s - zero_s, phase.end_s - zero_s, color=_colour(phase.name), alpha=SHADE, linewidth=0)
    for begin, end in holes_s:
        axes.axvspan(begin - zero_s, end - zero_s, facecolor="white", edgecolor=HOLE_COLOUR, hatch="///", linewidth=0)


def _colour(phase: str) -> str:
    return PHASE_COLOURS.get(phase, OTHER_PHASE_COLOUR)


def _label(axes: Any, phases: Sequence[PhaseTime], zero_s: float) -> None:
    left, right = axes.get_xlim()
    for phase in phases:
        begin, end = max(phase.start_s - zero_s, left), min(phase.end_s - zero_s, right)
        if end - begin >= LEAST_SHARE * (right - left):
            axes.text(
                (begin + end) / 2,
                0.985,
                phase_words(phase.name),
                transform=axes.get_xaxis_transform(),
                ha="center",
                va="top",
            )


def _marks(drawn: Overlaid) -> list[tuple[float, str, str]]:
    """When each mark was, what it says, and its colour; by time."""
    found = []
    for number, (one, axis) in enumerate(zip(drawn.recordings, drawn.axes, strict=True)):
        colour = INK if drawn.alone else COLOURS[number % len(COLOURS)]
        found += [(mark.t_s - axis.zero_s, mark.label, colour) for mark in one.marks]
    return sorted(found)


def _flags(axes: Any, drawn: Overlaid) -> None:
    left, right = axes.get_xlim()
    for at_s, _, colour in _marks(drawn):
        if left <= at_s <= right:
            axes.axvline(at_s, color=colour, linewidth=0.9, linestyle=(0, (4, 3)))


def _label_marks(axes: Any, drawn: Overlaid) -> None:
    """Beside each line, below the names of the phases, above the curve and below the labels that it would cover.

    Labels that are too many for that are left out, and how many is said; their lines stay.
    """
    left, right = axes.get_xlim()
    inside = [mark for mark in _marks(drawn) if left <= mark[0] <= right]
    ends: list[float] = []  # of each row of labels, as shares of the width
    placed, left_out = [], 0
    for at_s, label, colour in inside:
        words = textwrap.shorten(label, LONGEST_MARK, placeholder="…") or label[:LONGEST_MARK]
        width = LETTER_SHARE * (len(words) + 1)
        begin = min((at_s - left) / (right - left) + 0.004, 1.0 - width)
        row = next((place for place, end in enumerate(ends) if end < begin), len(ends))
        if row == MOST_MARK_ROWS:
            left_out += 1
            continue
        ends[row : row + 1] = [begin + width]
        placed.append((begin, row, words, colour))
    _make_room(axes, NAME_SHARE + ROW_SHARE * len(ends) if ends else 0.0)
    style = {"transform": axes.transAxes, "va": "top", "fontsize": 9, "zorder": 4, "bbox": _PAPER} | _AS_IT_IS
    for begin, row, words, colour in placed:
        axes.text(begin, 1.0 - NAME_SHARE - ROW_SHARE * row, harmless(words), color=colour, **style)
    if left_out:
        said = f"{left_out} of {len(inside)} marks have no room for their labels"
        axes.text(0.995, 1.0 - NAME_SHARE - ROW_SHARE * MOST_MARK_ROWS, said, color=INK, ha="right", **style)


def _make_room(axes: Any, share: float) -> None:
    """Let so much of the height at the top be free of curves."""
    low, high = axes.get_ylim()
    axes.set_ylim(low, low + (high - low) / (1.0 - share))


def _add_legend(figure: Figure, drawn: Overlaid) -> None:
    entries = _legend(drawn)
    title = _reasons(drawn)
    if entries or title:
        columns = 5 if drawn.alone else 1
        style: dict[str, Any] = {"ncols": columns, "frameon": False, "fontsize": 10, "title_fontsize": 10}
        legend = figure.legend(handles=entries, loc="outside lower center", title=title, **style)
        legend.get_title().set_color(BAD_COLOUR)
        for text in (*legend.get_texts(), legend.get_title()):
            text.set_parse_math(False)


def _legend(drawn: Overlaid) -> list[Artist]:
    """Of one recording a colour of phases each, those that share it below each other; of several one each."""
    if drawn.alone is None:
        return [_entry(number, one) for number, one in enumerate(drawn.recordings)]
    groups: dict[str, list[str]] = {}
    for phase in drawn.alone.phases:
        groups.setdefault(_colour(phase.name), []).append(_lasting(phase))
    shaded: list[Artist] = [
        Patch(color=colour, alpha=SHADE, label="\n".join(names)) for colour, names in groups.items()
    ]
    hatched = Patch(facecolor="white", edgecolor=HOLE_COLOUR, hatch="///", label="no measurement")
    return [*shaded, hatched] if drawn.alone.index.holes_s else shaded


def _entry(number: int, one: DrawnRecording) -> Line2D:
    """What a recording among others is, and what it took."""
    dashes = DASHES[number // len(COLOURS) % len(DASHES)]
    marked = "".join(f"{word} " for word in one.words)
    what = f"{one.title}: ".replace("\n", ", ") if one.title else ""
    unknown = " (not known whether a real meter measured it)" if one.emulated is None else ""
    return Line2D(
        [],
        [],
        color=COLOURS[number % len(COLOURS)],
        linestyle=dashes,
        label=harmless(f"{marked}{one.name}: {what}{one.total}{unknown}"),
    )


def _reasons(drawn: Overlaid) -> str | None:
    """Why recordings are invalid, a line or more each; None for sound ones."""
    said = [
        f"INVALID: {'' if drawn.alone else f'{one.name}: '}{reason}."
        for one in drawn.recordings
        for reason in one.reasons
    ]
    return "\n".join(line for reason in said for line in textwrap.wrap(reason, LONGEST_LINE)) or None


def _lasting(phase: PhaseTime) -> str:
    return f"{phase_words(phase.name)}, {phase.end_s - phase.start_s:.2f} s"


def _title(drawn: Overlaid) -> str:
    if drawn.alone:
        emulated = "EMULATED, no measurement of any device: " if "EMULATED" in drawn.words else ""
        invalid = "INVALID: " if "INVALID" in drawn.words else ""
        return f"{emulated}{invalid}{drawn.alone.title or drawn.alone.name}"
    marked = "".join(f"{word}{_share(drawn, word)}: " for word in drawn.words)
    names = [one.name for one in islice(drawn.recordings, 3)]
    more = len(drawn.recordings) - len(names)
    return f"{marked}{', '.join(names)}{f' and {more} more' if more else ''}"


def _share(drawn: Overlaid, word: str) -> str:
    """Of how many of the recordings a mark is, where it is not of all."""
    count = sum(word in one.words for one in drawn.recordings)
    return "" if count == len(drawn.recordings) else f" ({count} of {len(drawn.recordings)})"


def _facts(one: DrawnRecording) -> str:
    unknown = "\nIt is not known whether a real meter measured this." if one.emulated is None else ""
    fewer = ""
    if len(one.index.trace.t_s) > KEPT * COLUMNS:
        fewer = "\nFewer points are drawn; the first, lowest, highest and last of each column of dots are among them."
    return f"{one.meter}  {one.total_sentence}{fewer}{unknown}"
