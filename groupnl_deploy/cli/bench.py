"""`groupnl bench`: what was exported, or is exported now, measured on a device."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from device_agent.backend_table import BACKENDS
from groupnl_deploy.cli import console
from groupnl_deploy.cli.bench_set import Manner, bench_set, new_place
from groupnl_deploy.cli.bench_subjects import Subject, subject_of
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
    OneDevice,
    RetryFor,
    Wait,
    first_but,
    typed,
)
from groupnl_deploy.cli.report import require_valid, show_report
from groupnl_deploy.cli.report_profile import show_profiles
from groupnl_deploy.cli.setting_options import BenchSettings, Paper, Quick, Threads, asked_settings, with_workload
from groupnl_deploy.deploy.named_devices import one_device
from groupnl_deploy.errors import UsageError
from groupnl_deploy.remote.retry import DEFAULT_RETRY_S
from groupnl_deploy.remote.waiting import DEFAULT_WAIT_S
from groupnl_deploy.words import command_line

if TYPE_CHECKING:
    from device_agent.settings import Settings
    from groupnl_deploy.report.build import Report

MOST_REPEATS = 1000
# What --fetch reads; every other option says how to bench.
_OF_FETCH = frozenset({"device", "what", "fetch", "out", "wait", "retry_for", "allow_invalid", "json"})


@guarded
@with_option_groups
def bench(
    ctx: typer.Context,
    device: OneDevice,
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ARTIFACT|CHECKPOINT",
            help="Folders, exported and pushed first where need be, or six or more digits of the ids of what is there; "
            "else what was pushed and not tried yet, is current or is the newest, in this order. "
            "With --fetch: ids of benchmarks; else all.",
        ),
    ] = None,
    backend: Annotated[
        str | None,
        typer.Option(
            help=f"{', '.join(name for name, one in BACKENDS.items() if one.computes)}, or null (what the measuring "
            "costs); left out, the usual one of the folder's format."
        ),
    ] = None,
    artifact: Annotated[
        list[str] | None, typer.Option(metavar="ARTIFACT", help="The same as an ARTIFACT; may be repeated.")
    ] = None,
    repeats: Annotated[
        int, typer.Option(help="Measure everything so many times, in turns.", metavar="N", min=1, max=MOST_REPEATS)
    ] = 1,
    threads: Threads = "0",
    quick: Quick = False,
    paper: Paper = False,
    meter: BenchMeter = None,
    port: MeterPort = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="The folder of the run, or of all of several; else one under runs/.")
    ] = None,
    data: ImagesAt = None,
    fetch: Annotated[
        bool,
        typer.Option("--fetch", help="Benchmark nothing: fetch what the device finished after its link was lost."),
    ] = False,
    profile: Annotated[
        bool,
        typer.Option("--profile", help="Show what each layer takes, from the runtime's profiler, behind all else."),
    ] = False,
    *,
    settings: BenchSettings,
    sign: MeterSign = 1,
    meter_rate: MeterRate = None,
    wait: Wait = DEFAULT_WAIT_S,
    retry_for: RetryFor = DEFAULT_RETRY_S,
    allow_invalid: AllowInvalid = False,
    json: Json = False,
) -> None:
    """Benchmark artifacts: time, FPS, memory, accuracy and, with a meter, energy.

    A checkpoint is exported beside itself first, with every pass. What the device has not got is pushed.

    Example: groupnl bench plain groupnl --device local --repeats 3

    Example: groupnl bench --device pi --backend onnxruntime --threads 1,2,4 --meter km003c --port /dev/ttyACM0

    Several artifacts, numbers of threads or repeats are a set: each run has an agent of its own, each round measures
    all once in a random order, and everything lies in one folder, which report takes.

    A benchmark goes on where the link to the device is lost, and its result is fetched when the device is back; later
    with --fetch, within seven days. Ctrl-C ends it there too, and keeps the runs that are finished.

    Example: groupnl bench --device pi --fetch
    """
    name = one_device("bench", device).name
    given = typed(ctx)
    if fetch:
        _require_no_bench_option(given)
        folders = _fetched(name, what or [], out, wait, retry_for)
        _show(folders, folders, json, allow_invalid)
        return
    named = [*(what or []), *(artifact or [])]
    _require_once(named)
    work = with_workload(settings, quick=quick, paper=paper, metered=meter is not None, given=given)
    under = asked_settings(work, threads)
    subjects = [subject_of(one, backend) for one in named] or [subject_of(None, backend)]
    from groupnl_deploy.bench.meter import meter_plan

    manner = Manner(name, meter_plan(meter, port, sign, meter_rate), wait, retry_for, data, profile)
    shown, folders = _benched(subjects, under, repeats, out, manner)
    _show(folders, shown, json, allow_invalid, paper)


def _benched(
    subjects: Sequence[Subject], settings: "Sequence[Settings]", repeats: int, out: Path | None, manner: Manner
) -> tuple[list[Path], list[Path]]:
    """What `report` is told for all of it, and the runs' folders."""
    many = len(subjects) * len(settings) * repeats > 1
    place = new_place(out) if many else out
    manner.require_possible((subject.backend for subject in subjects), settings, place)
    reporter = console.TerminalReporter()
    artifacts = [subject.artifact(reporter) for subject in subjects]
    if not many:
        folder = manner.bench(artifacts[0], subjects[0].backend, settings[0], out)
        console.say(f"Kept in {folder}.")
        return [folder], [folder]
    from groupnl_deploy.bench.set_members import Wanted
    from groupnl_deploy.cli.compare_runs import runs_in

    wanted = [Wanted(found, subject.backend) for found, subject in zip(artifacts, subjects, strict=True)]
    together, folders = bench_set(wanted, settings, repeats, out, manner)
    console.say(f"Kept in {together}: {len(folders)} runs.")
    return [together], runs_in(together)  # as they were named, and not as they were drawn


def _show(folders: list[Path], shown: list[Path], json: bool, allow_invalid: bool, paper: bool = False) -> None:
    """The report of these runs, with the paper's conventions where they are asked for, and the command for it."""
    from groupnl_deploy.report.build import build_report

    if not folders and not json:
        return
    report = build_report(folders)
    show_report(report, "json" if json else "table")
    if paper and not json:
        _show_paper(report)
    if any(row.profile is not None for row in report.rows) and not json:
        show_profiles(report)
    if folders:
        console.say(f"Next: {command_line('report', *shown)}")
    if not allow_invalid:
        require_valid(report)


def _show_paper(report: "Report") -> None:
    from groupnl_deploy.report.paper import PAPER_CAPTION, paper_columns

    shown = paper_columns(report)
    headings = [(column.heading, column.numeric) for column in shown]
    console.show_records(headings, [[column.cell(row) for column in shown] for row in report.rows])
    console.show_prose(PAPER_CAPTION)


def _require_no_bench_option(given: Collection[str]) -> None:
    """Raise `UsageError` for an option that --fetch does not read."""
    if option := first_but(given, _OF_FETCH):
        raise UsageError(f"{option} says how to benchmark, and --fetch benchmarks nothing.", f"Leave {option} out.")


def _fetched(device: str, ids: list[str], out: Path | None, wait_s: float, retry_for_s: float) -> list[Path]:
    """The runs' folders, none where nothing lies there."""
    from groupnl_deploy.bench.fetch import fetch_benches

    reporter = console.TerminalReporter()
    folders = fetch_benches(device, ids, out=out, reporter=reporter, wait_s=wait_s, retry_for_s=retry_for_s)
    for folder in folders:
        console.say(f"Kept in {folder}.")
    if not folders:
        console.say(f"No benchmark waits on {device} to be fetched.")
    return folders


def _require_once(named: list[str]) -> None:
    twice = next((one for one in named if named.count(one) > 1), None)
    if twice is not None:
        raise UsageError(f"{twice} is named twice.", "Name it once; --repeats measures it again.")
