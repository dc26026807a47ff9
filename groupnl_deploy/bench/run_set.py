"""A set: benchmarks that are to be compared, interleaved in an order that is drawn, in one folder.

In each round every member runs once, so that what drifts meets all alike; the order within a round is random, so that
none always follows the same other one. The seed of the order is kept. Each run is a benchmark of its own, with its own
agent on the device.
"""

import random
import secrets
import shlex
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from device_agent.settings import Settings
from device_agent.strict import to_json
from groupnl_deploy.bench.incomplete import is_incomplete
from groupnl_deploy.bench.run import now_utc, run_name
from groupnl_deploy.errors import Stopped, UsageError
from groupnl_deploy.progress import Say
from groupnl_deploy.record import read_record
from groupnl_deploy.words import command_line
from groupnl_deploy.workspace import RUN_FILE, disk_errors, require_absent, write_atomically

SET_FILE = "set.json"
_RUNS, _REPLACED = "runs", "replaced"


@dataclass(frozen=True)
class Member:
    """One thing that a set compares.

    Args:
        name: begins the names of its runs.
        artifact: the folder or id, as it was named.
        artifact_sha256: which that is.
        backend: that runs it.
        settings: under which.
    """

    name: str
    artifact: str
    artifact_sha256: str
    backend: str
    settings: Settings


@dataclass(frozen=True, kw_only=True)
class RunSet:
    """What is compared, and in which order it was measured: `set.json`.

    `order` names all runs as they were drawn, `made` those that came to their end. `command` is what was typed.
    """

    device: str
    command: str
    members: tuple[Member, ...]
    repeats: int
    seed: int
    order: tuple[str, ...]
    made: tuple[str, ...] = ()
    created_at: str = field(default_factory=now_utc)
    schema_version: int = 1


def named(label: str, artifact: str, artifact_sha256: str, backend: str, settings: Settings) -> Member:
    """A member whose name is made of its label and its backend."""
    return Member(run_name(label, backend), artifact, artifact_sha256, backend, settings)


def told_apart(members: Sequence[Member]) -> tuple[Member, ...]:
    """With names that differ: by the threads where these do, then by the beginning of the artifact's id."""
    if len({one.settings.threads for one in members}) > 1:
        members = [replace(one, name=f"{one.name}-threads{one.settings.threads}") for one in members]
    names = Counter(one.name for one in members)
    return tuple(
        replace(one, name=f"{one.name}-{one.artifact_sha256[:12]}") if names[one.name] > 1 else one for one in members
    )


def drawn(device: str, command: str, members: Sequence[Member], repeats: int, seed: int | None = None) -> RunSet:
    """The set, with the order drawn from the seed; a seed is drawn where none is given."""
    seed = secrets.randbits(32) if seed is None else seed
    order = rounds([one.name for one in members], repeats, seed)
    return RunSet(
        device=device, command=command, members=tuple(members), repeats=repeats, seed=seed, order=tuple(order)
    )


def rounds(names: Sequence[str], repeats: int, seed: int) -> list[str]:
    """The names of all runs: round by round, each round in a random order of its own."""
    dice = random.Random(seed)
    return [f"{name}-run{number}" for number in range(1, repeats + 1) for name in dice.sample(names, k=len(names))]


def make_set(out: Path, wanted: RunSet, bench_one: Callable[[Member, Path], object], say: Say) -> list[Path]:
    """Measure all of it into the folder `out`; the runs' folders, in the order made.

    `out` must not exist yet, or hold an unfinished set of the same command, which goes on in its own order.
    `bench_one` makes one run folder. Whatever ends it early leaves the runs that were finished, and `say` is told of
    them; Ctrl-C is raised as `Stopped`, which tells it too.
    """
    made = continued(out, wanted)
    members = {one.name: one for one in made.members}
    if made.made:
        say(f"{len(made.made)} of {len(made.order)} runs are in {out} already; the set goes on behind them.")
    write_set(out, made)
    try:
        for number, run in enumerate(made.order, start=1):
            if run in made.made:
                continue
            say(f"Run {number} of {len(made.order)}: {run}")
            bench_one(members[run.rpartition("-run")[0]], out / _RUNS / run)
            made = replace(made, made=(*made.made, run))
            write_set(out, made)
    except KeyboardInterrupt as stopped:
        raise Stopped(_left(out, made)) from stopped
    except Exception:
        say(_left(out, made))
        raise
    return [out / _RUNS / run for run in made.made]


def unfinished(out: Path) -> RunSet | None:
    """The set that lies there and has not come to its end, with all whole runs in `made`; None where there is none."""
    if not (out / SET_FILE).is_file():
        return None
    kept = load_set(out)
    made = tuple(run for run in kept.order if _is_whole(out, run))
    return None if made == kept.order else replace(kept, made=made)


def continued(out: Path, wanted: RunSet) -> RunSet:
    """The unfinished set in `out`, else the one that is `wanted` there.

    Raises `UsageError` where something else lies there.
    """
    kept = unfinished(out)
    if kept is None:
        require_absent(out)
        return wanted
    if not measures_the_same(kept, wanted):
        raise UsageError(
            f"{out} holds an unfinished set of other things, made by: {kept.command}",
            f"Run that command with --out {out} to go on with it, or choose another name with --out.",
        )
    return kept


def set_aside(out: Path, runs: Sequence[str]) -> Path:
    """Move these runs of a set where they are kept, so that the set is unfinished again; returns that folder."""
    kept = out / _REPLACED
    for run in runs:
        aside = kept / f"{datetime.now(UTC).strftime('%Y%m%d-%H%M%S-%f')}-{run}"
        with disk_errors(aside):
            kept.mkdir(parents=True, exist_ok=True)
            shutil.move(out / _RUNS / run, aside)
    return kept


def measures_the_same(one: RunSet, other: RunSet) -> bool:
    """Whether two sets measure the same things, wherever they are kept."""
    return _what(one) == _what(other)


def _what(one: RunSet) -> tuple[object, ...]:
    """All that decides what is measured; the folder does not."""
    words = shlex.split(one.command)
    places = {number for number, word in enumerate(words) if word == "--out" or word.startswith("--out=")}
    places |= {number + 1 for number in places if words[number] == "--out"}
    said = [word for number, word in enumerate(words) if number not in places]
    return one.device, one.members, one.repeats, said


def _is_whole(out: Path, run: str) -> bool:
    return (out / _RUNS / run / RUN_FILE).is_file()


def load_set(out: Path) -> RunSet:
    """Read a set's file. Raises `VerificationFailed` for one that is damaged or of another version."""
    remedy = "It is damaged or of another version. Remove it, and the runs beside it are taken by their own names."
    return read_record(RunSet, out / SET_FILE, remedy)


def _left(out: Path, there: RunSet) -> str:
    """What is kept of a set that ended early, and what can be done with it. A folder without a run is removed."""
    # One may be whole that what followed it, such as the right answers, kept from being counted.
    count, of = sum(_is_whole(out, run) for run in there.order), len(there.order)
    go_on = f"To go on there, run the command again with --out {shlex.quote(str(out))}."
    if count:
        shown = command_line("report", out)
        return f"{count} of {of} runs are finished and kept in {out}: `{shown}` shows them. {go_on}"
    if any(map(is_incomplete, (out / _RUNS).glob("*"))):
        return f"None of {of} runs was finished; what there is of one is kept in {out / _RUNS}. {go_on}"
    (out / SET_FILE).unlink(missing_ok=True)
    for folder in (out / _RUNS, out):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    return f"None of {of} runs was finished, and nothing is kept."


def write_set(out: Path, state: RunSet) -> None:
    """Keep where a set stands. One that is there before `make_set` is taken for unfinished, and goes on."""
    write_atomically(out / SET_FILE, to_json(state).encode())
