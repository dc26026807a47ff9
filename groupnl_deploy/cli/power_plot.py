"""`groupnl power plot`: recordings as a picture or a page."""

import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groupnl_deploy.cli import console
from groupnl_deploy.cli.drawn_recordings import drawn_recording, names_of
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.file_options import FileOptions
from groupnl_deploy.cli.option_groups import with_option_groups
from groupnl_deploy.cli.options import IntegrationMethod, Recordings
from groupnl_deploy.cli.picture_file import PAGE_FORMAT, picture_format
from groupnl_deploy.errors import UsageError

if TYPE_CHECKING:
    from groupnl_deploy.report.recordings import DrawnRecording
    from power.integration import IntegrationMethod as Method


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

    With a run, of bench or of power run, what ran where, its joules and their error stand above. A .html is one page
    that needs no network: zoom by mouse or keys, and read every value.

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
    names = names_of(recordings)
    asked = file.asked()
    drawn = [drawn_recording(path, name, run, rule, asked) for path, name in zip(recordings, names, strict=True)]
    if format == PAGE_FORMAT:
        again = _again(recordings, run, rule, file)
        data = recordings_page(drawn, command_line(*again)).encode("utf-8")
    else:
        data = _picture(drawn, format)
    write_atomically(out, data)
    for name, one in zip(names, drawn, strict=True):
        for remark in one.index.trace.remarks:
            console.say(remark if len(drawn) == 1 else f"{name}: {remark}")
    console.show_text(str(out))


def _picture(drawn: "Sequence[DrawnRecording]", format: str) -> bytes:
    """What the font of pictures has no letters for is told in a sentence, and not by matplotlib, once a letter."""
    from groupnl_deploy.report.power_plot import draw_power

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        data = draw_power(drawn, format)
    if any("missing from font" in str(one.message) for one in warned):
        console.say("The font of pictures lacks some letters of these names; a page shows them: --out x.html.")
    return data


def _require_one_run(recordings: Sequence[Path], run: Path | None) -> None:
    if run is not None and len(recordings) > 1:
        raise UsageError(
            f"--run names one run, and there are {len(recordings)} recordings.",
            "Name runs' folders in place of their recordings; each has its own phases then.",
        )
    if twice := [path for path, count in Counter(path.resolve() for path in recordings).items() if count > 1]:
        raise UsageError(f"{twice[0]} is named twice.", "Name each recording once.")


def _again(recordings: Sequence[Path], run: Path | None, rule: "Method | None", file: FileOptions) -> list[str]:
    options = [*(["--run", str(run)] if run else []), *(["--method", rule] if rule else [])]
    return ["power", "plot", *map(str, recordings), *options, *file.words(), "--out", "plot-again.html"]
