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
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
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


def show_table(headings: Sequence[tuple[str, bool]], rows: Sequence[Sequence[str]], title: str | None = None) -> None:
    """A table on stdout. Each heading says whether its column is numeric; cells are plain text."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for heading, numeric in headings:
        table.add_column(heading, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    out = Console()
    # A pipe has no width: give the table what it needs, so that no cell is cut.
    Console(width=None if out.is_terminal else max(out.width, 160)).print(table)


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
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[detail]}"),
        )
        with Progress(*columns, console=console, transient=True) as progress:
            bar = progress.add_task(escape(name), total=None, detail="")
            yield lambda done, total, detail="": progress.update(
                bar, completed=done, total=total, detail=escape(detail)
            )
