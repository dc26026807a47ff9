"""Fixtures for logins: one server for all of them, and an agent full of keys."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.rigs.login_board import LoginBoard, a_login_board, add_to_agent, an_agent, encrypt_key


@pytest.fixture(scope="session")
def login_board(
    tmp_path_factory: pytest.TempPathFactory, make_key: Callable[..., Path], sshd_program: str
) -> Iterator[LoginBoard]:
    """Tests take `board`, which also empties its ~/.ssh."""
    with a_login_board(tmp_path_factory.mktemp("login-board"), sshd_program, make_key) as board:
        yield board


@pytest.fixture
def board(login_board: LoginBoard, monkeypatch: pytest.MonkeyPatch) -> LoginBoard:
    """The server, with an empty ~/.ssh and no agent."""
    shutil.rmtree(login_board.ssh_folder, ignore_errors=True)
    login_board.ssh_folder.mkdir(mode=0o700)
    monkeypatch.setenv("HOME", str(login_board.folder / "home"))
    monkeypatch.setenv("PATH", str(login_board.folder / "bin"), prepend=os.pathsep)
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return login_board


@pytest.fixture(scope="session")
def full_agent(
    login_board: LoginBoard, tmp_path_factory: pytest.TempPathFactory, make_key: Callable[..., Path]
) -> Iterator[Path]:
    """An agent with eight keys that nobody knows and, the ninth, that of `locked`, whose file is encrypted."""
    folder = tmp_path_factory.mktemp("full-agent")
    with an_agent(folder) as agent:
        add_to_agent(agent, *(make_key(folder / f"stranger-{number}") for number in range(8)))
        add_to_agent(agent, login_board.folder / "locked")
        encrypt_key(login_board.folder / "locked")
        yield agent
