"""How latencies are spread, as bars. Pure."""

from collections.abc import Iterator

from groupnl_deploy.report.curves import Histogram
from groupnl_deploy.report.html.markup import Markup, element, joined
from groupnl_deploy.report.html.svg import Frame, Scale, axes, dot, picture
from groupnl_deploy.report.html.tags import Tag
from groupnl_deploy.report.marks import marks
from groupnl_deploy.report.row import ReportRow

_FRAME = Frame(height=250, top=26)


def latency_histogram(row: ReportRow, bins: Histogram, tag: Tag) -> Markup:
    """Inferences over milliseconds, with lines at p50 and p99."""
    across = _FRAME.across(bins.edges_ms[0], bins.edges_ms[-1])
    upward = _FRAME.upward(0.0, 1.05 * max(bins.counts))
    bars = (
        element(
            "rect",
            element("title", f"{low:.4g} to {high:.4g} ms: {count:,}"),
            class_=f"fill {tag.colour}",
            x=dot(across.at(low)),
            y=dot(upward.at(count)),
            width=dot(max(across.at(high) - across.at(low) - 0.6, 0.4)),
            height=dot(upward.at(0.0) - upward.at(count)),
        )
        for low, high, count in zip(bins.edges_ms, bins.edges_ms[1:], bins.counts, strict=False)
        if count
    )
    mark = marks(row, "time")
    title = f"Latencies of run {tag.text}: {sum(bins.counts) + bins.above:,} inferences{mark}"
    lines = _quantiles(row, across)
    drawn = picture(_FRAME, title, axes(_FRAME, across, upward, ("Latency (ms)", "Inferences")), bars, lines)
    return joined(drawn, element("p", _beyond(bins), class_="small"))


def _quantiles(row: ReportRow, across: Scale) -> Iterator[Markup]:
    if row.latency is None:
        return
    for word, value_ms, anchor in (("p50", row.latency.p50_ms, "start"), ("p99", row.latency.p99_ms, "end")):
        if across.least <= value_ms <= across.most:
            x = across.at(value_ms)
            yield element("line", class_="rule", x1=dot(x), x2=dot(x), y1=_FRAME.top, y2=_FRAME.height - _FRAME.bottom)
            text = f"{word} {value_ms:.4g}"
            yield element("text", text, class_="tick", x=dot(x), y=_FRAME.top - 8, text_anchor=_anchor(x, anchor))


def _anchor(x: float, wished: str) -> str:
    """So that the words stay within the drawing, and p50's leave p99's alone."""
    if x > _FRAME.width - 90:
        return "end"
    return "middle" if x > _FRAME.left + 40 and wished == "start" else "start"


def _beyond(bins: Histogram) -> str:
    if not bins.above:
        return f"All latencies are shown; the slowest took {bins.slowest_ms:.4g} ms."
    last = bins.edges_ms[-1]
    not_drawn = f"{bins.above:,} more were slower than {last:.4g} ms and are not drawn"
    return f"{not_drawn}; the slowest took {bins.slowest_ms:.4g} ms."
