"""`groupnl power mark`: a label at this instant, in a recording that grows in another shell."""

import contextlib
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from groupnl_deploy.cli import console
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.options import Json


@guarded
def mark(
    label: Annotated[
        str, typer.Argument(help="What happens now, such as “camera on”; one line of 80 letters at most.")
    ],
    out_of: Annotated[
        Path | None,
        typer.Option(
            "--out-of",
            metavar="RECORDING",
            help="Which recording, by its file or its folder; needed where several grow.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Add a mark to the recording that grows on this machine: that of `power record` or `power run`.

    It bears the instant at which this command was started, stands beside the recording (trace.csv has its marks in
    trace.marks.csv), and is safe on the disk when this returns. `power integrate` takes marks for times.

    Example: groupnl power mark "camera on"

    Example: groupnl power mark load --out-of trace.csv && groupnl power mark rest --out-of trace.csv
    """
    at_s = _started_s()
    from groupnl_deploy.bench.live_recordings import live_recordings, the_one
    from power.marks import Mark, add_mark, marks_path, require_label

    kept = require_label(label)
    live = the_one(live_recordings(), out_of)
    recording, done = Path(live.path), Mark(at_s - live.t0_s, kept)
    add_mark(recording, done, datetime.now(UTC) - timedelta(seconds=time.monotonic() - at_s))
    if json:
        console.show_json(
            {"schema_version": 1, "recording": live.path, "marks": str(marks_path(recording)), "mark": vars(done)}
        )
        return
    console.show_text(f"{live.path}: “{done.label}” at {done.t_s:.3f} s")


def _started_s() -> float:
    """When this process began, on `time.monotonic()`, in seconds: Python's start takes longer than a finger.

    proc_pid_stat(5) has it in hundredths of a second since the machine's start, time asleep included.
    """
    now_s = time.monotonic()
    with contextlib.suppress(OSError, ValueError, IndexError, AttributeError):
        behind_name = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - int(behind_name[19]) / os.sysconf("SC_CLK_TCK")
        if 0 <= age_s < 60:
            return now_s - age_s
    return now_s
