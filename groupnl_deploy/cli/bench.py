"""`groupnl bench`: what was exported, or is exported now, measured on a device."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groupnl_deploy.cli import console
from groupnl_deploy.cli.bench_subjects import Subject, subject_of
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.option_groups import with_option_groups
from groupnl_deploy.cli.options import AllowInvalid, Json, MeterPort, MeterRate, MeterSign, OneDevice, RetryFor, Wait
from groupnl_deploy.cli.report import require_valid, show_report
from groupnl_deploy.cli.setting_options import BenchSettings
from groupnl_deploy.deploy.named_devices import one_device
from groupnl_deploy.errors import UsageError
from groupnl_deploy.remote.retry import DEFAULT_RETRY_S
from groupnl_deploy.remote.waiting import DEFAULT_WAIT_S
from groupnl_deploy.words import command_line

if TYPE_CHECKING:
    from groupnl_deploy.campaign.cell import Cell


@guarded
@with_option_groups
def bench(
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
            help="onnxruntime, pytorch, or null (what the measuring costs); left out, the one that runs the folder."
        ),
    ] = None,
    artifact: Annotated[str | None, typer.Option(metavar="ARTIFACT", help="The same as one ARTIFACT.")] = None,
    meter: Annotated[
        str | None, typer.Option(help="The power meter, such as km003c; `groupnl power list` shows the words.")
    ] = None,
    port: MeterPort = None,
    out: Annotated[Path | None, typer.Option("--out", help="The run folder; else one under runs/.")] = None,
    data: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Where the images of the data set “folder” lie, if not where they were seen."),
    ] = None,
    fetch: Annotated[
        bool,
        typer.Option("--fetch", help="Benchmark nothing: fetch what the device finished after its link was lost."),
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
    """Benchmark artifacts, one after the other: time, FPS, memory, accuracy and, with a meter, energy.

    A checkpoint is exported beside itself first, with every pass. What the device has not got is pushed.

    Example: groupnl bench plain groupnl --device local

    Example: groupnl bench --device pi --backend onnxruntime --meter km003c --port /dev/ttyACM0

    A benchmark goes on where the link to the device is lost, and its result is fetched when the device is back; later
    with --fetch, within seven days. Ctrl-C ends it there too.

    Example: groupnl bench --device pi --fetch
    """
    name = one_device("bench", device).name
    if fetch:
        given = {"--backend": backend, "--artifact": artifact, "--meter": meter, "--port": port, "--data": data}
        _show(_fetched(name, what or [], out, (wait, retry_for), given), json, allow_invalid)
        return
    _require_sense(what or [], artifact, out)
    named: list[str | None] = [*what] if what else [artifact]
    subjects = [subject_of(one, backend) for one in named]
    from groupnl_deploy.bench.meter import meter_plan
    from groupnl_deploy.campaign.bench_job import bench_cell
    from groupnl_deploy.campaign.cell import Cell

    plan = meter_plan(meter, port, sign, meter_rate)
    bench_one = partial(bench_cell, plan=plan, out=out, wait_s=wait, data=data, retry_for_s=retry_for)
    _show(_benched(subjects, Cell(device=name, settings=settings), bench_one), json, allow_invalid)


def _show(folders: list[Path], json: bool, allow_invalid: bool) -> None:
    from groupnl_deploy.report.build import build_report

    if not folders and not json:
        return
    report = build_report(folders)
    show_report(report, "json" if json else "table")
    if folders:
        console.say(f"Next: {command_line('report', *folders)}")
    if not allow_invalid:
        require_valid(report)


def _fetched(
    device: str, ids: list[str], out: Path | None, times: tuple[float, float], given: dict[str, str | None]
) -> list[Path]:
    """The runs' folders, none where nothing lies there."""
    useless = [option for option, value in given.items() if value is not None]
    if useless:
        raise UsageError(
            f"{useless[0]} says how to benchmark, and --fetch benchmarks nothing.", f"Leave {useless[0]} out."
        )
    from groupnl_deploy.bench.fetch import fetch_benches

    reporter, (wait_s, retry_for_s) = console.TerminalReporter(), times
    folders = fetch_benches(device, ids, out=out, reporter=reporter, wait_s=wait_s, retry_for_s=retry_for_s)
    for folder in folders:
        console.say(f"Kept in {folder}.")
    if not folders:
        console.say(f"No benchmark waits on {device} to be fetched.")
    return folders


def _require_sense(what: list[str], artifact: str | None, out: Path | None) -> None:
    if what and artifact is not None:
        raise UsageError(f"{what[0]} and --artifact {artifact} both say what to benchmark.", "Leave one of them out.")
    if len(what) > 1 and out is not None:
        raise UsageError(f"{len(what)} runs cannot lie in one folder, {out}.", "Leave --out out, or bench one.")
    twice = next((one for one in what if what.count(one) > 1), None)
    if twice is not None:
        raise UsageError(f"{twice} is named twice.", "Name it once; `groupnl run` has repeats.")


def _benched(subjects: list[Subject], cell: "Cell", bench_cell: Callable[..., Path]) -> list[Path]:
    """The runs' folders; what was measured before one fails stays there."""
    reporter, folders = console.TerminalReporter(), []
    for subject in subjects:
        named = subject.artifact(reporter)
        folders.append(bench_cell(replace(cell, backend=subject.backend), named, reporter=reporter))
        console.say(f"Kept in {folders[-1]}.")
    return folders
