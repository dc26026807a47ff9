"""The page of a report: verdict, table, charts, every run, and the commands that make it again. Pure."""

from collections.abc import Iterator, Sequence

from groupnl_deploy.report.build import Report
from groupnl_deploy.report.html.data import SHOWN, chart_data
from groupnl_deploy.report.html.document import UPLOT, Chapter, commands, document
from groupnl_deploy.report.html.markup import Markup, element, joined
from groupnl_deploy.report.html.memory import NOTE, memory_bars
from groupnl_deploy.report.html.robustness_maps import robustness_maps
from groupnl_deploy.report.html.run_card import run_card
from groupnl_deploy.report.html.stamps import stamps
from groupnl_deploy.report.html.table import class_cards, comparison, extra_table, missing
from groupnl_deploy.report.html.tags import Tag, group_tags, run_tags
from groupnl_deploy.report.html.time_charts import boxes, no_script, notes, since, time_figure
from groupnl_deploy.report.html.tradeoff import tradeoff_charts
from groupnl_deploy.report.html.trainings import training_charts
from groupnl_deploy.report.repeats import groups_of
from groupnl_deploy.report.sections import Section
from groupnl_deploy.report.tables import Table, table_of
from groupnl_deploy.report.verdict import verdict
from groupnl_deploy.version import __version__
from groupnl_deploy.words import command_line, counted


def render_html(
    report: Report, extras: Sequence[Section] = (), baseline: str | None = None, asked: Sequence[str] = ()
) -> str:
    """A whole file, that ends with a newline.

    `extras` are tables that stand below the comparison, which the options `asked` ask for; the verdict is of every row
    beside the `baseline`.
    """
    again = ("again", "How to make this page again", _again(report, asked))
    chapters = [Chapter(*section) for section in (*_sections(report, extras, baseline), again)]
    data = chart_data(report, run_tags(groups_of(report)))
    return document("groupnl report", _title(report), _subtitle(report), chapters, _footer(), data).text


def _title(report: Report) -> str:
    devices = sorted({row.device for row in report.rows})
    return f"{counted(len(report.rows), 'run')} on {', '.join(devices)}" if devices else "No whole run"


def _subtitle(report: Report) -> str:
    boards = sorted({row.board for row in report.rows})
    days = sorted({row.created_at[:10] for row in report.rows})
    when = f"measured {days[0]}" + (f" to {days[-1]}" if len(days) > 1 else "") if days else ""
    return "; ".join(filter(None, [", ".join(boards), when]))


def _sections(report: Report, extras: Sequence[Section], baseline: str | None) -> Iterator[tuple[str, str, Markup]]:
    rows = report.rows
    table = table_of(report)
    tags, of_runs = group_tags(table.groups), run_tags(table.groups)
    yield "verdict", "Verdict", _verdict(report, table, baseline)
    if rows:
        yield "table", "Comparison", comparison(report, table, tags)
        for extra in extras:
            if extra.chapter is None:
                yield extra.name, extra.title, extra_table(extra)
        yield "tradeoff", "Trade-off", tradeoff_charts(table.groups, tags)
        yield "power", "Power and energy", _power(report, of_runs)
        yield "memory", "Memory", _memory(table, tags)
        yield "training", "Training", training_charts(report, of_runs)
        yield "robustness", "Robustness", robustness_maps(report, of_runs)
        for chapter in dict.fromkeys(extra.chapter for extra in extras if extra.chapter):
            yield "chapter", chapter, joined(extra_table(extra) for extra in extras if extra.chapter == chapter)
        yield "classes", "Class by class", class_cards(report)
        yield "runs", "Every run", joined(map(run_card, of_runs, rows, report.details))


def _verdict(report: Report, table: Table, baseline: str | None) -> Markup:
    first, *more = verdict(report, table.groups, baseline)
    marked = element("p", stamps(table.rows, "energy"), class_="stamps")
    return joined(element("p", first, class_="first"), [element("p", said) for said in more], marked, missing(report))


def _memory(table: Table, tags: Sequence[Tag]) -> Markup:
    bars = memory_bars(table.rows, tags)
    return element("figure", bars, element("p", NOTE, class_="small")) if bars else Markup("")


def _power(report: Report, tags: Sequence[Tag]) -> Markup:
    runs = zip(tags, report.rows, report.details, strict=True)
    recorded = [(tag, row, detail.curves.power) for tag, row, detail in runs if detail.curves.power is not None]
    if not recorded:
        return Markup("")
    first = {tag.number: tag for tag, _, _ in reversed(recorded)}  # of each row, so that repeats hide no other row
    shown = set(list(dict.fromkeys(first[number] for number in sorted(first)))[:SHOWN])
    rows = [row for _, row, _ in recorded]
    marked = stamps(rows, "energy")
    return joined(
        no_script(),
        boxes("Runs", [(tag, row.run) for tag, row, _ in recorded], shown),
        since("the benchmark began"),
        time_figure("Power over time", "power", "all chosen runs", marked),
        time_figure("Energy as it adds up", "joules", "all chosen runs", marked),
        notes([(tag, curve) for tag, _, curve in recorded], _HINT),
    )


_HINT = "The bands are the phases of the first run shown. Joules are summed from every sample, not from the drawing."


def _again(report: Report, asked: Sequence[str]) -> Markup:
    # Another name than the page's own, which is there already.
    page = command_line("report", *(report.places or ["RUN"]), *asked, "--out", "report-again.html")
    measured = commands("What measured these runs:", *report.commands)
    return joined(
        measured, commands("This page, from the folder that the runs were read from; no board is needed:", page)
    )


def _footer() -> Markup:
    said = f"Made by groupnl {__version__}. This file holds everything it shows and asks no other machine for anything."
    return joined(element("p", said), element("p", UPLOT))
