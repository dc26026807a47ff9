"""`groupnl power watch`: a meter as it measures, on the terminal and as a page on this machine alone."""

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groupnl_deploy.cli import console
from groupnl_deploy.cli.exits import guarded
from groupnl_deploy.cli.options import (
    AllowImplausible,
    Duration,
    MeterName,
    MeterPort,
    MeterRate,
    MeterSign,
    require_duration,
)
from groupnl_deploy.cli.recording_session import View, recorded, require_patience
from groupnl_deploy.errors import UsageError
from groupnl_deploy.words import command_line
from power.patience import POLL_HZ

if TYPE_CHECKING:
    from groupnl_deploy.watch.server import PageServer
    from groupnl_deploy.watch.watched import Watched

_LINE_S = 1.0  # between two lines where nothing moves


@guarded
def watch(
    meter: MeterName,
    port: MeterPort = None,
    web: Annotated[
        bool, typer.Option("--web", help="Show a page, too, on this machine alone; its address is printed.")
    ] = False,
    web_port: Annotated[
        int | None, typer.Option("--web-port", help="The page's port; a free one if left out.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Record meanwhile into this CSV file; it must not exist yet.")
    ] = None,
    duration: Duration = None,
    poll_hz: Annotated[float, typer.Option(help="Questions a second.")] = POLL_HZ,
    sign: MeterSign = 1,
    meter_rate: MeterRate = None,
    patience: Annotated[
        float | None,
        typer.Option(help="Seconds to wait for a meter that was unplugged; as long as it takes if left out."),
    ] = None,
    allow_implausible: AllowImplausible = False,
) -> None:
    """Watch a meter: volts, amperes, watts, joules and the last minute's power, until Ctrl-C.

    A meter that is unplugged and comes back leaves a hole, and goes on. Where stdout is no terminal a line a second is
    printed. Ctrl-C ends it with the totals. --out records as `power record` does, so that `power mark` works, too.

    The page of --web lies at 127.0.0.1 below a random name; whoever has the address can look, and nobody can change
    anything. From another machine: ssh -L PORT:127.0.0.1:PORT HOST, and the same address there.

    Example: groupnl power watch --meter km003c --port /dev/ttyACM0

    Example: groupnl power watch --meter km003c --port emulator --web --out trace.csv
    """
    require_duration("Watching", duration)
    if patience is not None:
        require_patience(patience)
    if web_port is not None and not web:
        raise UsageError("--web-port is for --web.", f"Add it: --web --web-port {web_port}.")
    from groupnl_deploy.bench.meter import MeterPlan
    from groupnl_deploy.bench.recording import recording
    from groupnl_deploy.watch.points import LivePoints
    from groupnl_deploy.watch.watched import Watched

    plan = MeterPlan(meter, port, sign, rate_hz=meter_rate, allow_implausible=allow_implausible)
    points, waits_s = LivePoints(), math.inf if patience is None else patience
    with _page_server(web_port or 0 if web else None) as server:
        with recording(plan, out, console.say, poll_hz, waits_s, points.hear) as running:
            watched = Watched(running, points, out)
            view = _view(watched, is_for_eyes=out is None and server is None)
            with _served(server, watched):
                _, totals = recorded(running, out, duration, view)
        problem, facts = running.source.problem, running.recorder.facts
    if totals is None:
        console.say("No measurement came before the end.")
    else:
        from groupnl_deploy.bench.recording_words import totals_words

        console.show_text(f"{out or meter}: {totals_words(totals, facts)}")
    if problem is not None and out is not None:
        raise problem
    if problem is not None:
        console.say(f"The meter is still away: {problem.message}")
    if out is not None and totals is not None:
        console.say(f"Next: {command_line('power', 'integrate', out)}")


@contextlib.contextmanager
def _page_server(port: int | None) -> Iterator["PageServer | None"]:
    """The server of the page, which listens already; None without a page."""
    if port is None:
        yield None
        return
    from groupnl_deploy.watch.server import PageServer

    with PageServer(port) as server:
        yield server


@contextlib.contextmanager
def _served(server: "PageServer | None", watched: "Watched") -> Iterator[None]:
    if server is None:
        yield
        return
    with server.serving(watched):
        console.say(f"The page, for whoever has this address: {server.address}")
        yield


@contextlib.contextmanager
def _view(watched: "Watched", is_for_eyes: bool) -> Iterator[View]:
    """Lines that move on a terminal; elsewhere a line a second.

    What `is_for_eyes` alone ends with its terminal, also where no hang-up tells of that, as in a process that has
    another one or none.
    """
    from groupnl_deploy.watch.terminal import LONGEST_S, one_line, view_lines

    if not console.can_redraw():
        printed_s = -math.inf

        def show_line(elapsed_s: float) -> None:
            nonlocal printed_s
            if elapsed_s - printed_s >= _LINE_S:
                printed_s = elapsed_s
                console.show_text(one_line(watched.now()))

        yield View(show_line, console.say)
        return
    with console.live_lines() as live:

        def show(elapsed_s: float) -> None:
            if is_for_eyes and not console.is_terminal():
                raise BrokenPipeError
            width, height = live.size
            live.show(view_lines(watched.now(), watched.recent(LONGEST_S), max(10, width - 1), height))

        yield View(show, live.note)
