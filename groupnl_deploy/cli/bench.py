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
from groupnl_deploy.cli.options import DeviceName, Json, MeterPort, MeterRate, MeterSign, Wait
from groupnl_deploy.cli.report import require_valid, show_report
from groupnl_deploy.cli.setting_options import BenchSettings
from groupnl_deploy.deploy.inventory import get_device
from groupnl_deploy.errors import UsageError
from groupnl_deploy.remote.waiting import DEFAULT_WAIT_S
from groupnl_deploy.words import command_line

if TYPE_CHECKING:
    from groupnl_deploy.campaign.cell import Cell


@guarded
@with_option_groups
def bench(
    device: DeviceName,
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ARTIFACT|CHECKPOINT",
            help="Folders, exported and pushed first where need be, or ids of what is there; else the newest.",
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
    *,
    settings: BenchSettings,
    sign: MeterSign = 1,
    meter_rate: MeterRate = None,
    wait: Wait = DEFAULT_WAIT_S,
    json: Json = False,
) -> None:
    """Benchmark artifacts, one after the other: time, FPS, memory, accuracy and, with a meter, energy.

    A checkpoint is exported beside itself first, with every pass. What the device has not got is pushed.

    Example: groupnl bench plain groupnl --device local

    Example: groupnl bench --device pi --backend onnxruntime --meter km003c --port /dev/ttyACM0
    """
    get_device(device)
    _require_sense(what or [], artifact, out)
    named: list[str | None] = [*what] if what else [artifact]
    subjects = [subject_of(one, backend) for one in named]
    from groupnl_deploy.bench.meter import meter_plan
    from groupnl_deploy.campaign.bench_job import bench_cell
    from groupnl_deploy.campaign.cell import Cell
    from groupnl_deploy.report.build import build_report

    plan = meter_plan(meter, port, sign, meter_rate)
    bench_one = partial(bench_cell, plan=plan, out=out, wait_s=wait, data=data)
    folders = _benched(subjects, Cell(device=device, settings=settings), bench_one)
    report = build_report(folders)
    show_report(report, "json" if json else "table")
    console.say(f"Next: {command_line('report', *folders)}")
    require_valid(report)


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
