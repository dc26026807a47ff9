"""The emulated Pi for tests: one board for the session, blank at first, and one person who has it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from groupnl_deploy.cli.main import app
from groupnl_deploy.native.libraries import LibraryFile
from tests.pi.machine import EmulatedPi, booted
from tests.pi.person import Groupnl
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


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory, native_library: LibraryFile) -> Path:
    """One person's settings for all of these tests; the native libraries are those that this machine has."""
    folder = tmp_path_factory.mktemp("person")
    (folder / "groupnl/cache").mkdir(parents=True)
    (folder / "groupnl/cache/native").symlink_to(native_library.path.parents[1])
    return folder


@pytest.fixture
def groupnl(home: Path, monkeypatch: pytest.MonkeyPatch) -> Groupnl:
    """Runs a command of that person, in their folder."""
    monkeypatch.setenv("GROUPNL_HOME", str(home / "groupnl"))
    monkeypatch.chdir(home)

    def run(*words: object, code: int | tuple[int, ...] = 0) -> Result:
        done = CliRunner().invoke(app, [str(word) for word in words])
        expected = code if isinstance(code, tuple) else (code,)
        assert done.exit_code in expected, f"{words}: exit code {done.exit_code}\n{done.output}"
        return done

    return run
