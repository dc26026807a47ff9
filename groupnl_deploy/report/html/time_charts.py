"""The charts over time of a page: which curves are shown, since when, and how they are read. Pure."""

from collections.abc import Iterable

from groupnl_deploy.report.curves import PowerCurve
from groupnl_deploy.report.html.markup import Markup, element, joined
from groupnl_deploy.report.html.tags import Tag

NO_SCRIPT = "The charts of power and latency over time need JavaScript, which is off here. Everything else is shown."
EVERY_SAMPLE = "Every sample is drawn."
_KEYS = (
    "Drag over a chart to zoom in, double-click to see all. With the keyboard: arrow keys move the cursor, Shift and "
    "an arrow key move the view, + and - zoom, 0 shows all."
)


def boxes(title: str, named: Iterable[tuple[Tag, str]], shown: Iterable[Tag]) -> Markup:
    """A box to tick for each curve; those `shown` are ticked."""
    ticked = set(shown)
    made = [
        element(
            "label",
            element("input", type="checkbox", checked=tag in ticked, data_show=tag.place),
            tag.swatch(),
            f"{tag.text} {name}",
        )
        for tag, name in named
    ]
    return element("fieldset", element("legend", title), made, class_="choose")


def since(begin: str) -> Markup:
    """Whether time counts from when `begin` says or from each steady window."""
    options = [
        element("label", element("input", type="radio", name="align", value=value, checked=value == "begin"), said)
        for value, said in (("begin", begin), ("steady", "the steady window began"))
    ]
    return element("fieldset", element("legend", "Seconds since"), options, class_="choose")


def time_figure(title: str, kind: str, whose: str, marked: Markup) -> Markup:
    """A chart that charts.js draws, with the stamps of what it shows."""
    plot = element("div", class_="plot tall", data_chart=kind, aria_label=f"{title}, {whose}")
    return element("figure", element("figcaption", element("strong", title), " ", marked), plot)


def no_script() -> Markup:
    """What is said where nothing can be drawn."""
    return element("noscript", element("p", NO_SCRIPT))


def notes(curves: Iterable[tuple[Tag, PowerCurve]], hint: str) -> Markup:
    """What of the curves is not drawn, and how charts are read."""
    drawn = list(filter(None, (_drawn(tag, curve) for tag, curve in curves))) or [EVERY_SAMPLE]
    return joined(element("p", " ".join(drawn), class_="small"), element("p", f"{_KEYS} {hint}", class_="small hint"))


def _drawn(tag: Tag, curve: PowerCurve) -> str | None:
    """What of a recording is not drawn, and what it has not; None where there is nothing to tell."""
    said = []
    if curve.drawn < curve.samples:
        said.append(f"{curve.samples:,} samples drawn as {curve.drawn:,}, minima and maxima kept")
    if curve.holes:
        said.append(f"nothing was measured for {curve.holes_s:.3g} s, whose joules are in no sum")
    return f"{tag.text}: {'; '.join(said)}." if said else None
