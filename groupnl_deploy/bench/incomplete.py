"""A benchmark that did not come to its end, on disk: `incomplete.json` with what had arrived, and the recording.

It is never taken for a run: the file has another name, and so has the folder, `<run>.incomplete`.
"""

import glob
import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from device_agent.file_digest import FileDigest
from groupnl_deploy.bench.result import Arrived
from groupnl_deploy.bench.run import RUN_DIGEST, PowerRecord, RunFrame
from groupnl_deploy.errors import UsageError, VerificationFailed
from groupnl_deploy.record import read_record, write_record
from groupnl_deploy.remote.client import ClockProbe
from groupnl_deploy.words import command_line
from groupnl_deploy.workspace import INCOMPLETE_FILE, POWER_FILE, RUN_FILE, atomic_directory, free_name
from power.trace_io import read_csv

RUNS = Path("runs")
"""Where runs lie that were given no other place."""

_SUFFIX = ".incomplete"
_RUN_FILES = (RUN_FILE, RUN_DIGEST, POWER_FILE, INCOMPLETE_FILE)


@dataclass(frozen=True, kw_only=True)
class IncompleteRun(RunFrame):
    """What was asked and what had arrived when something ended it, and what that was.

    `left_behind` is whether the device may have the rest of it, to be fetched.
    """

    clock_probes: tuple[ClockProbe, ...]
    arrived: Arrived
    ended_by: str
    power: PowerRecord | None
    links_lost: int = 0
    left_behind: bool = False
    schema_version: int = 3

    @property
    def ended(self) -> str:
        """Where it ended, for a sentence."""
        last, done = self.arrived.last_phase, self.arrived.phases
        if last is None:
            return "before its first phase"
        over = done and done[-1].phase == last
        return f"{'after' if over else 'in'} the phase {last}"


def save_incomplete(out: Path, run: IncompleteRun, recording: Path | None) -> Path:
    """Keep it beside the run `out` that there will not be, whole or not at all; returns the folder.

    The recording is copied. Raises what `atomic_directory` does.
    """
    target = free_name(_beside(out))
    with atomic_directory(target) as folder:
        power = None
        if recording is not None:
            shutil.copyfile(recording, folder / POWER_FILE)
            power = PowerRecord(FileDigest.of(folder / POWER_FILE), read_csv(folder / POWER_FILE).facts)
        write_record(folder / INCOMPLETE_FILE, replace(run, power=power))
    return target


def load_incomplete(folder: Path) -> IncompleteRun:
    """Read it. Raises `VerificationFailed` for a file that is damaged or of another version."""
    path = folder / INCOMPLETE_FILE
    return read_record(IncompleteRun, path, "It is damaged or of another version: remove it.")


def is_incomplete(folder: Path) -> bool:
    """Whether a folder holds an incomplete run."""
    return (folder / INCOMPLETE_FILE).is_file()


def require_not_cut_short(folder: Path) -> None:
    """Raise `UsageError` for a run that is not there because it was cut short."""
    beside = _beside(folder)
    if not folder.exists() and is_incomplete(beside):
        raise UsageError(
            f"{folder} was cut short: what there is of it is in {beside}.", "Name that folder, or bench again."
        )


def left_behind(out: Path) -> bool:
    """Whether a device may have the rest of what was to be the run `out`."""
    for path in out.parent.glob(f"{glob.escape(out.name)}{_SUFFIX}*/{INCOMPLETE_FILE}"):
        with suppress(VerificationFailed):  # damaged, or of another version
            if load_incomplete(path.parent).left_behind:
                return True
    return False


def is_run(folder: Path) -> bool:
    """Whether it holds a run, be it whole, damaged or cut short."""
    return any((folder / file).is_file() for file in _RUN_FILES)


def runs_below(folder: Path) -> list[Path]:
    """The runs in a folder, by their names, also one that has lost half of its files; of those that were cut short
    only what was not benchmarked again.
    """
    return sorted(path for path in folder.glob("*") if is_run(path) and not is_superseded(path))


def is_superseded(folder: Path) -> bool:
    """Whether an incomplete run was benchmarked again, so that the whole run stands beside it."""
    name, mark, _ = folder.name.rpartition(_SUFFIX)
    return bool(mark) and is_incomplete(folder) and (folder.with_name(name) / RUN_FILE).is_file()


def fetch_command(device: str, out: Path | None = None) -> str:
    """The command that fetches what a device finished without its host, into the run `out`."""
    elsewhere = () if out is None or out.parent == RUNS else ("--out", out)
    return command_line("bench", "--device", device, "--fetch", *elsewhere)


def run_folder(folder: Path) -> Path:
    """Where the run would lie that an incomplete one was to be."""
    return folder.with_name(folder.name.rpartition(_SUFFIX)[0] or folder.name)


def find_incomplete(bench_id: str, folders: Iterable[Path]) -> Path | None:
    """The incomplete run of a benchmark in one of these folders, None where there is none."""
    for path in (path for folder in folders for path in sorted(folder.glob(f"*{_SUFFIX}*/{INCOMPLETE_FILE}"))):
        with suppress(VerificationFailed):  # damaged, or of another version
            if load_incomplete(path.parent).request.bench_id == bench_id:
                return path.parent
    return None


def _beside(out: Path) -> Path:
    return out.with_name(f"{out.name}{_SUFFIX}")
