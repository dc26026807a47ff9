"""`groupnl compare` on run folders: which runs are A's and B's, what is said first, exit codes, and what is refused."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from device_agent.messages.bench import PhaseMark
from device_agent.settings import Settings
from groupnl_deploy.bench.incomplete import IncompleteRun, save_incomplete
from groupnl_deploy.bench.result import gather
from groupnl_deploy.bench.run import RunFrame, save_run
from groupnl_deploy.cli.main import app
from tests.bench.made_runs import rewrite
from tests.report.compared_runs import run_of, save_sides


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("made")
    save_sides(place / "slower", 1.05)
    save_sides(place / "equal", 1.0)
    return place


@pytest.fixture(autouse=True)
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of the sets "slower" and "equal"."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)


def compare(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["compare", *arguments])


def sides(done: Result) -> tuple[list[str], list[str]]:
    shown = json.loads(done.stdout)
    return shown["a"]["runs"], shown["b"]["runs"]


def numbered(letter: str, *numbers: int) -> list[str]:
    return [f"net-{letter}-run{number}" for number in numbers]


def cut_short(out: Path) -> None:
    """A whole run that becomes one which ended in the steady window."""
    run = run_of(10.0, "b")
    shutil.rmtree(out)
    frame = {field.name: getattr(run, field.name) for field in dataclasses.fields(RunFrame)}
    arrived = gather([*run.result.phases[:5], PhaseMark("steady", 0, 10.0)])
    record = IncompleteRun(**frame, clock_probes=(), arrived=arrived, ended_by="The agent was killed.", power=None)
    save_incomplete(out, record, None)


def test_a_set_is_split_into_its_two_things_and_the_verdict_stands_before_the_table() -> None:
    done = compare("slower")
    lines = done.stdout.splitlines()
    assert done.exit_code == 0, done.output
    assert lines[0] == "A is net-a, B is net-b. Compared: Model: A net-a, B net-b."
    assert lines[1].startswith("B takes 1.050 times as long as A by its p50 latency")
    assert "NOT INTERLEAVED" not in done.stdout


def test_no_difference_shown() -> None:
    assert "No difference shown: B's p50 latency is 1.000 times A's" in compare("equal").stdout


def test_one_artifact_under_two_settings_is_two_things() -> None:
    for number in range(1, 9):
        path = Path(f"slower/runs/net-b-run{number}")
        shutil.rmtree(path)
        run = run_of(5.0, "a", 2 * number - 1, settings=Settings(2))
        save_run(path, run, None)
    done = compare("slower")
    assert done.exit_code == 0 and "Compared: Threads: A 4, B 2." in done.stdout, done.output
    assert "B is 2.0" in done.stdout and "ALSO DIFFERENT" not in done.stdout


def test_json_has_all_of_it() -> None:
    shown = json.loads(compare("slower", "--json").stdout)
    assert shown["schema_version"] == 1 and shown["pairs"] == 8 and shown["metric"] == "p50_ms"
    line = next(line for line in shown["lines"] if line["metric"] == "p50_ms")
    assert line["found"]["ratio"] == pytest.approx(1.05) and line["found"]["p"] == 2 / 256


def test_two_folders_of_runs_and_many_named_runs_are_the_same_two_sides() -> None:
    whole = sides(compare("slower", "--json"))
    assert whole == (numbered("a", *range(1, 9)), numbered("b", *range(1, 9)))
    names = [f"slower/runs/{name}" for side in whole for name in side]
    assert sides(compare(*names, "--json")) == whole
    for letter in "ab":
        for path in Path("slower/runs").glob(f"net-{letter}-*"):
            shutil.copytree(path, Path(letter) / path.name)
    assert sides(compare("a", "b", "--json")) == whole
    assert sides(compare("b", "a", "--json")) == whole[::-1]


def test_one_thing_at_two_times_is_called_by_its_places() -> None:
    for place, numbers in (("before", range(1, 7)), ("after", range(7, 13))):
        for number in numbers:
            save_run(Path(place) / f"net-run{number}", run_of(10.0 + number % 3, "a", number), None)
    done = compare("before", "after")
    assert done.stdout.startswith("A is net in before, B is net in after. Compared: nothing, they are one artifact")
    assert "NOT INTERLEAVED" in done.stdout and done.exit_code == 0


def test_the_first_run_of_a_campaign_has_no_number() -> None:
    for letter in "ab":
        Path(f"slower/runs/net-{letter}-run1").rename(f"slower/runs/net-{letter}")
    done = compare("slower", "--json")
    assert sides(done)[1] == ["net-b", *numbered("b", *range(2, 9))]
    assert json.loads(done.stdout)["a"]["name"] == "net-a"


def test_two_single_runs_are_one_pair_and_no_verdict() -> None:
    done = compare("slower/runs/net-a-run1", "slower/runs/net-b-run1")
    assert done.exit_code == 0 and "No verdict. In one pair" in done.stdout


def test_a_run_without_a_partner_is_left_out_and_named() -> None:
    shutil.rmtree("slower/runs/net-a-run3")
    done = compare("slower", "--json")
    assert done.exit_code == 0 and sides(done)[0] == numbered("a", 1, 2, 4, 5, 6, 7, 8)
    assert json.loads(done.stdout)["left_out"] == ["net-b-run3 has no partner and is left out."]


def test_a_run_cut_short_is_shown_as_incomplete_and_the_other_pairs_are_compared() -> None:
    cut_short(Path("slower/runs/net-b-run8"))
    done = compare("slower")
    assert done.exit_code == 6 and "7 pairs" in done.stdout
    assert "net-b-run8.incomplete is INCOMPLETE and not shown" in done.stdout
    assert "net-a-run8 has no partner" in done.stdout.replace("\n", " ")
    assert compare("slower", "--allow-invalid").exit_code == 0


def test_a_damaged_run_and_one_of_another_version_are_named() -> None:
    path = Path("slower/runs/net-b-run8/run.json")
    rewrite(path, path.read_text().replace('"schema_version": ', '"schema_version": 9'))
    done = compare("slower")
    assert done.exit_code == 4 and "7 pairs" in done.stdout
    assert "net-b-run8 is damaged and left out" in done.stdout and "other version" in done.stdout.replace("\n", " ")
    assert "net-b-run8 is damaged" in done.stderr and "Traceback" not in done.stderr


def test_runs_without_a_digest_are_compared_and_counted_and_altered_ones_are_damaged() -> None:
    for path in Path("slower/runs").glob("*/run.json.sha256"):
        path.unlink()
    done = compare("slower")
    assert done.exit_code == 0 and "16 of 16 runs: no run.json.sha256" in done.stdout
    assert len(json.loads(compare("slower", "--json").stdout)["without_digest"]) == 16
    path = Path("equal/runs/net-b-run8/run.json")
    path.write_text(path.read_text().replace('"device": "pi"', '"device": "pj"'))
    done = compare("equal")
    assert done.exit_code == 4 and "net-b-run8 is damaged and left out" in done.stdout and "7 pairs" in done.stdout


def test_runs_of_another_version_alone_are_the_error_itself() -> None:
    for path in Path("slower/runs").glob("*/run.json"):
        rewrite(path, path.read_text().replace('"schema_version": ', '"schema_version": 9'))
    done = compare("slower")
    assert done.exit_code == 4 and done.stdout == ""
    assert "schema_version" in done.stderr and "there is no whole run to compare" in done.stderr


def test_what_is_not_whole_is_named_where_no_pairs_are_left_for_it() -> None:
    for letter in "ab":
        for path in Path("slower/runs").glob(f"net-{letter}-*"):
            shutil.copytree(path, Path(letter) / path.name)
    cut_short(Path("b/net-b-run8"))
    done = compare("a", "b")
    assert done.exit_code == 2 and "A has 8 whole runs and B 7" in done.stderr
    assert "net-b-run8.incomplete is INCOMPLETE and not shown" in done.stderr


def test_a_side_of_damaged_runs_alone_has_the_exit_code_of_damage() -> None:
    shutil.copytree("slower/runs/net-a-run1", "whole")
    shutil.copytree("slower/runs/net-b-run1", "damaged")
    Path("damaged/run.json").write_text("{}")
    done = compare("whole", "damaged")
    assert done.exit_code == 4 and "damaged holds no whole run" in done.stderr


def test_invalid_runs_end_with_6_unless_they_are_allowed() -> None:
    shutil.rmtree("slower")
    save_sides(Path("slower"), 1.05, latencies_ns=(20_000_000,) * 700 + (300_000_000,) * 300)
    done = compare("slower")
    assert (
        done.exit_code == 6
        and "INVALID are 0 runs of A and 8 of B" in done.stdout
        and "8 of 16 runs are invalid" in done.stderr
    )
    allowed = compare("slower", "--allow-invalid")
    assert allowed.exit_code == 0 and allowed.stdout == done.stdout
    rule = compare("slower", "--allow-invalid", "--fail-if", "p50_ms>+3%")
    assert rule.exit_code == 0 and "is not decided: the runs are invalid." in rule.stdout.replace("\n", " ")
    refused = compare("slower", "--fail-if", "p50_ms>+3%")
    assert refused.exit_code == 6 and "no rule is decided" in refused.stderr.replace("\n", " ")


@pytest.mark.parametrize(
    ("rule", "code", "said"),
    [
        ("p50_ms>+3%", 7, "is broken: B/A is 1.050"),
        ("p50_ms>+10%", 0, "is kept"),
        ("p50_ms>+5%", 0, "is not decided"),
        ("fps<-3%", 7, "is broken"),
    ],
)
def test_a_rule_has_its_exit_code(rule: str, code: int, said: str) -> None:
    done = compare("slower", "--fail-if", rule)
    assert done.exit_code == code and said in done.stdout.replace("\n", " ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere",), "nowhere does not exist."),
        (("slower", "--pairs", "5"), "--pairs says how to bench, and these runs were benched before"),
        (("slower", "--device", "local"), "slower holds runs, which were benched before"),
        (("net-onnx", "equal"), "net-onnx is no run, and where it shall be benched is not said"),
        (("0123abcdef",), "is no run, and where it shall be benched is not said"),
        (("net-onnx", "--device", "local"), "net-onnx has nothing beside it"),
        (("net-onnx", "x", "y", "--device", "local"), "x does not exist"),
        (("net-onnx", "net-onnx", "--device", "local", "--threads", "1,2"), "are one artifact with one"),
        (("net-onnx", "net-onnx", "--device", "local"), "are one artifact with one backend"),
        (("net-onnx", "net-onnx", "--device", "local", "--fail-if", "energy_j>+3%"), "energy_j needs a power meter"),
        (("net-onnx", "net-onnx", "--device", "local", "--by", "energy_j"), "energy_j needs a power meter"),
        (("x", "y", "--device", "local", "--pairs", "5", "--fail-if", "p50_ms>+3%"), "5 pairs cannot decide"),
        (("x", "y", "--device", "local", "--threads", "1,1"), "--threads has 1 twice"),
        (("slower", "empty"), "empty holds no run."),
        (("slower", "equal/runs/net-a-run1"), "slower holds runs of 2 things"),
        (("slower/runs/net-a-run1",), "runs of 1 thing, and two are compared: net-a-run1"),
        (("slower/runs/net-a-run1", "slower/runs/net-a-run1"), "is named twice"),
        (("slower/runs/net-a-run1", "b"), "A has 1 whole runs and B 8"),
        (("slower", "--fail-if", "p50_ms"), "“p50_ms” is no rule. The shell takes"),
        (("slower", "--fail-if", "p50>+3%"), "no column to compare “p50”"),
        (("slower", "--fail-if", "energy_j>+3%"), "cannot decide “energy_j>+3%”: of energy_j, no meter recorded"),
        (("slower", "--by", "joules"), "no column to compare “joules”"),
        (("slower", "--across", "thread"), "There is no condition “thread”"),
        (("few", "--fail-if", "p50_ms>+3%"), "3 pairs cannot decide"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_shown(arguments: tuple[str, ...], said: str, untrained) -> None:
    Path("empty").mkdir()
    Path("net-onnx").symlink_to(untrained.onnx.directory)
    save_sides(Path("few"), 1.05, 3)
    for path in Path("equal/runs").glob("net-b-*"):
        shutil.copytree(path, Path("b") / path.name)
    done = compare(*arguments)
    assert done.exit_code == 2 and said in done.stderr and done.stdout == "", done.output
    assert "Traceback" not in done.stderr
