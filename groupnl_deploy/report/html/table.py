"""The table of a report, and what has to be said below it. Pure."""

from collections.abc import Sequence

from groupnl_deploy.report.build import Report
from groupnl_deploy.report.classes import ClassTable, class_sections, class_tables
from groupnl_deploy.report.html.markup import Markup, element, joined
from groupnl_deploy.report.html.tags import Tag
from groupnl_deploy.report.row import ReportRow
from groupnl_deploy.report.sections import Section
from groupnl_deploy.report.tables import Table, general_notes, left_out, reasons
from groupnl_deploy.report.traits import differing

_FEW = 4  # reasons; more would push the charts off the page


def grid(headings: list[tuple[object, bool]], rows: list[list[object]], label: str, **attributes: object) -> Markup:
    """A table that scrolls by itself where it is wider than the page; the first cell of a row is its heading.

    Each heading says whether its column is numeric. Of the class "cards" each row is a card on a phone.
    """
    head = element(
        "tr",
        [
            element("th", _breakable(text, numeric), scope="col", class_="n" if numeric else None)
            for text, numeric in headings
        ],
    )
    body = [element("tr", [_cell(index, cell, headings[index]) for index, cell in enumerate(row)]) for row in rows]
    table = element("table", element("thead", head), element("tbody", body), **attributes)
    return element("div", table, class_="wide", tabindex="0", role="region", aria_label=label)


def _cell(index: int, cell: object, heading: tuple[object, bool]) -> Markup:
    text, numeric = heading
    kind = "n" if numeric else None
    if index == 0:
        return element("th", cell, scope="row", class_=kind)
    spoilt = isinstance(cell, str) and not isinstance(cell, Markup) and cell.endswith("!")
    classes = " ".join(filter(None, [kind, "spoilt" if spoilt or cell == "INVALID" else None])) or None
    return element("td", _breakable(cell, numeric), class_=classes, data_label=text)


def _breakable(cell: object, numeric: bool) -> object:
    """Two numbers as one cell, with a place for a new line behind the slash."""
    if not numeric or not isinstance(cell, str) or isinstance(cell, Markup) or cell.count("/") != 1:
        return cell
    first, second = cell.split("/")
    return joined(f"{first}/", element("wbr"), second)


def comparison(report: Report, table: Table, tags: Sequence[Tag]) -> Markup:
    """All rows, with the numbers and marks of the other forms; each row leads to its run below.

    What a row is of stands in one cell, so that the numbers are in sight.
    """
    numbers = [column for column in table.columns if not column.names]
    headings: list[tuple[object, bool]] = [("What", False), *((one.heading, one.numeric) for one in numbers)]
    rows: list[list[object]] = [
        [_what(table, tag, row), *(column.cell(row) for column in numbers)]
        for tag, row in zip(tags, table.rows, strict=True)
    ]
    why = reasons(report)
    few = len(why) <= _FEW
    said = [element("li", text) for text in (*general_notes(report), *(why if few else ()))]
    return joined(
        grid(headings, rows, "Comparison", class_="cards"),
        element("ul", said, class_="notes"),
        *([] if few else [_reasons(why)]),
    )


def _what(table: Table, tag: Tag, row: ReportRow) -> Markup:
    """The row's number and model, what it differs from the others in, and its run in small type."""
    named = [trait for trait in differing(table.rows) if trait.name not in ("network", "run", "created_at")]
    traits = [trait.said(row) for trait in named if trait.value(row) is not None]
    return joined(
        element("span", _number(tag), " ", element("strong", table.columns[0].cell(row)), class_="model"),
        element("span", ", ".join(traits)) if traits else None,
        element("span", row.run, class_="name"),
    )


def _reasons(why: Sequence[str]) -> Markup:
    """Folded, for each run's card has its own in full sight."""
    said = [element("li", text) for text in why]
    return fold(f"All {len(why)} reasons why something is invalid", element("ul", said, class_="notes"))


def extra_table(section: Section) -> Markup:
    """A table that was asked for."""
    rows: list[list[object]] = [list(row) for row in section.rows]
    said = [element("li", text) for text in section.notes]
    table = grid(list(section.headings), rows, section.title, class_="labels") if section.headings else None
    shown = joined(table, element("ul", said, class_="notes"))
    if section.chapter is None:
        return shown
    return fold(section.title, shown, opened=not section.empty)


def fold(title: str, *children: Markup, opened: bool = False) -> Markup:
    """What is unfolded by who wants it; all of it is, on paper."""
    return element("details", element("summary", title), *children, class_="more", open=opened)


def class_cards(report: Report) -> Markup:
    """Accuracy class by class of each model that has labels, folded; empty where none has."""
    return joined(
        fold(section.title, *(_class_table(table, section.model) for table in class_tables(section.confusion)))
        for section in class_sections(report)
    )


def _class_table(table: ClassTable, model: str) -> Markup:
    return grid(list(table.headings), [list(row) for row in table.rows], f"Classes of {model}")


def _number(tag: Tag) -> Markup:
    link = element("a", tag.text, href=f"#run-{tag.place + 1}", aria_label=f"{tag.text} in detail")
    return joined(tag.swatch(), link)


def missing(report: Report) -> Markup:
    """What was damaged or cut short, each with its stamp; empty where all is whole."""
    lost = [(run.run, "DAMAGED", f"{run.reason} {run.remedy}") for run in report.damaged]
    stopped = zip((run.run for run in report.incomplete), left_out(report)[len(report.damaged) :], strict=True)
    lost += [(run, "INCOMPLETE", said) for run, said in stopped]
    return joined(
        element(
            "p", element("span", word, class_="stamp bad"), " ", element("strong", run), " ", said, class_="missing"
        )
        for run, word, said in lost
    )
