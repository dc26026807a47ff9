"""A set's order, its folder, and what is left of it where something ends it early."""

from collections.abc import Callable
from pathlib import Path

import pytest

from device_agent.settings import Settings
from groupnl_deploy.bench import bench_device
from groupnl_deploy.bench.run_set import SET_FILE, Member, drawn, load_set, make_set, named, rounds, told_apart
from groupnl_deploy.errors import DeviceUnreachable, Stopped, UsageError, VerificationFailed
from groupnl_deploy.progress import Silence
from groupnl_deploy.workspace import RUN_FILE
from tests.bench.test_board_rules import made

A, B = (Member(name, name, name * 64, "null", Settings(1)) for name in ("a", "b"))


def test_each_round_has_every_member_once_and_the_seed_says_in_which_order() -> None:
    names = [f"m{number}" for number in range(6)]
    order = rounds(names, repeats=4, seed=7)
    by_round = [order[first : first + 6] for first in range(0, 24, 6)]
    for number, one in enumerate(by_round, start=1):
        assert sorted(one) == [f"{name}-run{number}" for name in names]
    assert len({tuple(name.partition("-")[0] for name in one) for one in by_round}) > 1
    assert rounds(names, 4, 7) == order != rounds(names, 4, 8)


def test_names_tell_members_apart() -> None:
    def member(label: str, digit: str, threads: int) -> Member:
        return named(label, "x", digit * 64, "onnxruntime", Settings(threads))

    assert told_apart([member("ResNet 18 x1", "a", 0)])[0].name == "ResNet-18-x1-onnxruntime"
    both = told_apart([member("net", "a", 1), member("net", "a", 2)])
    assert [one.name for one in both] == ["net-onnxruntime-threads1", "net-onnxruntime-threads2"]
    equal = told_apart([member("net", "a", 1), member("net", "b", 1), member("other", "c", 1)])
    assert [one.name for one in equal] == [
        f"net-onnxruntime-{'a' * 12}",
        f"net-onnxruntime-{'b' * 12}",
        "other-onnxruntime",
    ]


def bench_until(failing: int, error: BaseException) -> Callable[[Member, Path], None]:
    """Makes run folders; the one of this number fails."""
    done: list[Path] = []

    def bench_one(member: Member, folder: Path) -> None:
        if len(done) + 1 == failing:
            raise error
        folder.mkdir(parents=True)
        (folder / RUN_FILE).touch()
        done.append(folder)

    return bench_one


def test_a_whole_set_says_what_was_made_and_in_which_order(tmp_path: Path) -> None:
    wanted = drawn("local", "groupnl bench a b", [A, B], repeats=3)
    said: list[str] = []
    folders = make_set(tmp_path / "out", wanted, bench_until(0, KeyboardInterrupt()), said.append)
    assert [folder.name for folder in folders] == list(wanted.order)
    kept = load_set(tmp_path / "out")
    assert kept.made == kept.order == wanted.order and kept.seed == wanted.seed and kept.members == (A, B)
    assert said[0] == f"Run 1 of 6: {wanted.order[0]}"


def test_what_was_finished_stays_and_is_told(tmp_path: Path) -> None:
    wanted = drawn("local", "", [A, B], repeats=2)
    with pytest.raises(Stopped) as stopped:
        make_set(tmp_path / "out", wanted, bench_until(3, KeyboardInterrupt()), lambda text: None)
    assert "2 of 4 runs are finished" in stopped.value.remedy and "groupnl report" in stopped.value.remedy
    assert load_set(tmp_path / "out").made == wanted.order[:2]
    said: list[str] = []
    with pytest.raises(DeviceUnreachable):
        make_set(tmp_path / "lost", wanted, bench_until(4, DeviceUnreachable("Gone.", "Look.")), said.append)
    assert "3 of 4 runs are finished" in said[-1]


def test_an_unfinished_set_of_the_same_command_goes_on_where_it_stopped(tmp_path: Path) -> None:
    wanted = drawn("local", "groupnl bench a b --repeats 2", [A, B], repeats=2)
    with pytest.raises(Stopped) as stopped:
        make_set(tmp_path / "out", wanted, bench_until(3, KeyboardInterrupt()), lambda text: None)
    assert f"run the command again with --out {tmp_path / 'out'}" in stopped.value.remedy
    again = drawn("local", f"groupnl bench a b --repeats 2 --out {tmp_path / 'out'}", [A, B], repeats=2)
    said: list[str] = []
    folders = make_set(tmp_path / "out", again, bench_until(0, KeyboardInterrupt()), said.append)
    assert [folder.name for folder in folders] == list(wanted.order) and load_set(tmp_path / "out").seed == wanted.seed
    assert "2 of 4 runs are in" in said[0] and said[1] == f"Run 3 of 4: {wanted.order[2]}"
    with pytest.raises(UsageError, match="exists already"):
        make_set(tmp_path / "out", again, bench_until(0, KeyboardInterrupt()), said.append)


def test_an_unfinished_set_of_other_things_is_left_alone(tmp_path: Path) -> None:
    wanted = drawn("local", "groupnl bench a b", [A, B], repeats=2)
    with pytest.raises(Stopped):
        make_set(tmp_path / "out", wanted, bench_until(3, KeyboardInterrupt()), lambda text: None)
    metered = drawn("local", "groupnl bench a b --meter km003c", [A, B], repeats=2)
    for other in (metered, drawn("local", "groupnl bench a b", [A], repeats=2)):
        with pytest.raises(UsageError, match="unfinished set of other things, made by: groupnl bench a b"):
            make_set(tmp_path / "out", other, bench_until(0, KeyboardInterrupt()), lambda text: None)
    assert load_set(tmp_path / "out").made == wanted.order[:2]


def test_a_run_that_was_kept_before_the_set_was_stopped_is_told_and_stays(tmp_path: Path) -> None:
    def bench_one(member: Member, folder: Path) -> None:
        folder.mkdir(parents=True)
        (folder / RUN_FILE).touch()
        raise KeyboardInterrupt  # while the right answers are computed

    with pytest.raises(Stopped) as stopped:
        make_set(tmp_path / "out", drawn("local", "", [A], 2), bench_one, lambda text: None)
    assert "1 of 2 runs are finished" in stopped.value.remedy and (tmp_path / "out" / SET_FILE).is_file()


def test_a_single_run_is_kept_too_where_its_answers_were_not_held_against_the_right_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(bench_device, "agreement_with_right_answers", stop)
    with pytest.raises(Stopped) as stopped:
        bench_device._compared(made(), Path("runs/a"), None, None, Silence())
    assert "whole and kept in runs/a" in stopped.value.remedy


def test_nothing_is_left_of_a_set_without_a_run(tmp_path: Path) -> None:
    with pytest.raises(Stopped) as stopped:
        make_set(tmp_path / "out", drawn("local", "", [A], 2), bench_until(1, KeyboardInterrupt()), lambda text: None)
    assert "nothing is kept" in stopped.value.remedy and not (tmp_path / "out").exists()


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / SET_FILE).write_text('{"seed": 1}')
    with pytest.raises(VerificationFailed, match=r"set\.json"):
        load_set(tmp_path)
