"""`groupnl compare`: is B better than A, by how much, and how sure is that?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groupnl_deploy.cli import console
from groupnl_deploy.cli.bench_set import Manner
from groupnl_deploy.cli.compare_subjects import bench_pairs, no_run, require_no_bench_option, require_subjects
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.option_groups import with_option_groups
from groupnl_deploy.cli.options import (
    AllowInvalid,
    BenchMeter,
    ImagesAt,
    Json,
    MeterPort,
    MeterRate,
    MeterSign,
    RetryFor,
    Wait,
    typed,
)
from groupnl_deploy.cli.setting_options import BenchSettings, Quick, Threads, asked_settings, threads_of, with_workload
from groupnl_deploy.errors import MeasurementInvalid, Regression, UsageError, VerificationFailed
from groupnl_deploy.remote.retry import DEFAULT_RETRY_S
from groupnl_deploy.remote.waiting import DEFAULT_WAIT_S
from groupnl_deploy.words import sentence

if TYPE_CHECKING:
    from groupnl_deploy.analysis.rule import Rule
    from groupnl_deploy.cli.compare_runs import Sides
    from groupnl_deploy.report.compare import Comparison

MOST_PAIRS = 1000


@guarded
@with_option_groups
def compare(
    ctx: typer.Context,
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="A [B]",
            help="Two artifacts or checkpoints, with --device; else runs, folders of runs of one thing each, or a set.",
        ),
    ],
    device: Annotated[
        list[str] | None, typer.Option("--device", metavar="NAME", help="Bench both there, in interleaved pairs.")
    ] = None,
    pairs: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, max=MOST_PAIRS, help="How many pairs are benched, with each number of threads."
        ),
    ] = 10,
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
            "--fail-if",
            metavar="RULE",
            help='Exit code 7 where B is shown to break it, such as "p50_ms>+3%"; invalid runs decide none.',
        ),
    ] = None,
    backend: Annotated[
        str | None, typer.Option(help="For both; left out, each has the one that runs its format.")
    ] = None,
    threads: Threads = "0",
    quick: Quick = False,
    meter: BenchMeter = None,
    port: MeterPort = None,
    out: Annotated[Path | None, typer.Option("--out", help="The folder of all runs; else one under runs/.")] = None,
    data: ImagesAt = None,
    *,
    settings: BenchSettings,
    sign: MeterSign = 1,
    meter_rate: MeterRate = None,
    wait: Wait = DEFAULT_WAIT_S,
    retry_for: RetryFor = DEFAULT_RETRY_S,
    allow_invalid: AllowInvalid = False,
    json: Json = False,
) -> None:
    """Compare B with A pair by pair: the ratio, its interval, an exact test, or "no difference shown".

    What differs beside what is compared, such as board, clock, versions or settings, is named before any number.

    Example: groupnl compare plain-onnx gnl-onnx --device local --pairs 10

    Example: groupnl compare runs/20261127-101500-set --fail-if "p50_ms>+3%"

    Example: groupnl compare runs/before runs/after --across versions
    """
    from groupnl_deploy.analysis.rule import parse_rule
    from groupnl_deploy.report.differences import known_conditions

    rules = tuple(map(parse_rule, fail_if or ()))
    meant = known_conditions([name.strip() for name in across.split(",")]) if across else frozenset()
    given = typed(ctx)
    if device:
        _require_decidable(rules, by, pairs * len(threads_of(threads)), metered=meter is not None)
        require_subjects(what)
        from groupnl_deploy.bench.meter import meter_plan
        from groupnl_deploy.deploy.named_devices import one_device

        work = with_workload(settings, quick=quick, paper=False, metered=meter is not None, given=given)
        manner = Manner(
            one_device("compare", device).name, meter_plan(meter, port, sign, meter_rate), wait, retry_for, data
        )
        places = [bench_pairs(what, backend, asked_settings(work, threads), pairs, out, manner)]
    else:
        places = _places(what)
        require_no_bench_option(given)
    found, sides = _compared(places, by, meant, rules)
    _show(found, sides, json)
    _require_sound(found, sides, allow_invalid)
    _require_kept(found)


def _require_decidable(rules: "tuple[Rule, ...]", by: str | None, pairs: int, metered: bool) -> None:
    """Refuse, before hours are spent, what those pairs could not tell."""
    from groupnl_deploy.analysis.metrics import BY_NAME
    from groupnl_deploy.analysis.rule import require_decidable
    from groupnl_deploy.words import known_word

    require_decidable(rules, pairs)
    if by is not None:
        known_word("column to compare", by, BY_NAME)
    asked = [*(rule.metric for rule in rules), *([by] if by else [])]
    energy = next((name for name in asked if BY_NAME[name].energy), None)
    if energy and not metered:
        raise UsageError(f"{energy} needs a power meter, and none is named.", "Give --meter, such as --meter km003c.")


def _compared(
    places: list[Path], by: str | None, meant: frozenset[str], rules: "tuple[Rule, ...]"
) -> "tuple[Comparison, Sides]":
    from dataclasses import replace

    from groupnl_deploy.cli.compare_runs import find_sides, naming_left_out
    from groupnl_deploy.report.compare import compare as compare_rows

    sides = find_sides(places)
    others = (*sides.incomplete, *sides.unpaired)
    with naming_left_out(sides.damaged, others):
        found = compare_rows(sides.a, sides.b, sides.names, by=by, meant=meant, rules=rules)
    return replace(found, left_out=(*sides.damaged, *others), without_digest=sides.without_digest), sides


def _places(what: list[str]) -> list[Path]:
    """What was named, where all of it holds runs."""
    from groupnl_deploy.cli.compare_runs import holds_runs

    for named in what:
        if not holds_runs(Path(named)):
            raise no_run(named)
    return [Path(named) for named in what]


def _show(found: "Comparison", sides: "Sides", json: bool) -> None:
    from groupnl_deploy.report.comparison_text import answer, notes, preface, table

    if json:
        console.show_json(found)
        return
    for text in (*preface(found), *answer(found)):
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
        undecided = ", and no rule is decided" if found.judgements else ""
        raise MeasurementInvalid(
            f"{len(found.invalid)} of {2 * found.pairs} runs are invalid, the first {first.run}: {first.problems[0]}.",
            f"See to that and compare again, or give --allow-invalid; the marks stay{undecided}.",
        )
    if found.disagree:
        raise MeasurementInvalid(
            f"{sentence(found.disagree[0])}.", "See what differs between the runs (heat, clock, other programs)."
        )
    if sides.incomplete:
        raise MeasurementInvalid(sides.incomplete[0], "Bench again, or give --allow-invalid to leave it out.")


def _require_kept(found: "Comparison") -> None:
    """Raise `Regression` where a rule is broken."""
    broken = [judged for judged in found.judgements if judged.outcome == "broken"]
    if broken:
        raise Regression(broken[0].says, "See what changed between A and B, or change the rule.")
