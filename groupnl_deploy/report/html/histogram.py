"""How latencies are spread, as bars. Pure."""

from collections.abc import Iterator

from groupnl_deploy.report.curves import Histogram
from groupnl_deploy.report.html.markup import Markup, element, joined
from groupnl_deploy.report.html.svg import Frame, Scale, axes, dot, picture
from groupnl_deploy.report.html.tags import Tag
from groupnl_deploy.report.marks import marks
from groupnl_deploy.report.row import ReportRow

_FRAME = Frame(height=260, top=34)


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
    """A line at each, with its words to the left or the right of it, where there is more room."""
    if row.latency is None:
        return
    for word, value_ms, y in (
        ("p50", row.latency.p50_ms, _FRAME.top - 16),
        ("p99", row.latency.p99_ms, _FRAME.top - 3),
    ):
        if across.least <= value_ms <= across.most:
            x = across.at(value_ms)
            on_the_right = x < (across.begin + across.end) / 2
            words = {"x": dot(x + 4 if on_the_right else x - 4), "text_anchor": "start" if on_the_right else "end"}
            yield element("line", class_="rule", x1=dot(x), x2=dot(x), y1=dot(y - 9), y2=_FRAME.height - _FRAME.bottom)
            yield element("text", f"{word} {value_ms:.4g}", class_="tick", y=y, **words)


def _beyond(bins: Histogram) -> str:
    if not bins.above:
        return f"All latencies are shown; the slowest took {bins.slowest_ms:.4g} ms."
    last = bins.edges_ms[-1]
    not_drawn = f"{bins.above:,} more were slower than {last:.4g} ms and are not drawn"
    return f"{not_drawn}; the slowest took {bins.slowest_ms:.4g} ms."
