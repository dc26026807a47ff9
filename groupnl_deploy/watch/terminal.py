"""The terminal's view of a meter: numbers, a chart of blocks, what else there is to say. Pure.

A chart's column shows the highest power within it, so that no peak is lost; where nothing was measured it is empty.
"""

import math
import textwrap
from collections.abc import Sequence

from groupnl_deploy.watch.points import Point
from groupnl_deploy.watch.watched import Moment

Line = tuple[tuple[str, str], ...]
"""Pieces of text, each with the word of its style: plain, strong, soft, good, bad or emulated."""

SHORTEST_S, LONGEST_S = 10.0, 60.0  # of what the chart shows
_BLOCKS = "▁▂▃▄▅▆▇█"
_MOST_ROWS, _ROOM = 6, 8  # of the chart; lines that everything else takes
_LEAST_SPAN = 0.05  # of the highest value: the noise of a steady load is no event
_LABELLED = 44  # columns, from which on the chart has its scale beside it
_GAP = "   "


def view_lines(moment: Moment, points: Sequence[Point], width: int, height: int) -> tuple[Line, ...]:
    """Everything, in lines of at most `width` letters (at least 10), and as high as `height` allows."""
    rows = max(1, min(_MOST_ROWS, height - _ROOM))
    look = "bad" if moment.is_gone else "soft"
    return (
        *_head(moment, width),
        *_figures(moment, width),
        *_chart(moment, points, width, rows),
        *(((line, look),) for line in textwrap.wrap(f"{moment.status}.", width)),
    )


def one_line(moment: Moment) -> str:
    """The same as a line, for whoever reads no terminal."""
    marks = "".join(f"  {word}" for word in moment.words)
    said = f"{moment.status}." if moment.is_gone or moment.totals is None else "  ".join(moment.figures.values())
    return f"{moment.elapsed_s:8.1f} s  {said}{marks}"


def levels(points: Sequence[Point], ends_s: tuple[float, float], columns: int, is_gone: bool) -> list[float | None]:
    """The highest power in each of so many columns between two instants; None where nothing was measured.

    A column between two measurements has the value before it. Where the meter `is_gone`, so is what came last.
    """
    begin_s = ends_s[0]
    step_s = (ends_s[1] - begin_s) / columns
    found: list[float | None] = [None] * columns
    place = [math.floor((point.t_s - begin_s) / step_s) for point in points]
    for number, point in enumerate(points):
        if number and not point.hole_s:
            _fill(found, place[number - 1] + 1, place[number], points[number - 1].power_w)
        if 0 <= place[number] < columns:
            there = found[place[number]]
            found[place[number]] = point.power_w if there is None else max(there, point.power_w)
    if points and not is_gone:
        _fill(found, place[-1] + 1, columns, points[-1].power_w)
    return found


def _fill(found: list[float | None], first: int, end: int, value: float) -> None:
    for column in range(max(first, 0), min(end, len(found))):
        found[column] = value


def _head(moment: Moment, width: int) -> list[Line]:
    facts = moment.facts
    source = f"{facts.meter} over {facts.transport}, {facts.port}"
    marks = tuple((word, "bad" if word == "INVALID" else "emulated") for word in moment.words)
    room = width - sum(len(word) + 2 for word, _ in marks)
    if room >= len(source) or room >= 2 * width // 3:
        shown = source if len(source) <= room else source[: room - 1] + "…"
        return [((shown, "soft"), *((f"  {word}", style) for word, style in marks))]
    shown = source if len(source) <= width else source[: width - 1] + "…"
    return [((shown, "soft"),), *(((word, style),) for word, style in marks)]


def _figures(moment: Moment, width: int) -> list[Line]:
    """The numbers, as many on a line as fit."""
    style = "soft" if moment.is_gone else "strong"
    lines: list[str] = []
    for figure in moment.figures.values():
        if lines and len(lines[-1]) + len(_GAP) + len(figure) <= width:
            lines[-1] += _GAP + figure
        else:
            lines.append(figure)
    return [((line, style),) for line in lines]


def _chart(moment: Moment, points: Sequence[Point], width: int, rows: int) -> list[Line]:
    labels = width >= _LABELLED
    columns = width - (10 if labels else 0)
    span_s = min(LONGEST_S, max(SHORTEST_S, moment.elapsed_s))
    found = levels(points, (moment.elapsed_s - span_s, moment.elapsed_s), columns, moment.is_gone)
    known = [value for value in found if value is not None]
    high = max(known, default=1.0)
    low = min(known, default=0.0)
    low = min(low, high - max(_LEAST_SPAN * abs(high), 1e-3))
    lines: list[Line] = []
    for row in reversed(range(rows)):
        drawn = "".join(_block(value, low, high, row, rows) for value in found)
        said = high if row == rows - 1 else low if row == 0 else None
        label = "" if not labels else f"{said:7.3f} W " if said is not None else " " * 10
        lines.append(((label[-10:], "soft"), (drawn, "good")))
    if labels:
        lines.append(((" " * 10 + f"{span_s:.0f} s ago".ljust(columns - 3) + "now", "soft"),))
    return lines


def _block(value: float | None, low: float, high: float, row: int, rows: int) -> str:
    """What a column shows in a row of the chart, counted from below; the lowest value has one eighth of a letter."""
    if value is None:
        return " "
    eighths = 1 + round((value - low) / (high - low) * (8 * rows - 1)) - 8 * row
    return " " if eighths <= 0 else _BLOCKS[min(eighths, 8) - 1]
