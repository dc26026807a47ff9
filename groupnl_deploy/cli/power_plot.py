"""`groupnl power plot`: recordings as a picture or a page."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groupnl_deploy.cli import console
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.file_options import FileOptions
from groupnl_deploy.cli.option_groups import with_option_groups
from groupnl_deploy.cli.options import IntegrationMethod, Recordings
from groupnl_deploy.cli.picture_file import PAGE_FORMAT, picture_format
from groupnl_deploy.errors import UsageError

if TYPE_CHECKING:
    from groupnl_deploy.bench.run import BenchRun
    from groupnl_deploy.report.recordings import DrawnRecording
    from power.integration import IntegrationMethod as Method
    from power.reading.asked import Asked
    from power.trace import PowerTrace


@guarded
@with_option_groups
def plot(
    *,
    recordings: Recordings,
    out: Annotated[Path, typer.Option("--out", help="The file: .png, .svg, .pdf or .html; it must not exist yet.")],
    run: Annotated[
        Path | None,
        typer.Option("--run", help="The run folder whose phases to shade; else that which the recording lies in."),
    ] = None,
    method: IntegrationMethod = None,
    file: FileOptions,
) -> None:
    """Draw power, joules as they add up, and voltage over time; several recordings over one another.

    Holes stay empty, phases are shaded, marks (groupnl power mark) are upright lines, and what is emulated or invalid
    says so. Times are counted from each recording's begin; seconds since 1970 from the first row, whose date is said.
    Of a long recording fewer points are drawn, with every peak.

    With a run, its network, backend, device, joules and their error stand above. A .html is one page that needs no
    network: zoom by mouse or keys, and read every value.

    Example: groupnl power plot trace.csv --out trace.png

    Example: groupnl power plot before.csv after.csv --out both.html

    Example: groupnl power plot runs/digits/runs/net-onnxruntime/power.csv --out run.svg
    """
    format = picture_format(out, pages=True)
    _require_one_run(recordings, run)
    from groupnl_deploy.report.html.recordings_page import recordings_page
    from groupnl_deploy.words import command_line, known_word
    from groupnl_deploy.workspace import write_atomically
    from power.integration import METHODS

    rule = None if method is None else known_word("method", method, METHODS)
    names = _names(recordings)
    asked = file.asked()
    drawn = [_drawn(path, name, run, rule, asked) for path, name in zip(recordings, names, strict=True)]
    if format == PAGE_FORMAT:
        again = _again(recordings, run, rule, file)
        data = recordings_page(drawn, command_line(*again)).encode("utf-8")
    else:
        from groupnl_deploy.report.power_plot import draw_power

        data = draw_power(drawn, format)
    write_atomically(out, data)
    for name, one in zip(names, drawn, strict=True):
        for remark in one.index.trace.remarks:
            console.say(remark if len(drawn) == 1 else f"{name}: {remark}")
    console.show_text(str(out))


def _require_one_run(recordings: Sequence[Path], run: Path | None) -> None:
    if run is not None and len(recordings) > 1:
        raise UsageError(
            f"--run names one run, and there are {len(recordings)} recordings.",
            "Name runs' folders in place of their recordings; each has its own phases then.",
        )
    if twice := [path for path, count in Counter(path.resolve() for path in recordings).items() if count > 1]:
        raise UsageError(f"{twice[0]} is named twice.", "Name each recording once.")


def _names(recordings: Sequence[Path]) -> list[str]:
    """What tells the recordings apart: a run's folder, a file's name, or else the path as it is given."""
    short = [(_its_own_run(path) or path).name for path in recordings]
    return [name if short.count(name) == 1 else str(path) for name, path in zip(short, recordings, strict=True)]


def _again(recordings: Sequence[Path], run: Path | None, rule: "Method | None", file: FileOptions) -> list[str]:
    options = [*(["--run", str(run)] if run else []), *(["--method", rule] if rule else [])]
    return ["power", "plot", *map(str, recordings), *options, *file.words(), "--out", "plot-again.html"]


def _drawn(recording: Path, name: str, run: Path | None, rule: "Method | None", asked: "Asked") -> "DrawnRecording":
    """One recording with all that is drawn of it. Raises `UsageError` for a run of another time."""
    from groupnl_deploy.report.phases import run_phases
    from groupnl_deploy.report.recordings import DrawnRecording
    from power.energy import EnergyIndex
    from power.marks import read_marks

    folder = run or _its_own_run(recording)
    bench_run, trace, problems = _with_run(recording, folder, run is not None, asked)
    phases = () if bench_run is None else run_phases(bench_run, trace)
    if bench_run is not None and not phases:
        raise UsageError(
            f"The run in {folder} and the recording {recording} have no moment in common.",
            "Name the run that this recording was made in, or leave --run out.",
        )
    title, about = ("", "") if bench_run is None else _about(bench_run, trace, recording)
    return DrawnRecording(
        name=name,
        index=EnergyIndex(trace, method=rule),
        phases=phases,
        marks=read_marks(recording),
        problems=problems,
        title=title,
        about=about,
    )


def _about(run: "BenchRun", trace: "PowerTrace", recording: Path) -> tuple[str, str]:
    """What ran on what, as a title, and what it took, as lines below."""
    from groupnl_deploy.report.row import build_row
    from groupnl_deploy.report.run_caption import run_caption, run_title

    row = build_row(run, trace, recording.parent.name)
    return run_title(row), run_caption(row)


def _its_own_run(recording: Path) -> Path | None:
    """The folder of the run that the recording lies in."""
    from groupnl_deploy.workspace import POWER_FILE, RUN_FILE

    its_own = recording.name == POWER_FILE and (recording.parent / RUN_FILE).is_file()
    return recording.parent.resolve() if its_own else None


def _with_run(
    recording: Path, folder: Path | None, is_given: bool, asked: "Asked"
) -> tuple["BenchRun | None", "PowerTrace", tuple[str, ...]]:
    """The recording, and the run it belongs to if there is one, with why that run is invalid."""
    from groupnl_deploy.bench.run import load_run
    from groupnl_deploy.report.row import build_row
    from power.trace_io import read_csv

    if folder is None:
        return None, read_csv(recording, asked), ()
    bench_run, trace = load_run(folder)
    problems = build_row(bench_run, trace, folder.name).problems
    if is_given:
        return bench_run, read_csv(recording, asked), problems
    return (bench_run, trace, problems) if trace is not None else (None, read_csv(recording), ())
