"""One run in detail: its stamps, its charts, its numbers, every rule's verdict, where it is from. Pure."""

from collections.abc import Iterator

from groupnl_deploy.report.build import RunDetail
from groupnl_deploy.report.html.histogram import latency_histogram
from groupnl_deploy.report.html.markup import Markup, element, joined
from groupnl_deploy.report.html.run_profile import profile_tables
from groupnl_deploy.report.html.run_tables import numbers, phases, provenance, verdicts
from groupnl_deploy.report.html.stamps import row_stamps, stamps
from groupnl_deploy.report.html.table import fold
from groupnl_deploy.report.html.tags import Tag
from groupnl_deploy.report.row import ReportRow

OPEN = 2  # cards that are open when the page is; all of them when it is printed


def run_card(tag: Tag, row: ReportRow, detail: RunDetail) -> Markup:
    """The card of one run."""
    head = element(
        "summary",
        tag.swatch(),
        element("span", tag.text, class_="count"),
        element("strong", row.run),
        element("span", f"{row.model}, {row.backend} on {row.device}", class_="small"),
        element("span", *row_stamps(row), class_="stamps"),
    )
    body = element("div", *_why(row), _charts(tag, row, detail), *_tables(row, detail), class_="card")
    return element("details", head, body, class_="run", id=f"run-{tag.place + 1}", open=tag.place < OPEN)


def _why(row: ReportRow) -> Iterator[Markup]:
    if row.problems:
        said = [element("li", f"{problem}.") for problem in row.problems]
        yield element("div", element("strong", "Why this run is invalid"), element("ul", said), class_="why bad")
    if row.not_judged:
        said = [element("li", f"{reason}.") for reason in row.not_judged]
        yield element("div", element("strong", "Not judged"), element("ul", said), class_="why")


def _charts(tag: Tag, row: ReportRow, detail: RunDetail) -> Markup:
    figures = []
    if detail.curves.histogram is not None:
        drawn = latency_histogram(row, detail.curves.histogram, tag)
        figures.append(_figure("How the latencies are spread", row, drawn))
    if detail.curves.latency is not None:
        per = detail.curves.latency.per_block
        said = f"{row.iterations:,} latencies drawn as blocks of {per:,}: lowest, median and highest of each."
        said = said if per > 1 else f"Each of the {row.iterations:,} latencies is drawn."
        words = f"Latencies of run {tag.text} in their order"
        drawn = joined(
            element("div", class_="plot", data_chart="latency", data_run=tag.place, aria_label=words), _small(said)
        )
        figures.append(_figure("The latencies in their order", row, drawn))
    if detail.curves.board is not None:
        said = "Temperature of the processor, and the clock of its fastest core, read each second."
        words = f"Temperature and clock during run {tag.text}"
        drawn = joined(
            element("div", class_="plot", data_chart="board", data_run=tag.place, aria_label=words), _small(said)
        )
        figures.append(_figure("Temperature and clock", row, drawn))
    return element("div", figures, class_="figures")


def _small(text: str) -> Markup:
    return element("p", text, class_="small")


def _figure(title: str, row: ReportRow, drawn: Markup) -> Markup:
    return element("figure", element("figcaption", element("strong", title), " ", stamps([row], "time")), drawn)


def _tables(row: ReportRow, detail: RunDetail) -> Iterator[Markup]:
    yield fold("Numbers", numbers(row))
    yield fold("Phases and their energy", phases(row, detail.curves.phases))
    if row.profile is not None:
        yield fold("Where the time of an inference goes", profile_tables(row))
    yield fold(f"Validity: {len(row.checks)} rules", verdicts(row))
    yield fold("Where it is from", provenance(row), _command(detail.command))


def _command(command: str) -> Markup:
    return joined(
        _small("The same benchmark again, on a device that has the artifact:"),
        element("pre", element("code", command), tabindex="0"),
    )
