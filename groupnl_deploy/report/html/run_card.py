"""One run in detail: its stamps, its charts, its numbers, every rule's verdict, where it is from. Pure."""

from collections.abc import Iterator
from dataclasses import fields

from groupnl_deploy.report.build import ReportRow, RunDetail
from groupnl_deploy.report.html.histogram import latency_histogram
from groupnl_deploy.report.html.markup import Markup, element, joined
from groupnl_deploy.report.html.stamps import colour, marks_of, row_stamps, stamps
from groupnl_deploy.report.html.table import grid
from groupnl_deploy.report.identity import Identity
from groupnl_deploy.report.phases import phase_words
from groupnl_deploy.report.traits import plain

OPEN = 2  # cards that are open when the page is; all of them when it is printed


def run_card(index: int, row: ReportRow, detail: RunDetail) -> Markup:
    """The card of one row; `index` counts from 0."""
    head = element(
        "summary",
        element("span", class_=f"swatch {colour(index)}"),
        element("span", f"{index + 1}", class_="count"),
        element("strong", row.run),
        element("span", f"{row.model}, {row.backend} on {row.device}", class_="small"),
        element("span", *row_stamps(row), class_="stamps"),
    )
    body = element("div", *_why(row), _charts(index, row, detail), *_tables(row, detail), class_="card")
    return element("details", head, body, class_="run", id=f"run-{index + 1}", open=index < OPEN)


def _why(row: ReportRow) -> Iterator[Markup]:
    if row.problems:
        said = [element("li", f"{problem}.") for problem in row.problems]
        yield element("div", element("strong", "Why this run is invalid"), element("ul", said), class_="why bad")
    if row.not_judged:
        said = [element("li", f"{reason}.") for reason in row.not_judged]
        yield element("div", element("strong", "Not judged"), element("ul", said), class_="why")


def _charts(index: int, row: ReportRow, detail: RunDetail) -> Markup:
    figures = []
    if detail.curves.histogram is not None:
        drawn = latency_histogram(row, detail.curves.histogram, index)
        figures.append(_figure("How the latencies are spread", row, drawn))
    if detail.curves.latency is not None:
        per = detail.curves.latency.per_block
        said = f"{row.iterations:,} latencies drawn as blocks of {per:,}: lowest, median and highest of each."
        said = said if per > 1 else f"Each of the {row.iterations:,} latencies is drawn."
        words = f"Latencies of run {index + 1} in their order"
        drawn = joined(
            element("div", class_="plot", data_chart="latency", data_run=index, aria_label=words), _small(said)
        )
        figures.append(_figure("The latencies in their order", row, drawn))
    return element("div", figures, class_="figures")


def _small(text: str) -> Markup:
    return element("p", text, class_="small")


def _figure(title: str, row: ReportRow, drawn: Markup) -> Markup:
    return element("figure", element("figcaption", element("strong", title), " ", stamps([row], "time")), drawn)


def _tables(row: ReportRow, detail: RunDetail) -> Iterator[Markup]:
    yield _fold("Numbers", _numbers(row))
    yield _fold("Phases", _phases(row, detail))
    yield _fold(f"Validity: {len(row.checks)} rules", _checks(row))
    yield _fold("Where it is from", _provenance(row), _command(detail.command))


def _fold(title: str, *children: Markup) -> Markup:
    return element("details", element("summary", title), *children, class_="more")


def _numbers(row: ReportRow) -> Markup:
    time, joules = marks_of(row, "time"), marks_of(row, "energy")
    found: list[tuple[str, float | None, str]] = []
    if row.latency is not None:
        found += [(_words(field.name), getattr(row.latency, field.name), time) for field in fields(row.latency)]
    found += [("first inference (ms)", row.first_inference_ms, time)]
    found += [("memory after loading (MB)", row.memory_after_load_mb, ""), ("memory, peak (MB)", row.memory_mb, "")]
    found += [("power in the steady window (W)", row.power_w, joules), ("idle power (W)", row.idle_power_w, joules)]
    found += [
        ("energy of an inference, gross (J)", row.energy_j, joules),
        ("net of idle (J)", row.net_energy_j, joules),
    ]
    found += [("energy of 100 inferences (Wh)", row.energy_wh, joules), ("accuracy", row.accuracy, "")]
    rows: list[list[object]] = [[name, f"{value:,.6g}{mark}"] for name, value, mark in found if value is not None]
    return grid([("What", False), ("Value", True)], rows, f"Numbers of {row.run}")


_UNITS = {"ms": "ms", "s": "s", "mb": "MB", "w": "W", "j": "J", "wh": "Wh"}


def _words(name: str) -> str:
    """A field's name with its unit as people write it."""
    *rest, last = name.split("_")
    return f"{' '.join(rest)} ({_UNITS[last]})" if rest and last in _UNITS else name.replace("_", " ")


def _phases(row: ReportRow, detail: RunDetail) -> Markup:
    rows: list[list[object]] = [
        [phase_words(phase.name), f"{phase.start_s:.3f}", f"{phase.end_s - phase.start_s:.3f}"]
        for phase in detail.curves.phases
    ]
    return grid([("Phase", False), ("Begins (s)", True), ("Lasts (s)", True)], rows, f"Phases of {row.run}")


def _checks(row: ReportRow) -> Markup:
    headings: list[tuple[object, bool]] = [("Rule", False), ("Verdict", False), ("Value", True), ("Limit", True)]
    rows: list[list[object]] = [
        [check.rule, _verdict(check.verdict), _or_dash(check.value), _or_dash(check.limit), check.says or "–"]
        for check in row.checks
    ]
    return grid([*headings, ("Why", False)], rows, f"Validity of {row.run}")


def _verdict(word: str) -> Markup:
    kind = {"sound": "good", "invalid": "bad"}.get(word, "plain")
    return element("span", word, class_=f"stamp {kind}")


def _or_dash(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _provenance(row: ReportRow) -> Markup:
    values = ((field.name, getattr(row, field.name)) for field in fields(Identity))
    said = [(name.replace("_", " "), _plain(value)) for name, value in values]
    rows: list[list[object]] = [[name, value] for name, value in said if value not in ("–", "")]
    return grid([("What", False), ("Value", False)], rows, f"Where {row.run} is from", class_="words")


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {plain(one) if not isinstance(one, dict) else one}" for key, one in value.items())
    return plain(value)


def _command(command: str) -> Markup:
    return joined(
        _small("The same benchmark again, on a device that has the artifact:"),
        element("pre", element("code", command), tabindex="0"),
    )
