"""What the processes that `--nproc` starts tell the user and each other, without starting any."""

import multiprocessing
import signal
import socket
import time
from dataclasses import make_dataclass

import pytest
import torch

from groupnl_deploy.cli import train_rank
from groupnl_deploy.errors import UsageError
from groupnl_deploy.training.launch import (
    ENDED,
    ProcessesLost,
    _code,
    _heeded_signals,
    _of_this_machine,
    leave_code,
    other_has_ended,
    tells,
)
from groupnl_deploy.training.ranks import ranks_of
from power.temporary import remove_abandoned


def test_of_several_processes_the_first_that_asks_tells_why_they_end(tmp_path):
    environment = {ENDED: str(tmp_path)}
    assert [tells(environment) for _ in range(3)] == [True, False, False]
    assert tells({}) and tells({ENDED: str(tmp_path / "gone")})
    with pytest.raises(ProcessesLost, match="How this training ended is not known"):
        _code(tmp_path)  # that one has told something is no code


@pytest.mark.parametrize(("left", "code"), [({"0": "0", "1": "0"}, 0), ({"10": "4", "2": "1", "0": "0"}, 1)])
def test_who_lost_the_others_learns_whether_one_had_an_error_of_its_own(left, code, tmp_path):
    for rank, text in left.items():
        leave_code(tmp_path, rank, int(text))
    tells({ENDED: str(tmp_path)})
    assert other_has_ended(tmp_path, 0) == (code != 0) and _code(tmp_path) == code


def test_who_waits_for_one_that_has_ended_with_an_error_ends_as_well(tmp_path, monkeypatch):
    """As where one of two processes finds no GPU, while the other one is at the place where they meet."""
    leave_code(tmp_path, "1", 2)
    monkeypatch.setenv(ENDED, str(tmp_path))
    monkeypatch.setattr(train_rank, "_WAIT_S", 0.1)
    monkeypatch.setattr(train_rank, "entry", lambda: time.sleep(60))
    waiting = multiprocessing.get_context("fork").Process(target=train_rank.run)
    waiting.start()
    waiting.join(30)
    assert waiting.exitcode == 0
    assert _code(tmp_path) == 2


@pytest.mark.parametrize(
    ("compute", "cards", "said", "remedy"),
    [
        ("auto", 1, "2 processes of this machine want a GPU each, and it has 1.", "Start 1 process a machine, or"),
        ("cuda", 1, "2 processes of this machine want a GPU each, and it has 1.", "--compute cpu"),
        ("cuda", 0, "finds no GPU here.", "Compute on the CPU: --compute cpu."),
    ],
)
@pytest.mark.parametrize("local", ["0", "1"])
def test_all_processes_are_told_where_there_are_too_few_cards(compute, cards, said, remedy, local, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cards > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cards)
    environment = {"RANK": local, "WORLD_SIZE": "2", "LOCAL_RANK": local, "LOCAL_WORLD_SIZE": "2"}
    with pytest.raises(UsageError) as caught:
        ranks_of(compute, environment)
    assert said in caught.value.message and remedy in caught.value.remedy
    assert ranks_of("cpu", environment).size == 2


def test_a_signal_that_is_ignored_stays_so():
    today, older = make_dataclass("Today", ["signals_to_handle"]), make_dataclass("Older", [])
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert _heeded_signals(today) == {"signals_to_handle": "SIGTERM,SIGINT,SIGQUIT"}
        assert _heeded_signals(older) == {}
    finally:
        signal.signal(signal.SIGHUP, before)


def test_what_another_machine_has_among_shared_temporary_files_is_not_taken_for_abandoned(tmp_path, monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: "node-2.cluster")
    theirs = tmp_path / f"{_of_this_machine('run-')}abcd1234"
    theirs.mkdir()
    monkeypatch.undo()
    remove_abandoned(_of_this_machine("run-"), str(tmp_path))
    assert theirs.is_dir() and theirs.name == "run-node-2-cluster-abcd1234"


def test_whose_launcher_was_killed_ends_as_well_without_its_folder(tmp_path):
    gone = tmp_path / "removed by the next training"
    leave_code(gone, "1", 2)
    assert not gone.exists() and not other_has_ended(gone, 0)
    with pytest.raises(ProcessesLost, match="How this training ended is not known"):
        _code(gone)
