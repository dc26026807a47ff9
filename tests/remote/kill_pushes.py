"""Kill pushes at random moments, and say what became of them: the figures of docs/deployment.md.

    python -m tests.remote.kill_pushes --count 1000 --seed 1

A moment is one seed: one that failed is played again with --count 1. Root has two more victims, a full disk and
memory that runs out.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from exporters.artifact import Artifact
from tests.device_agent.graph_artifacts import graph_artifact, masked_text, text_samples
from tests.remote.kill_limits import CannotLimit, little_memory, small_disk
from tests.remote.kill_rig import VICTIMS, Board, Moment, Played, board, longest_s, make_room, play
from tests.rigs.openssh_server import find_sshd

BYTES_PER_S = 4e6
_WORDS = 400_000
_ROOM_EVERY = 5


def artifact_to_kill(folder: Path) -> Artifact:
    """One of 4.8 MB that loads at once."""
    return graph_artifact(folder, masked_text(words=_WORDS), text_samples())


def main() -> int:
    """Play them, print a line for each, then the sums."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    asked, program = parser.parse_args(), find_sshd()
    if program is None:
        _say("needs a real OpenSSH server: install the package openssh-server")
        return 1
    with ExitStack() as held:
        place = Path(held.enter_context(tempfile.TemporaryDirectory()))
        there, source = _board(held, program, place), artifact_to_kill(place / "source")
        longest = longest_s(there, source, place / "first")
        played, begun = [], time.monotonic()
        for seed in range(asked.seed, asked.seed + asked.count):
            moment = Moment.of(seed, longest, (*VICTIMS, *there.limits))
            played.append(play(there, source, place / "artifacts", moment))
            _say(str(played[-1]))
            if seed % _ROOM_EVERY == 0:
                make_room(there)
        _say(_sums(played, there, time.monotonic() - begun))
    return 0


def _board(held: ExitStack, program: str, place: Path) -> Board:
    """With every limit that may be set here."""
    disk, limits = place / "disk", {}
    disk.mkdir()
    try:
        limits["disk"] = held.enter_context(small_disk(disk))
    except CannotLimit as error:
        _say(f"No disk is filled: {error}.")
    there = held.enter_context(board(program, place, disk / "root", BYTES_PER_S))
    try:
        limits["memory"] = held.enter_context(little_memory(there.sshd_pid))
    except CannotLimit as error:
        _say(f"No memory runs out: {error}.")
    there.limits.update(limits)
    return there


def _sums(played: Sequence[Played], there: Board, took_s: float) -> str:
    found: Counter[tuple[str, str]] = Counter()
    for one in played:
        found.update((one.moment.victim, what) for what in one.found)
    words = ("nothing", "part", "whole", "refused", "accepted")
    lines = [f"{victim:8}" + "".join(f"{found[victim, word]:10}" for word in words) for victim in _victims(played)]
    return "\n".join(
        [
            f"{len(played)} moments in {took_s:.0f} s, {sum(len(one.ends) for one in played)} pushes; "
            f"{there.watch.looks:,} looks at current, {len(there.watch.seen)} artifacts met, "
            f"{len(there.watch.wrong)} wrong.",
            f"Every second push was accepted; {sum(one.missing_bytes for one in played):,} bytes were missing, "
            f"{sum(one.sent_bytes for one in played):,} were sent, SSH's own included.",
            f"{'victim':8}" + "".join(f"{word:>10}" for word in words),
            *lines,
        ]
    )


def _victims(played: Sequence[Played]) -> list[str]:
    return list(dict.fromkeys(one.moment.victim for one in sorted(played, key=lambda one: one.moment.victim)))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
