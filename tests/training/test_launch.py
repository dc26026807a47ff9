"""What the processes that `--nproc` starts tell the user and each other, without starting any."""

import signal
from dataclasses import make_dataclass

import pytest

from groupnl_deploy.training.launch import ENDED, _code, _heeded_signals, leave_code, other_has_ended, tells


def test_of_several_processes_the_first_that_asks_tells_why_they_end(tmp_path):
    environment = {ENDED: str(tmp_path)}
    assert [tells(environment) for _ in range(3)] == [True, False, False]
    assert tells({}) and tells({ENDED: str(tmp_path / "gone")})
    assert _code(tmp_path) == 0


@pytest.mark.parametrize(("left", "code"), [({}, 0), ({"0": "0", "1": "0"}, 0), ({"10": "4", "2": "1", "0": "0"}, 1)])
def test_who_lost_the_others_learns_whether_one_had_an_error_of_its_own(left, code, tmp_path):
    for rank, text in left.items():
        leave_code(tmp_path, rank, int(text))
    tells({ENDED: str(tmp_path)})
    assert other_has_ended(tmp_path, 0) == (code != 0) and _code(tmp_path) == code


def test_a_signal_that_is_ignored_stays_so():
    today, older = make_dataclass("Today", ["signals_to_handle"]), make_dataclass("Older", [])
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert _heeded_signals(today) == {"signals_to_handle": "SIGTERM,SIGINT,SIGQUIT"}
        assert _heeded_signals(older) == {}
    finally:
        signal.signal(signal.SIGHUP, before)


def test_whose_launcher_was_killed_ends_as_well_without_its_folder(tmp_path):
    gone = tmp_path / "removed by the next training"
    leave_code(gone, "1", 2)
    assert not gone.exists() and not other_has_ended(gone, 0) and _code(gone) == 0
