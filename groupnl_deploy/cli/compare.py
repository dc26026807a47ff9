"""`groupnl compare`: is B better than A, by how much, and how sure is that?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groupnl_deploy.cli import console
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.options import AllowInvalid, Json
from groupnl_deploy.errors import MeasurementInvalid, Regression, UsageError, VerificationFailed

if TYPE_CHECKING:
    from groupnl_deploy.cli.compare_runs import Sides
    from groupnl_deploy.report.compare import Comparison


@guarded
def compare(
    what: Annotated[
        list[str],
        typer.Argument(metavar="A [B]", help="Runs, folders of runs of one thing each, or one set of the runs of two."),
    ],
    by: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="What the verdict is of; else measured energy where all runs have it, else p50_ms."
        ),
    ] = None,
    across: Annotated[
        str | None,
        typer.Option(metavar="NAME[,NAME…]", help="Conditions that are meant to differ, such as threads or board."),
    ] = None,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-if", metavar="RULE", help='Exit code 7 where B is shown to break it, such as "p50_ms>+3%".'
        ),
    ] = None,
    allow_invalid: AllowInvalid = False,
    json: Json = False,
) -> None:
    """Compare B with A pair by pair: the ratio, its interval, an exact test, or "no difference shown".

    What differs beside what is compared, such as board, clock, versions or settings, is named before any number.

    Example: groupnl compare runs/plain runs/groupnl

    Example: groupnl compare runs/20261127-101500-set --fail-if "p50_ms>+3%"
    """
    from groupnl_deploy.analysis.rule import parse_rule
    from groupnl_deploy.cli.compare_runs import find_sides
    from groupnl_deploy.report.compare import compare as compare_rows
    from groupnl_deploy.report.differences import known_conditions

    rules = tuple(map(parse_rule, fail_if or ()))
    meant = known_conditions([name.strip() for name in across.split(",")]) if across else frozenset()
    sides = find_sides(_places(what))
    found = compare_rows(sides.a, sides.b, sides.names, by=by, meant=meant, rules=rules)
    _show(found, sides, json)
    _require_sound(found, sides, allow_invalid)
    _require_kept(found)


def _places(what: list[str]) -> list[Path]:
    from groupnl_deploy.cli.compare_runs import holds_runs

    for named in what:
        if not holds_runs(Path(named)):
            is_there = "holds no run" if Path(named).exists() else "does not exist"
            raise UsageError(
                f"{named} {is_there}.", "Name folders that `groupnl bench` or `groupnl run` wrote; they hold run.json."
            )
    return [Path(named) for named in what]


def _show(found: "Comparison", sides: "Sides", json: bool) -> None:
    from dataclasses import replace

    from groupnl_deploy.report.comparison_text import notes, preface, table

    found = replace(found, left_out=(*sides.damaged, *sides.incomplete, *sides.unpaired))
    if json:
        console.show_json(found)
        return
    for text in preface(found):
        console.show_prose(text)
    for text in found.verdict:
        console.show_prose(text)
    headings, rows = table(found)
    if rows:
        console.show_records(headings, rows)
    for text in notes(found):
        console.show_prose(text)


def _require_sound(found: "Comparison", sides: "Sides", allow_invalid: bool) -> None:
    """Raise `VerificationFailed` for damaged runs, `MeasurementInvalid` for invalid and incomplete ones."""
    if sides.damaged:
        raise VerificationFailed(sides.damaged[0], "Bench again, or remove that folder.")
    if allow_invalid:
        return
    if found.invalid:
        first = found.invalid[0]
        raise MeasurementInvalid(
            f"{len(found.invalid)} of {2 * found.pairs} runs are invalid, the first {first.run}: {first.problems[0]}.",
            "See to that and compare again, or give --allow-invalid; the marks stay.",
        )
    if sides.incomplete:
        raise MeasurementInvalid(sides.incomplete[0], "Bench again, or give --allow-invalid to leave it out.")


def _require_kept(found: "Comparison") -> None:
    """Raise `Regression` where a rule is broken."""
    broken = [judged for judged in found.judgements if judged.outcome == "broken"]
    if broken:
        raise Regression(broken[0].says, "See what changed between A and B, or change the rule.")
