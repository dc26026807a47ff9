"""Kill pushes at random moments, and say what became of them: the figures of docs/deployment.md.

    python -m tests.remote.kill_pushes --count 1000 --seed 1 --jobs 4

A moment is one seed: one that failed is played again with --count 1. Root has two more victims, a full disk and
memory that runs out. Each job has a board of its own; a moment mostly waits, so several are played side by side.
"""

import argparse
import multiprocessing
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.queues import Queue
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from queue import Empty
from typing import TypeAlias

from exporters.artifact import Artifact
from tests.device_agent.graph_artifacts import graph_artifact, masked_text, text_samples
from tests.remote.kill_limits import CannotLimit, little_memory, small_disk
from tests.remote.kill_rig import VICTIMS, Board, Moment, Played, board, longest_s, play
from tests.rigs.openssh_server import find_sshd

BYTES_PER_S = 4e6
_WORDS = 400_000
_LOOK_EVERY_S = 1.0


@dataclass(frozen=True)
class Seeds:
    """The moments that no job has begun yet; all of them take from the same."""

    next_one: "Synchronized[int]"
    end: int

    def __iter__(self) -> Iterator[int]:
        while (seed := self._take()) < self.end:
            yield seed

    def stop(self) -> None:
        """No more of them."""
        with self.next_one:
            self.next_one.value = self.end

    def _take(self) -> int:
        with self.next_one:
            seed = self.next_one.value
            self.next_one.value += 1
        return seed


@dataclass(frozen=True)
class Looks:
    """How often one board's `current` was looked at, how many artifacts were met there, and how many were wrong."""

    looks: int
    met: int
    wrong: int


@dataclass(frozen=True)
class Failed:
    """What must not be, or went wrong, as a traceback."""

    text: str


_Told: TypeAlias = "Queue[Played | Looks | Failed | str | None]"


def artifact_to_kill(folder: Path) -> Artifact:
    """One of 4.8 MB that loads at once."""
    return graph_artifact(folder, masked_text(words=_WORDS), text_samples())


def main() -> int:
    """Play them, print a line for each, then the sums."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="how many boards, side by side")
    asked = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    if find_sshd() is None:
        _say("needs a real OpenSSH server: install the package openssh-server")
        return 1
    begun, told = time.monotonic(), list[Played | Looks | Failed]()
    for one in _side_by_side(asked.seed, asked.count, asked.jobs):
        if not isinstance(one, str):
            told.append(one)
        if not isinstance(one, Looks):
            _say(one.text if isinstance(one, Failed) else str(one))
    _say(sums(told, time.monotonic() - begun))
    return int(any(isinstance(one, Failed) for one in told))


def _side_by_side(seed: int, count: int, jobs: int) -> Iterator[Played | Looks | Failed | str]:
    """What the jobs tell. The first that fails, or Ctrl-C, ends them all, each behind its moment, and is told too."""
    spawning = multiprocessing.get_context("spawn")
    told, seeds = spawning.Queue(), Seeds(spawning.Value("q", seed), seed + count)
    boards = [spawning.Process(target=_job, args=(seeds, told)) for _ in range(jobs)]
    for one in boards:
        one.start()
    try:
        running = len(boards)
        while running:
            alive = any(one.is_alive() for one in boards)
            try:
                one = told.get(timeout=_LOOK_EVERY_S)
            except KeyboardInterrupt:
                seeds.stop()
                continue
            except Empty:
                if not alive:
                    yield Failed(f"{running} of {jobs} jobs ended without a word.")
                    return
                continue
            if one is None:
                running -= 1
            else:
                yield one
    finally:
        seeds.stop()
        for one in boards:
            one.join()


def _job(seeds: Seeds, told: _Told) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's is meant for who started us
    try:
        with ExitStack() as held:
            there, source, place = _board(held, told)
            longest = longest_s(there, source, place / "first")
            for seed in seeds:
                moment = Moment.of(seed, longest, (*VICTIMS, *there.limits))
                told.put(play(there, source, place / "artifacts", moment))
            told.put(Looks(there.watch.looks, len(there.watch.seen), len(there.watch.wrong)))
    except Exception:
        seeds.stop()
        told.put(Failed(traceback.format_exc()))
    finally:
        told.put(None)


def _board(held: ExitStack, told: _Told) -> tuple[Board, Artifact, Path]:
    """With every limit that may be set here; what is pushed to it, and a folder for more of that."""
    program, place = find_sshd(), Path(held.enter_context(tempfile.TemporaryDirectory()))
    assert program is not None
    disk, limits = place / "disk", {}
    disk.mkdir()
    try:
        limits["disk"] = held.enter_context(small_disk(disk))
    except CannotLimit as error:
        told.put(f"No disk is filled: {error}.")
    there = held.enter_context(board(program, place, disk / "root", BYTES_PER_S))
    try:
        limits["memory"] = held.enter_context(little_memory(there.sshd_pid))
    except CannotLimit as error:
        told.put(f"No memory runs out: {error}.")
    there.limits.update(limits)
    return there, artifact_to_kill(place / "source"), place


def sums(told: Sequence[Played | Looks | Failed], took_s: float) -> str:
    """The figures of a run."""
    played, looks = [one for one in told if isinstance(one, Played)], [one for one in told if isinstance(one, Looks)]
    return "\n".join(
        [
            f"{len(played)} moments in {took_s:.0f} s, {sum(len(one.ends) for one in played)} pushes; "
            f"{sum(one.looks for one in looks):,} looks at current, {sum(one.met for one in looks)} artifacts met, "
            f"{sum(one.wrong for one in looks)} wrong, {sum(isinstance(one, Failed) for one in told)} failed.",
            f"Every second push was accepted; {sum(one.missing_bytes for one in played):,} bytes were missing, "
            f"{sum(one.sent_bytes for one in played):,} were sent, SSH's own included.",
            f"{'victim':8}{'moments':>9}" + "".join(f"{word:>10}" for word in (*_FOUND, "ended, s", "again, s")),
            *_rows(played),
        ]
    )


_FOUND = ("nothing", "part", "whole", "refused", "accepted")


def _rows(played: Sequence[Played]) -> Iterator[str]:
    """Of each victim: what was found of its artifacts, and how long a moment took on average."""
    for victim in sorted({one.moment.victim for one in played}):
        of = [one for one in played if one.moment.victim == victim]
        found = Counter(what for one in of for what in one.found)
        means = (sum(one.ended_s for one in of) / len(of), sum(one.again_s for one in of) / len(of))
        yield (
            f"{victim:8}{len(of):9}"
            + "".join(f"{found[word]:10}" for word in _FOUND)
            + "".join(f"{mean:10.1f}" for mean in means)
        )


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
