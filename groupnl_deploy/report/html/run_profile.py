"""Where the time of an inference goes, as tables of a run's card. Pure."""

from groupnl_deploy.report.html.markup import Markup, element, joined
from groupnl_deploy.report.html.table import grid
from groupnl_deploy.report.profile_tables import ProfileTable, profile_section
from groupnl_deploy.report.row import ReportRow


def profile_tables(row: ReportRow) -> Markup:
    """The profile of a row that has one."""
    section = profile_section(row)
    notes = [element("p", note, class_="small") for note in section.notes]
    return joined(*(_table(table, row) for table in section.tables), *notes)


def _table(table: ProfileTable, row: ReportRow) -> Markup:
    headings: list[tuple[object, bool]] = list(table.headings)
    drawn = grid(headings, [list(cells) for cells in table.rows], f"{table.title}, {row.run}")
    return joined(element("p", element("strong", table.title)), drawn)
