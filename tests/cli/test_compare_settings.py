"""`groupnl compare` where each side has runs under several settings: like is paired with like, or it is refused."""

import json
import shlex
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from device_agent.settings import Settings
from groupnl_deploy.bench.run import save_run
from groupnl_deploy.cli.main import app
from tests.report.compared_runs import run_of

# The order within the two rounds: of one round, as a set draws it.
ORDER = (("a", 1), ("b", 2), ("b", 1), ("a", 2)), (("b", 1), ("b", 2), ("a", 2), ("a", 1))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def save_set(rounds: int = 2, letters: str = "ab") -> None:
    """A is 10 ms with one thread and 6 ms with two; B takes 1.1 times as long with both."""
    for number in range(1, rounds + 1):
        for place, (letter, threads) in enumerate(ORDER[number % 2]):
            if letter in letters:
                p50_ms = {1: 10.0, 2: 6.0}[threads] * (1.1 if letter == "b" else 1.0)
                run = run_of(p50_ms, letter, 4 * number + place, settings=Settings(threads))
                save_run(Path(f"set/runs/net-{letter}-threads{threads}-run{number}"), run, None)


def compare(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["compare", *arguments])


def pairs(done: Result) -> list[tuple[str, str]]:
    shown = json.loads(done.stdout)
    return list(zip(shown["a"]["runs"], shown["b"]["runs"], strict=True))


LIKE = [
    (f"net-a-threads{threads}-run{number}", f"net-b-threads{threads}-run{number}")
    for threads in (1, 2)
    for number in (1, 2)
]


def test_like_is_paired_with_like_and_the_settings_are_said_before_the_numbers() -> None:
    save_set()
    done = compare("set", "--json")
    assert pairs(done) == LIKE
    shown = json.loads(done.stdout)
    assert shown["interleaved"] and not shown["beside"]
    assert [(one["setting"], one["pairs"]) for one in shown["within"]] == [("Threads 1", 2), ("Threads 2", 2)]
    assert [one["ratio"] for one in shown["within"]] == pytest.approx([1.1, 1.1])
    p50 = next(line for line in shown["lines"] if line["metric"] == "p50_ms")
    assert p50["found"]["low"] == pytest.approx(1.1) and p50["found"]["high"] == pytest.approx(1.1)
    said = compare("set").stdout.replace("\n", " ")
    assert "The pairs are of runs with equal settings: Threads 1 (2 pairs); Threads 2 (2 pairs)." in said
    assert "B/A of p50 latency with each setting: Threads 1: 1.100; Threads 2: 1.100." in said


def test_two_folders_are_paired_within_settings_too() -> None:
    save_set()
    for letter in "ab":
        for path in Path("set/runs").glob(f"net-{letter}-*"):
            shutil.copytree(path, Path(letter) / path.name)
    assert pairs(compare("a", "b", "--json")) == LIKE
    shutil.rmtree("b/net-b-threads2-run1")
    done = compare("a", "b")
    assert done.exit_code == 2 and "Under Threads 2 A has 2 whole runs and B 1" in done.stderr


def test_settings_of_one_side_alone_are_refused_with_a_command_that_works() -> None:
    save_set()
    for path in Path("set/runs").glob("net-b-threads2-*"):
        shutil.rmtree(path)
    done = compare("set")
    said = done.stderr.replace("\n", " ")
    assert done.exit_code == 2 and done.stdout == ""
    assert "A has Threads 1 (2 runs); Threads 2 (2 runs). B has Threads 1 (2 runs)." in said
    assert command_in(done) == "groupnl compare set/runs/net-a-threads1-run* set/runs/net-b-threads1-run*"
    assert pairs(compare(*expanded(command_in(done)), "--json")) == LIKE[:2]


def test_of_many_things_two_that_are_there_are_named() -> None:
    save_set()
    save_run(Path("set/runs/other"), run_of(7.0, "c", 40), None)
    done = compare("set")
    assert done.exit_code == 2 and "runs of 3 things" in done.stderr
    assert pairs(compare(*expanded(command_in(done)), "--json")) == LIKE


def test_one_artifact_under_three_settings_is_three_things() -> None:
    save_set(letters="a")
    save_run(Path("set/runs/net-a-threads3-run1"), run_of(5.0, "a", 40, settings=Settings(3)), None)
    done = compare("set")
    assert done.exit_code == 2 and "runs of 3 things" in done.stderr
    assert len(pairs(compare(*expanded(command_in(done)), "--json"))) == 2


def command_in(done: Result) -> str:
    return next(part for part in done.stderr.split("`") if part.startswith("groupnl compare")).replace("\n", " ")


def expanded(command: str) -> list[str]:
    """The command's words, as a shell expands them."""
    words = shlex.split(command)[2:]
    return [name for word in words for name in (sorted(map(str, Path().glob(word))) if "*" in word else [word])]
