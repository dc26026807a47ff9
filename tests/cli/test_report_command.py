"""`groupnl report` on run folders: order, repetitions, damage, runs that were cut short."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from device_agent.messages.bench import BenchBegun
from device_agent.settings import Settings
from device_agent.strict import to_json
from groupnl_deploy.bench.incomplete import IncompleteRun, save_incomplete
from groupnl_deploy.bench.result import Arrived
from groupnl_deploy.bench.run import RunFrame, save_run
from groupnl_deploy.bench.run_set import Member, RunSet
from groupnl_deploy.cli.main import app
from tests.bench.made_runs import rewrite
from tests.report.test_report import make_run


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("runs/a", "runs/b", "runs/c"):
        save_run(Path(name), make_run(), None)


def report(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["report", *arguments])


def names(done: Result) -> list[str]:
    return [row["run"] for row in json.loads(done.stdout)["rows"]]


def damage(folder: str) -> None:
    path = Path(folder) / "run.json"
    path.write_text(path.read_text()[:-40])


def test_the_order_given_is_kept_and_a_run_named_twice_is_shown_once() -> None:
    done = report("runs/c", "runs/a", "runs/c/", "runs/b", "--json")
    assert done.exit_code == 0 and names(done) == ["c", "a", "b"]
    assert "runs/c was named twice and is shown once." in done.stderr


def test_one_damaged_run_blocks_no_other() -> None:
    damage("runs/b")
    for form in ("table", "json", "csv", "markdown"):
        done = report("--format", form)
        assert done.exit_code == 4 and "b is damaged and not shown: runs/b/run.json" in done.stderr
        assert "1 of 3 runs is damaged" in done.stderr and "Traceback" not in done.stderr
    done = report("runs/c", "runs/b", "runs/a", "--json")
    assert names(done) == ["c", "a"]
    (damaged,) = json.loads(done.stdout)["damaged"]
    assert damaged["run"] == "b" and "run.json" in damaged["reason"] and damaged["remedy"]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("run.json is gone", "runs/b/run.json is missing"),
        ("not readable as a run", "expected a table of keys"),
        ("another version", "unknown key"),
        ("one latency altered", "run.json.sha256 beside it has another SHA-256"),
        ("the digest cut off", "run.json.sha256 beside it has another SHA-256"),
    ],
)
def test_every_kind_of_damage_is_named(how: str, said: str) -> None:
    path = Path("runs/b/run.json")
    text = path.read_text()
    if how == "run.json is gone":
        path.unlink()
    elif how == "one latency altered":
        path.write_text(text.replace("10000000,", "10000001,", 1))
        assert path.read_text() != text
    elif how == "the digest cut off":
        path.with_name("run.json.sha256").write_text("")
    else:
        rewrite(path, "[]" if how.startswith("not") else text.replace('"schema_version": ', '"x": '))
    done = report("--json")
    assert done.exit_code == 4 and names(done) == ["a", "c"], done.output
    assert said in json.loads(done.stdout)["damaged"][0]["reason"]


def test_a_run_of_before_there_were_digests_is_read_and_that_is_said_once() -> None:
    for name in "ab":
        Path(f"runs/{name}/run.json.sha256").unlink()
    done = report()
    assert done.exit_code == 0 and done.stdout.replace("\n", " ").count("a, b: no run.json.sha256") == 1
    assert json.loads(report("--json").stdout)["without_digest"] == ["a", "b"]
    assert "run.json.sha256" not in report("runs/c").stdout


def test_damaged_runs_alone_are_the_error_itself() -> None:
    damage("runs/b")
    done = report("runs/b")
    assert done.exit_code == 4 and done.stdout == "" and "run.json" in done.stderr


def test_a_campaigns_runs_stand_as_in_its_own_report() -> None:
    for name in ("x", "y", "z"):
        shutil.copytree("runs/a", f"job/runs/{name}")
    assert names(report("job", "--json")) == ["x", "y", "z"]
    Path("job/report").mkdir()
    Path("job/report/report.json").write_text(json.dumps({"rows": [{"run": "z"}, {"run": "x"}]}))
    assert names(report("job", "--json")) == ["z", "x", "y"]


def test_runs_of_one_name_in_two_campaigns_are_called_by_their_paths() -> None:
    for job in ("one", "two"):
        shutil.copytree("runs/a", f"{job}/runs/net")
    assert names(report("one", "two", "--json")) == ["one/runs/net", "two/runs/net"]


def cut_short(out: str) -> None:
    """A run that ended in the steady window, beside where it would be."""
    run = make_run()
    frame = {field.name: getattr(run, field.name) for field in dataclasses.fields(RunFrame)}
    begun = BenchBegun("b" * 64, run.result.settings, run.result.board_before, run.result.memory_start)
    arrived = Arrived(begun, "steady", run.result.phases[:5], None, (), None, (), (), None, None)
    save_incomplete(
        Path(out),
        IncompleteRun(**frame, clock_probes=(), arrived=arrived, ended_by="The agent was killed.", power=None),
        None,
    )


def test_an_incomplete_run_is_named_and_in_no_row() -> None:
    whole = report("--json")
    cut_short("runs/d")
    for form in ("table", "json", "csv", "markdown"):
        done = report("--format", form)
        assert done.exit_code == 6 and "Traceback" not in done.stderr
        assert "d.incomplete is INCOMPLETE and not shown" in done.stderr
        assert "ended in the phase steady. The agent was killed. Kept of it: 0 latencies." in done.stderr
        assert "1 of 4 runs is incomplete" in done.stderr
    assert "d.incomplete is INCOMPLETE" in report("--format", "markdown").stdout
    shown = json.loads(report("--json").stdout)
    (incomplete,) = shown["incomplete"]
    assert shown["rows"] == json.loads(whole.stdout)["rows"]
    assert incomplete["run"] == "d.incomplete" and incomplete["ended"] == "in the phase steady"


def test_an_incomplete_run_alone_is_still_told() -> None:
    cut_short("runs/d")
    done = report("runs/d")
    assert done.exit_code == 6 and "d.incomplete is INCOMPLETE" in done.stderr
    done = report("runs/d.incomplete")
    assert done.exit_code == 6 and done.stdout == "" and "ended in the phase steady" in done.stderr
    assert json.loads(report("runs/d.incomplete", "--json").stdout)["rows"] == []


def test_an_incomplete_run_that_was_benchmarked_again_is_shown_only_where_it_is_named() -> None:
    cut_short("runs/a")
    cut_short("runs/a")
    assert sorted(path.name for path in Path("runs").glob("a*")) == ["a", "a.incomplete", "a.incomplete-2"]
    assert report().exit_code == 0
    assert report("runs/a", "runs/a.incomplete-2").exit_code == 6


def test_a_damaged_incomplete_run_is_damaged() -> None:
    cut_short("runs/d")
    path = Path("runs/d.incomplete/incomplete.json")
    path.write_text(path.read_text()[:-40])
    done = report()
    assert done.exit_code == 4 and "d.incomplete is damaged and not shown" in done.stderr
    assert "1 of 4 runs is damaged; the others are shown." in done.stderr
    cut_short("runs/e")
    assert "1 of 5 runs is damaged; the others are shown." in report().stderr
    assert "1 of 2 runs is damaged; none could be shown." in report("runs/d.incomplete", "runs/e.incomplete").stderr


def test_a_sets_runs_stand_as_they_were_named_and_its_page_says_what_measured_them() -> None:
    for name in ("b-net-run10", "b-net-run9", "a-net-run9"):
        shutil.copytree("runs/a", f"both/runs/{name}")
    members = tuple(Member(name, name, "a" * 64, "onnxruntime", Settings()) for name in ("b-net", "a-net"))
    command = "groupnl bench b-net a-net --repeats 10 --out both"
    order = ("b-net-run9", "a-net-run9", "b-net-run10")
    made = RunSet(device="pi", command=command, members=members, repeats=10, seed=1, order=order)
    Path("both/set.json").write_text(to_json(made))
    assert names(report("both", "--json")) == ["b-net-run9", "b-net-run10", "a-net-run9"]
    assert report("both", "--out", "x.html").exit_code == 0
    assert command in Path("x.html").read_text()
    Path("both/set.json").write_text("{}")
    done = report("both")
    assert done.exit_code == 0 and "set.json" in done.stderr
    assert names(report("both/runs/a-net-run9", "--json")) == ["a-net-run9"]


def test_a_folder_of_runs_and_campaigns_stands_for_all_of_them_and_a_typing_error_is_told() -> None:
    shutil.copytree("runs/a", "some/one")
    shutil.copytree("runs/a", "some/set/runs/two")
    assert names(report("some", "--json")) == ["one", "two"]
    done = report("some/ome")
    assert done.exit_code == 2 and "Did you mean some/one?" in done.stderr


def test_a_page_says_what_it_was_made_with() -> None:
    assert report("runs/a", "--details", "--baseline", "a", "--out", "page.html").exit_code == 0
    assert "groupnl report runs/a --baseline a --details --out report-again.html" in Path("page.html").read_text()
