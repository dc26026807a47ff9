"""What people see: data on stdout, talk and progress on stderr. The only user of rich.

Names come from files of strangers, and a terminal obeys what is in them: a control code can move its cursor or change
what stands there already. So whatever is no letter is replaced on its way out, and escaped in JSON.

rich obeys `NO_COLOR` and a stream that is no terminal; a bar is drawn on a terminal only.
"""

import contextlib
import os
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, TextIO

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.measure import Measurement
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column, Table
from rich.text import Text
from rich.traceback import Traceback

from device_agent.strict import to_json
from groupnl_deploy.progress import Reporter, Task
from groupnl_deploy.words import ODD, harmless


def show_text(text: str) -> None:
    """Text for stdout."""
    _write(harmless(text))


def _write(text: str) -> None:
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
    sys.stdout.flush()


def show_prose(text: str) -> None:
    """Sentences on stdout, wrapped between words where a terminal is narrower; a path stays whole."""
    show_text(textwrap.fill(text, _stdout().width, break_long_words=False, break_on_hyphens=False))


def show_json(value: Any) -> None:
    """One JSON document on stdout."""
    show_json_text(to_json(value))


def show_json_text(text: str) -> None:
    """A document that is JSON already."""
    _write(ODD.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def show_table(headings: Sequence[tuple[str, bool]], rows: Sequence[Sequence[str]], wraps: bool = False) -> None:
    """A table on stdout. Each heading says whether its column is numeric; cells are plain text.

    One that is wider than the terminal goes on below, with the words that begin each row repeated, so that no
    number is ever cut or broken. `wraps`: not before its texts are wrapped as much as they can be.
    """
    out = _stdout()
    if wraps and _width(out, _table(headings, rows, range(len(headings)))) > out.width:
        headings = [_broken(heading, [row[index] for row in rows]) for index, heading in enumerate(headings)]
    width = _least_width if wraps else _width
    keys = next((index for index, (_, numeric) in enumerate(headings) if numeric), len(headings))
    left = list(range(keys, len(headings)))
    while True:
        part = list(range(keys))
        while left and (len(part) == keys or width(out, _table(headings, rows, [*part, left[0]])) <= out.width):
            part.append(left.pop(0))
        out.print(_fitted(out, headings, rows, part))
        if not left:
            break
    if len(part) < len(headings):
        _say_narrow(out, headings, rows, "the table goes on below, each row's first words repeated")


def _broken(heading: tuple[str, bool], cells: Sequence[str]) -> tuple[str, bool]:
    """A number's heading on several lines, such as the name of a network, no wider than a name needs to be."""
    text, numeric = heading
    width = max(_NARROW, *map(len, cells)) if cells else _NARROW
    return ("\n".join(textwrap.wrap(text, width, break_long_words=False)) if numeric else text), numeric


def show_records(headings: Sequence[tuple[str, bool]], rows: Sequence[Sequence[str]]) -> None:
    """`show_table` for few rows of many columns. Where it is wider than the terminal it is turned round.

    Then each heading has a line and each row a column, as many side by side as fit, the others below.
    """
    out = _stdout()
    if not rows or _width(out, _table(headings, rows, range(len(headings)))) <= out.width:
        show_table(headings, rows)
        return
    room = out.width - _EDGES - max(len(heading) for heading, _ in headings)
    longest = max(len(word) for row in rows for word in _unbroken(headings, row))
    least = max(1, min(longest, room - _GAP))  # what has no room at all is folded, not cut
    side_by_side = max(1, room // (least + _GAP))
    for first in range(0, len(rows), side_by_side):
        out.print(_turned(headings, rows[first : first + side_by_side], least))
    folded = ", and numbers or words that are longer are broken" if least < longest else ""
    _say_narrow(out, headings, rows, f"each row is a column{folded}")


@contextlib.contextmanager
def narrowness_told_once() -> Iterator[None]:
    """However many tables the block shows in a narrow terminal, why they look so is said once, at its end."""
    narrow: dict[str, int] = {}
    token = _NARROW_TABLES.set(narrow)
    try:
        yield
    finally:
        _NARROW_TABLES.reset(token)
        if narrow:
            _tell_narrow(narrow)


_NARROW_TABLES: ContextVar[dict[str, int] | None] = ContextVar("narrow tables", default=None)
"""The columns that the widest needs, by how they are shown instead; None where each is told of at once."""


def _say_narrow(out: Console, headings: Sequence[tuple[str, bool]], rows: Sequence[Sequence[str]], how: str) -> None:
    """Why a table looks otherwise than in a wide terminal, and how it is had in one piece."""
    needed, narrow = _width(out, _table(headings, rows, range(len(headings)))), _NARROW_TABLES.get()
    if narrow is None:
        _tell_narrow({how: needed})
    else:
        narrow[how] = max(needed, narrow.get(how, 0))


def _tell_narrow(narrow: Mapping[str, int]) -> None:
    how = "; or ".join(narrow)
    show = f"{max(narrow.values())} columns show {'it' if len(narrow) == 1 else 'all'} in one piece"
    say(f"The terminal is {_stdout().width} columns wide, so {how}; {show}, --json all of it.")


def _unbroken(headings: Sequence[tuple[str, bool]], row: Sequence[str]) -> Iterator[str]:
    """What must stand on one line: numbers, and the words of a text."""
    for (_, numeric), cell in zip(headings, row, strict=True):
        yield from [cell] if numeric else cell.split()


def _turned(headings: Sequence[tuple[str, bool]], rows: Sequence[Sequence[str]], least: int) -> Table:
    """One line a heading, the first as the table's head; a column is at least `least` wide, a row's text may wrap."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(headings[0][0], no_wrap=True)
    for row in rows:
        table.add_column(Text(harmless(row[0])), min_width=least, overflow="fold")
    for index, (heading, _) in enumerate(headings[1:], start=1):
        table.add_row(heading, *(Text(harmless(row[index])) for row in rows))
    return table


def is_terminal() -> bool:
    """Whether stdout is one."""
    return _stdout().is_terminal


def can_redraw() -> bool:
    """Whether stdout is a terminal on which lines can be drawn anew, in letters beyond ASCII."""
    out = _stdout()
    return out.is_terminal and not out.is_dumb_terminal and not out.options.ascii_only


def stdout_width() -> int:
    """Characters of a line on stdout."""
    return _stdout().width


_PIPE_WIDTH = 1000
_NARROW = 16  # letters of a heading's line, where a table has to be narrow
_GAP, _EDGES = 3, 2  # of a table in `SIMPLE_HEAD`: spaces between two columns, and those left and right of all


def _stdout() -> Console:
    out = Console()
    if not out.is_terminal and "COLUMNS" not in os.environ:
        return Console(width=_PIPE_WIDTH)  # a pipe has no width of its own: nothing is wrapped or turned
    return out


def _fitted(
    console: Console, headings: Sequence[tuple[str, bool]], rows: Sequence[Sequence[str]], columns: Sequence[int]
) -> Table:
    """The table with all words and numbers whole; where they have no room, words are folded."""
    whole = _table(headings, rows, columns)
    return whole if _least_width(console, whole) <= console.width else _table(headings, rows, columns, whole=False)


def _table(
    headings: Sequence[tuple[str, bool]], rows: Sequence[Sequence[str]], columns: Sequence[int], whole: bool = True
) -> Table:
    """`whole`: no column is narrower than its words and numbers, which rich would not see to by itself."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for index in columns:
        heading, numeric = headings[index]
        unit_below = "\n".join(harmless(line).replace(" (", "\n(") for line in heading.split("\n"))
        cells = [unit_below, *(harmless(row[index]) for row in rows)]
        table.add_column(
            unit_below,
            justify="right" if numeric else "left",
            no_wrap=numeric,
            overflow="fold",
            min_width=_longest(cells, numeric) if whole else None,
        )
    for row in rows:
        table.add_row(*(Text(harmless(row[index])) for index in columns))
    return table


def _longest(cells: Sequence[str], numeric: bool) -> int:
    """Letters of what stays on one line: a word of a text, a line of a numeric column."""
    return max((len(part) for cell in cells for part in (cell.split("\n") if numeric else cell.split())), default=0)


def _width(console: Console, table: Table) -> int:
    return Measurement.get(console, console.options.update(max_width=1000), table).maximum


def _least_width(console: Console, table: Table) -> int:
    return Measurement.get(console, console.options.update(max_width=1000), table).minimum


def say(text: str) -> None:
    """A line for people, on stderr."""
    Console(stderr=True, soft_wrap=True).print(escape(harmless(text)), highlight=False)


class _Unread:
    """A stream from which a reader may turn away; then what is written is lost."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(BrokenPipeError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def talk_may_be_lost() -> Iterator[None]:
    """In the block a reader of stderr that leaves (`2>&1 | head`) ends nothing: what is made is worth more."""
    with contextlib.redirect_stderr(_Unread(sys.stderr)):
        yield


def confirm(question: str) -> bool:
    """Ask on the terminal; Enter alone is no."""
    return typer.confirm(harmless(question), err=True)


def show_error(message: str, remedy: str) -> None:
    """One sentence of what happened and one of what to do, on stderr."""
    error = Console(stderr=True, soft_wrap=True)
    error.print(f"[bold red]Error:[/] {escape(harmless(message))}", highlight=False)
    error.print(f"[bold]Try:[/]   {escape(harmless(remedy))}", highlight=False)


def show_traceback(error: BaseException) -> None:
    """An exception in full, on stderr."""
    Console(stderr=True).print(Traceback.from_exception(type(error), error, error.__traceback__))


_STYLES = {
    "plain": "",
    "strong": "bold",
    "soft": "dim",
    "good": "cyan",
    "bad": "bold red",
    "emulated": "bold yellow",
}


class LiveLines:
    """Lines on a terminal that are drawn anew again and again; notes stand above and stay."""

    def __init__(self, live: Live) -> None:
        self._live = live

    @property
    def size(self) -> tuple[int, int]:
        """Letters of a line, and lines."""
        return self._live.console.size

    def show(self, lines: Sequence[Sequence[tuple[str, str]]]) -> None:
        """These in place of those before; each is made of texts with the word of their style."""
        drawn = Text(no_wrap=True, overflow="crop")
        for line in lines:
            for text, style in line:
                drawn.append(harmless(text), _STYLES[style])
            drawn.append("\n")
        drawn.rstrip()
        self._live.update(drawn, refresh=True)

    def note(self, text: str) -> None:
        """One line that stays."""
        self._live.console.print(escape(harmless(text)), highlight=False, soft_wrap=True)


@contextlib.contextmanager
def live_lines() -> Iterator[LiveLines]:
    """On stdout, where they can be drawn anew (`can_redraw`); they are gone when the block ends."""
    with Live(console=Console(), auto_refresh=False, transient=True) as live:
        yield LiveLines(live)


class TerminalReporter:
    """Progress on stderr: a bar that moves on a terminal; elsewhere a line at the start of each task and milestone."""

    def note(self, text: str) -> None:
        """One line that stays."""
        say(text)

    @contextlib.contextmanager
    def task(self, name: str) -> Iterator[Task]:
        """A bar while the block runs."""
        with self.side_by_side() as reporter, reporter.task(name) as task:
            yield task

    @contextlib.contextmanager
    def side_by_side(self) -> Iterator[Reporter]:
        """A reporter whose tasks may run at the same time, in threads of their own: a bar for each, one below another.

        On a terminal, nothing else may draw bars while the block runs.
        """
        console = Console(stderr=True)
        if not console.is_terminal:
            yield LineReporter()
            return
        columns = _progress_columns(console.width)
        with Progress(
            *columns, console=console, transient=True, expand=True, refresh_per_second=_REDRAWS_PER_S
        ) as progress:
            yield _Bars(progress)


class LineReporter:
    """Progress on stderr where nothing moves: a line at the start of each task, and one for each milestone."""

    def note(self, text: str) -> None:
        """One line that stays."""
        say(text)

    @contextlib.contextmanager
    def task(self, name: str) -> Iterator[Task]:
        """A line, and one for each of its milestones."""
        say(f"{name} …")

        def tell(done: float, total: float | None, detail: str = "", milestone: bool = False) -> None:
            if milestone:
                say(f"{name}: {detail}")

        yield tell


class _Bars:
    """The bars of one terminal, and lines above them."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def note(self, text: str) -> None:
        self._progress.console.print(escape(harmless(text)), highlight=False, soft_wrap=True)

    @contextlib.contextmanager
    def task(self, name: str) -> Iterator[Task]:
        bars = self._progress
        bar = bars.add_task(escape(harmless(name)), total=None, detail="")
        try:
            yield lambda done, total, detail="", milestone=False: bars.update(
                bar, completed=done, total=total, detail=escape(harmless(detail))
            )
        finally:
            bars.refresh()  # how it ended is seen
            bars.remove_task(bar)


# Each redraw costs about 2.5 ms of a core, and on the device `local` that core is measured.
_REDRAWS_PER_S = 4
_BESIDE_BAR_AND_DETAIL = 16  # spinner, clock, the gaps, and a letter or two of the name


def _progress_columns(width: int) -> tuple[ProgressColumn, ...]:
    """The clock is never cut; the name takes what the detail leaves."""
    bar = min(20, width // 4)
    most = max(1, width - bar - _BESIDE_BAR_AND_DETAIL)
    name = TextColumn("{task.description}", table_column=Column(ratio=1, no_wrap=True))
    detail = TextColumn("{task.fields[detail]}", table_column=Column(no_wrap=True, max_width=most))
    return SpinnerColumn(), TimeElapsedColumn(), BarColumn(bar), name, detail
