"""A run in the making: what of it is kept when something ends it early."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from groupnl_deploy.bench.incomplete import IncompleteRun, fetch_command, save_incomplete
from groupnl_deploy.bench.reconnect import WayBack
from groupnl_deploy.bench.result import BenchMessage, gather
from groupnl_deploy.bench.run import RunFrame
from groupnl_deploy.errors import GroupNLError, NotBegun
from groupnl_deploy.remote.client import ClockProbe
from groupnl_deploy.workspace import disk_errors, free_name
from power.errors import PowerError


class UnfinishedRun:
    """What there is of the run `name` until it is whole; the session fills it in.

    Its recording can grow in the file `recording`; `way_back` tells whether a part of it was left on the device.
    `key` is what a campaign knows the run by (`frame.Frame`).
    """

    def __init__(self, name: str, recording: Path, key: str) -> None:
        self.name, self.recording, self.key = name, recording, key
        self.way_back: WayBack | None = None
        self.frame: RunFrame | None = None
        self.clock_probes: tuple[ClockProbe, ...] = ()
        self.messages: list[BenchMessage] = []

    def incomplete(self, ended_by: str) -> IncompleteRun | None:
        """As a record; None where nothing was measured, neither by the device nor by a meter."""
        arrived = gather(self.messages)
        if self.frame is None or (arrived.begun is None and not self.recording.exists()):
            return None
        return IncompleteRun(
            **vars(self.frame),
            clock_probes=self.clock_probes,
            arrived=arrived,
            ended_by=ended_by,
            power=None,
            links_lost=0 if self.way_back is None else self.way_back.times_lost,
            left_behind=self.way_back is not None and self.way_back.left_behind,
        )


@contextlib.contextmanager
def unfinished_run(out: Path, note: Callable[[str], None], key: str = "") -> Iterator[UnfinishedRun]:
    """The run `out` in the making, with a free name beside it for the recording, `<out>.power.csv`.

    When the block is done the run is whole, and the recording is removed: the run has it. When anything else ends the
    block, an error or Ctrl-C, what has arrived is kept in the folder `<out>.incomplete`, the recording with it. (After
    a power cut, the recording is all there is.) `note` is told where, and the error goes on as it was. `key` is what a
    campaign knows the run by.

    Raises `UsageError` or `DiskFull` where nothing can be written.
    """
    with disk_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    run = UnfinishedRun(out.name, free_name(out.with_name(f"{out.name}.power"), ".csv"), key)
    try:
        yield run
    except BaseException as error:
        _keep(run, out, error, note)
        raise
    run.recording.unlink(missing_ok=True)


def _keep(run: UnfinishedRun, out: Path, error: BaseException, note: Callable[[str], None]) -> None:
    if isinstance(error, NotBegun):
        run.recording.unlink(missing_ok=True)  # of a board at rest, in no window
        return
    if run.frame is not None and run.way_back is not None and run.way_back.left_behind:
        fetches = "the same command" if run.key else f"`{fetch_command(run.frame.device, out)}`"
        name = run.frame.device
        if gather(run.messages).begun is None:
            note(f"Whether the benchmark had begun on {name} is not known: {name} was not reached again.")
            name = f"If it had, {name}"
        note(f"{name} finishes the benchmark by itself and keeps it for seven days; {fetches} fetches it.")
    recording = run.recording if run.recording.exists() else None  # the recorder leaves no file without a row
    incomplete = run.incomplete(_said(error))
    if incomplete is not None:
        try:
            folder = save_incomplete(out, incomplete, recording)
        except Exception as refusal:  # the error that ended the run is the one to be raised
            note(f"The incomplete run could not be kept: {_said(refusal)}")
        else:
            run.recording.unlink(missing_ok=True)
            note(f"What was measured until then is kept in {folder}.")
            return
    if recording is not None:
        note(f"The measurements until then are kept in {recording}.")


def _said(error: BaseException) -> str:
    """What an error says, as a sentence."""
    if isinstance(error, KeyboardInterrupt):
        return "It was stopped."
    return error.message if isinstance(error, GroupNLError | PowerError) else f"{type(error).__name__}: {error}."
