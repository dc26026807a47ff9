"""The stamps of a run, invalid and emulated, wherever a number or a chart of it stands. Pure."""

from collections.abc import Iterable, Iterator

from groupnl_deploy.bench.check import Doubts
from groupnl_deploy.bench.validity import doubted
from groupnl_deploy.report.html.markup import Markup, element, joined
from groupnl_deploy.report.row import ReportRow

COLOURS = 8
"""As many as style.css has; those of more runs are the same again, and their numbers tell them apart."""


def colour(index: int) -> str:
    """The class of a run's colour."""
    return f"c{index % COLOURS}"


def stamp(word: str, kind: str, why: str | None = None) -> Markup:
    """One stamp."""
    return element("span", word, class_=f"stamp {kind}", title=why)


def stamps(rows: Iterable[ReportRow], doubts: Doubts) -> Markup:
    """What is wrong with a chart of these rows: with how many of them."""
    rows = list(rows)
    invalid = [row for row in rows if doubted(row.checks, doubts)]
    emulated = [row for row in rows if row.emulated] if doubts == "energy" else []
    boards = [row for row in rows if row.emulated_board]
    said = (
        (invalid, "INVALID", "bad"),
        (emulated, "EMULATED meter", "emulated"),
        (boards, "EMULATED board", "emulated"),
    )
    return joined(stamp(_of(word, found, rows), kind) for found, word, kind in said if found)


def _of(word: str, found: list[ReportRow], rows: list[ReportRow]) -> str:
    return word if len(found) == len(rows) else f"{word}: {len(found)} of {len(rows)}"


def row_stamps(row: ReportRow) -> Iterator[Markup]:
    """All stamps of one run."""
    if row.emulated_board:
        yield stamp("EMULATED board", "emulated", "An emulator computed: no time, memory or energy is any board's.")
    elif row.valid:
        yield stamp("VALID", "good", "No rule found anything wrong with this measurement.")
    if not row.valid:
        yield stamp("INVALID", "bad", "; ".join(row.problems))
    if row.emulated:
        yield stamp("EMULATED meter", "emulated", "The joules come from an emulated meter and are no measurement.")
    if row.trained is False:
        yield stamp("untrained", "plain", "Random weights: there is no accuracy.")
    if row.not_judged:
        yield stamp(f"{len(row.not_judged)} not judged", "plain", "; ".join(row.not_judged))
