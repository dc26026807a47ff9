"""Pushes that meet, and are killed: a handful of the moments of `kill_pushes.py`; a hundred in make test-all."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporters.artifact import Artifact
from tests.remote.kill_pushes import BYTES_PER_S, artifact_to_kill
from tests.remote.kill_rig import VICTIMS, Board, Moment, board, longest_s, play

pytestmark = [pytest.mark.alone, pytest.mark.sshd]

QUICK = ("host", "agent", "reset")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return artifact_to_kill(tmp_path_factory.mktemp("source") / "net")


@pytest.fixture(scope="module")
def there(sshd_program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    folder = tmp_path_factory.mktemp("board")
    with board(sshd_program, folder, folder / "root", BYTES_PER_S) as made:
        yield made


@pytest.fixture(scope="module")
def longest(there: Board, source: Artifact, tmp_path_factory: pytest.TempPathFactory) -> float:
    return longest_s(there, source, tmp_path_factory.mktemp("first"))


# An agent that is killed and a link that is reset: test_resume.py, test_retried_push.py.
SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))]


@pytest.mark.parametrize("seed", SEEDS, ids=QUICK)
def test_a_push_that_is_killed(there: Board, source: Artifact, longest: float, tmp_path: Path, seed: int) -> None:
    after_s = random.Random(seed).uniform(0, longest)
    play(there, source, tmp_path / "artifacts", Moment(seed, (0,), (0.0,), QUICK[seed], after_s))


def test_pushes_that_meet(there: Board, source: Artifact, longest: float, tmp_path: Path) -> None:
    moment = Moment(100, (0, 0), (0.0, longest / 4), "nobody", 0.0)
    assert play(there, source, tmp_path / "artifacts", moment).ends == ("accepted", "accepted")


@pytest.mark.slow
def test_pushes_that_are_killed_at_a_hundred_moments(
    there: Board, source: Artifact, longest: float, tmp_path: Path
) -> None:
    for seed in range(1000, 1100):
        play(there, source, tmp_path / "artifacts", Moment.of(seed, longest, VICTIMS))
