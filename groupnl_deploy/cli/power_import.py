"""`groupnl power import`: a recording from elsewhere as one of ours."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groupnl_deploy.cli import console
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.file_options import FileOptions
from groupnl_deploy.cli.option_groups import with_option_groups
from groupnl_deploy.cli.options import Json, Recording
from groupnl_deploy.errors import UsageError
from groupnl_deploy.words import command_line, counted

if TYPE_CHECKING:
    from power.trace import PowerTrace


@guarded
@with_option_groups
def import_file(
    *,
    recording: Recording,
    out: Annotated[Path, typer.Option("--out", help="The CSV file to write; it must not exist yet.")],
    file: FileOptions,
    json: Json = False,
) -> None:
    """Read a recording of any known format, and write it as one of ours.

    What a file is, is told by its content; `groupnl power formats` lists what is known. gzip is unpacked, and - is
    standard input. Nothing is guessed: what is not certain is asked for, by the options below.

    Example: groupnl power import ppk2.csv --voltage 5 --out trace.csv

    Example: groupnl power import log.csv --columns t=1,v=3,i=4 --units ms,mV,mA --out trace.csv
    """
    from power.trace_io import read_csv, write_csv

    if out.exists() or out.is_symlink():
        raise UsageError(f"{out} exists already, and is not replaced.", "Choose another name, or remove it first.")
    trace = read_csv(recording, file.asked())
    _require_rows(trace, recording)
    write_csv(trace, out)
    _show(trace, out, json)


def _require_rows(trace: "PowerTrace", recording: Path) -> None:
    if not len(trace.t_s):
        raise UsageError(f"{recording} holds no measurement.", "Record again, or copy the file whole.")


def _show(trace: "PowerTrace", out: Path, json: bool) -> None:
    length_s = float(trace.t_s[-1] - trace.t_s[0])
    if json:
        console.show_json(
            {
                "schema_version": 1,
                "path": str(out),
                "rows": len(trace.t_s),
                "length_s": length_s,
                "holes_by_its_word": len(trace.breaks),
                "started_at": trace.started_at,
                "meter": vars(trace.facts),
                "notes": list(trace.remarks),
            }
        )
        return
    holes = f", {counted(len(trace.breaks), 'hole')} by its own word" if trace.breaks else ""
    console.show_text(f"{out}: {counted(len(trace.t_s), 'row')} in {length_s:.3f} s{holes}")
    for remark in trace.remarks:
        console.show_prose(remark)
    console.say(f"Next: {command_line('power', 'integrate', out)}")
