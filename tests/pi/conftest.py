"""The emulated Pi for tests: one board for the session, and fresh ones for those that break theirs."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.pi.machine import EmulatedPi, booted
from tests.pi.rootfs import root_file_system, what_is_missing


@pytest.fixture(scope="session")
def arm_root() -> Path:
    """The root file system that `make pi` makes; without it tests are skipped, with the reason."""
    folder = root_file_system()
    problem = what_is_missing() or (None if folder.exists() else "there is no emulated Pi yet: make pi")
    if problem and os.environ.get("CI"):
        pytest.fail(problem)
    if problem:
        pytest.skip(problem)
    return folder


@pytest.fixture(scope="session")
def pi(arm_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatedPi]:
    """A blank board that runs for the whole session; what a test leaves on it, the next one finds."""
    with booted(arm_root, tmp_path_factory.mktemp("pi")) as board:
        yield board


@pytest.fixture
def make_pi(arm_root: Path, tmp_path: Path) -> Iterator[Callable[..., EmulatedPi]]:
    """Boots a board of the test's own."""
    with ExitStack() as boards:

        def make(memory_bytes: int | None = None) -> EmulatedPi:
            folder = tmp_path / f"pi-{len(list(tmp_path.glob('pi-*')))}"
            folder.mkdir()
            return boards.enter_context(booted(arm_root, folder, memory_bytes))

        yield make
