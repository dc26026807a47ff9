"""Errors under corruptions as heat maps: one for each evaluation, a square for each corruption and severity. Pure.

A square is shaded by its error, and pale enough for its number to be read on it.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from groupnl_deploy.evaluation.record import EvaluationRecord
from groupnl_deploy.images.corrupted import BY_CATEGORY, CORRUPTIONS, corruption_words
from groupnl_deploy.report.build import Report
from groupnl_deploy.report.evaluations import headlines
from groupnl_deploy.report.html.markup import Markup, element, joined
from groupnl_deploy.report.html.svg import Frame, dot, picture
from groupnl_deploy.report.html.table import fold
from groupnl_deploy.report.html.tags import Tag
from groupnl_deploy.words import counted, first_few

NOTE = (
    "The darker, the more images were answered wrongly; the numbers are errors in per cent. "
    "+ is one of the extra four, which the usual fifteen leave out."
)
DARKEST = 0.5
"""The opacity of an error of 100 %."""

_ROW, _HEAD, _BASE = 19.0, 30.0, 13.5
_OPEN = 6  # maps that are in sight; the others are folded
_MOST_TAGS = 6


def robustness_maps(report: Report, tags: Sequence[Tag]) -> Markup:
    """A map for each evaluation that a run's network has; empty where none has any with corrupted images."""
    found: dict[EvaluationRecord, list[Tag]] = {}
    for tag, detail in zip(tags, report.details, strict=True):
        if detail.evaluation is not None and detail.evaluation.errors:
            found.setdefault(detail.evaluation, []).append(tag)
    maps = [_figure(record, of) for record, of in found.items()]
    if not maps:
        return Markup("")
    more = maps[_OPEN:]
    rest = [fold(counted(len(more), "more network"), element("div", more, class_="figures"))] if more else []
    return joined(element("div", maps[:_OPEN], class_="figures"), rest, element("p", NOTE, class_="small"))


def _figure(record: EvaluationRecord, tags: Sequence[Tag]) -> Markup:
    names = first_few(list(dict.fromkeys(tag.text for tag in tags)), _MOST_TAGS)
    caption = element("figcaption", tags[0].swatch(), element("strong", f"{names}: {record.subject.label}"))
    said = [element("p", line, class_="small") for line in headlines(record)]
    return element("figure", caption, said, _map(record))


def _map(record: EvaluationRecord) -> Markup:
    """Rows by category, with a line between them; the last column is the mean over the severities."""
    errors, robustness = record.errors, record.robustness
    means = {} if robustness is None else robustness.corruption_errors
    names = [name for name in BY_CATEGORY if name in errors]
    levels = sorted({level for row in errors.values() for level in row})
    frame = Frame(height=_HEAD + _ROW * len(names) + 4, left=138, right=4, top=_HEAD, bottom=4)
    across = frame.across(0, len(levels) + 1)
    ends = [across.at(number) for number in range(len(levels) + 2)]
    heads = [*(str(level) for level in levels), "mean"]
    above = [_words("severity", frame.left - 7, _HEAD - 8, "end")]
    above += [_words(head, middle, _HEAD - 8) for head, middle in zip(heads, _middles(ends), strict=True)]
    rows, lines = [], []
    for place, name in enumerate(names):
        y = frame.top + place * _ROW
        rows.append(_words(corruption_words(name), frame.left - 7, y + _BASE, "end"))
        rows += _squares(name, heads, [*map(errors[name].get, levels), means.get(name)], ends, y)
        if place and CORRUPTIONS[name] != CORRUPTIONS[names[place - 1]]:
            lines.append(element("line", class_="split", x1="0", x2=dot(frame.width), y1=dot(y), y2=dot(y)))
    title = f"Errors of {record.subject.label} by corruption and severity. {'; '.join(headlines(record))}"
    return picture(frame, title, above, rows, lines)


def _squares(
    name: str, heads: Sequence[str], values: Sequence[float | None], ends: Sequence[float], y: float
) -> Iterator[Markup]:
    """Each with its number; a part that did not come to its end has none."""
    for head, value, (left, right) in zip(heads, values, pairwise(ends), strict=True):
        if value is None:
            continue
        what = "mean over the severities" if head == "mean" else f"severity {head}"
        yield element(
            "rect",
            element("title", f"{corruption_words(name)}, {what}: {100 * value:.2f} % wrong"),
            class_="fill c1",
            fill_opacity=f"{DARKEST * value:.3f}",
            x=dot(left),
            y=dot(y),
            width=dot(right - left),
            height=_ROW,
        )
        yield _words(f"{100 * value:.0f}", (left + right) / 2, y + _BASE, kind="value")


def _middles(ends: Sequence[float]) -> list[float]:
    return [(left + right) / 2 for left, right in pairwise(ends)]


def _words(text: str, x: float, y: float, anchor: str = "middle", kind: str = "tick") -> Markup:
    return element("text", text, class_=kind, x=dot(x), y=dot(y), text_anchor=anchor)
