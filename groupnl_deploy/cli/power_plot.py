"""`groupnl power plot`: a recording as a picture."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groupnl_deploy.cli import console
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.options import AllowImplausible, IntegrationMethod, Recording
from groupnl_deploy.cli.picture_file import picture_format
from groupnl_deploy.errors import UsageError

if TYPE_CHECKING:
    from groupnl_deploy.bench.run import BenchRun
    from power.trace import PowerTrace


@guarded
def plot(
    recording: Recording,
    out: Annotated[Path, typer.Option("--out", help="The file: .png, .pdf or .svg; it must not exist yet.")],
    run: Annotated[
        Path | None,
        typer.Option("--run", help="The run folder whose phases to shade; else that which the recording lies in."),
    ] = None,
    method: IntegrationMethod = None,
    allow_implausible: AllowImplausible = False,
) -> None:
    """Draw power and voltage over time. Holes stay empty, phases are shaded, and what is emulated or invalid says so.

    With a run, its network, backend, device, joules and their error stand above.

    Example: groupnl power plot trace.csv --out trace.png

    Example: groupnl power plot runs/digits/runs/net-onnxruntime/power.csv --out run.png
    """
    format = picture_format(out)
    from groupnl_deploy.report.phases import run_phases
    from groupnl_deploy.report.power_plot import draw_power
    from groupnl_deploy.words import known_word
    from groupnl_deploy.workspace import write_atomically
    from power.energy import EnergyIndex
    from power.integration import METHODS

    rule = None if method is None else known_word("method", method, METHODS)
    bench_run, trace, problems = _with_run(recording, run, allow_implausible)
    index = EnergyIndex(trace, method=rule)
    phases = () if bench_run is None else run_phases(bench_run, trace)
    if bench_run is not None and not phases:
        raise UsageError(
            f"The run in {run or recording.parent} and the recording {recording} have no moment in common.",
            "Name the run that this recording was made in, or leave --run out.",
        )
    name, about = (recording.name, "") if bench_run is None else _about(bench_run, trace, recording)
    write_atomically(out, draw_power(index, name, phases, format, problems, about=about))
    for remark in trace.remarks:
        console.say(remark)
    console.show_text(str(out))


def _about(run: "BenchRun", trace: "PowerTrace", recording: Path) -> tuple[str, str]:
    """What ran on what, as a title, and what it took, as lines below."""
    from groupnl_deploy.report.row import build_row
    from groupnl_deploy.report.run_caption import run_caption, run_title

    row = build_row(run, trace, recording.parent.name)
    return run_title(row), run_caption(row)


def _with_run(
    recording: Path, run: Path | None, allow_implausible: bool
) -> tuple["BenchRun | None", "PowerTrace", tuple[str, ...]]:
    """The recording, and the run it belongs to if there is one, with why that run is invalid."""
    from groupnl_deploy.bench.run import load_run
    from groupnl_deploy.report.row import build_row
    from groupnl_deploy.workspace import POWER_FILE, RUN_FILE
    from power.trace_io import read_csv

    its_own = recording.name == POWER_FILE and (recording.parent / RUN_FILE).is_file()
    folder = run or (recording.parent if its_own else None)
    if folder is None:
        return None, read_csv(recording, allow_implausible=allow_implausible), ()
    bench_run, trace = load_run(folder)
    problems = build_row(bench_run, trace, folder.name).problems
    if run is not None:
        return bench_run, read_csv(recording, allow_implausible=allow_implausible), problems
    return (bench_run, trace, problems) if trace is not None else (None, read_csv(recording), ())
