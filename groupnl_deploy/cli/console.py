"""What people see: data on stdout, talk and progress on stderr. The only user of rich.

rich obeys `NO_COLOR` and a stream that is no terminal; a bar is drawn on a terminal only.
"""

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from device_agent.strict import to_json
from groupnl_deploy.cli.entry import DEBUG_VARIABLE
from groupnl_deploy.progress import Task


def debugging() -> bool:
    """Whether the user asked for tracebacks."""
    return bool(os.environ.get(DEBUG_VARIABLE))


def show_text(text: str) -> None:
    """Text for stdout, as it is."""
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
    sys.stdout.flush()


def show_json(value: Any) -> None:
    """One JSON document on stdout."""
    show_text(to_json(value))


def show_table(headings: Sequence[tuple[str, bool]], rows: Sequence[Sequence[str]]) -> None:
    """A table on stdout. Each heading says whether its column is numeric; cells are plain text.

    One that is wider than the terminal goes on below, with the words that begin each row repeated, so that no
    number is ever cut or broken.
    """
    out = Console()
    if not out.is_terminal and "COLUMNS" not in os.environ:
        out = Console(width=_PIPE_WIDTH)  # a pipe has no width of its own: never go on below
    keys = next((index for index, (_, numeric) in enumerate(headings) if numeric), len(headings))
    left = list(range(keys, len(headings)))
    while True:
        part = list(range(keys))
        while left and (len(part) == keys or _width(out, _table(headings, rows, [*part, left[0]])) <= out.width):
            part.append(left.pop(0))
        out.print(_table(headings, rows, part))
        if not left:
            return


_PIPE_WIDTH = 1000


def _table(headings: Sequence[tuple[str, bool]], rows: Sequence[Sequence[str]], columns: Sequence[int]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for index in columns:
        heading, numeric = headings[index]
        unit_below = heading.replace(" (", "\n(")
        table.add_column(unit_below, justify="right" if numeric else "left", no_wrap=numeric, overflow="fold")
    for row in rows:
        table.add_row(*(Text(row[index]) for index in columns))
    return table


def _width(console: Console, table: Table) -> int:
    return Measurement.get(console, console.options.update(max_width=1000), table).maximum


def say(text: str) -> None:
    """A line for people, on stderr."""
    Console(stderr=True, soft_wrap=True).print(escape(text), highlight=False)


def show_error(message: str, remedy: str) -> None:
    """One sentence of what happened and one of what to do, on stderr."""
    error = Console(stderr=True, soft_wrap=True)
    error.print(f"[bold red]Error:[/] {escape(message)}", highlight=False)
    error.print(f"[bold]Try:[/]   {escape(remedy)}", highlight=False)


def show_traceback() -> None:
    """The current exception in full, on stderr."""
    Console(stderr=True).print_exception()


class TerminalReporter:
    """Progress on stderr: a bar that moves on a terminal; elsewhere a line at the start of each task."""

    def note(self, text: str) -> None:
        """One line that stays."""
        say(text)

    @contextlib.contextmanager
    def task(self, name: str) -> Iterator[Task]:
        """A bar while the block runs."""
        console = Console(stderr=True)
        if not console.is_terminal:
            say(f"{name} …")
            yield lambda done, total, detail="": None
            return
        # The clock before the words: what does not fit is cut at the end.
        words = TextColumn("{task.description}  {task.fields[detail]}")
        columns = (SpinnerColumn(), TimeElapsedColumn(), BarColumn(20), words)
        with Progress(*columns, console=console, transient=True) as progress:
            bar = progress.add_task(escape(name), total=None, detail="")
            yield lambda done, total, detail="": progress.update(
                bar, completed=done, total=total, detail=escape(detail)
            )
