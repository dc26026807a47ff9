"""`groupnl report` on run folders: order, repetitions, damage."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from groupnl_deploy.bench.run import save_run
from groupnl_deploy.cli.main import app
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


@pytest.mark.parametrize("how", ["run.json is gone", "not readable as a run", "another version"])
def test_every_kind_of_damage_is_named(how: str) -> None:
    path = Path("runs/b/run.json")
    if how == "run.json is gone":
        Path("runs/b/power.csv").write_text("t_s,voltage_v,current_a\n")
        path.unlink()
    else:
        path.write_text("[]" if how.startswith("not") else path.read_text().replace('"schema_version": ', '"x": '))
    done = report("--json")
    assert done.exit_code == 4 and names(done) == ["a", "c"], done.output


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
