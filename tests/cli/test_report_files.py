"""`groupnl report --out`: the form by the ending, whole or not at all, and what is refused before a run is read."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from groupnl_deploy.bench.run import save_run
from groupnl_deploy.cli import report_file
from groupnl_deploy.cli.main import app
from tests.bench.made_runs import rewrite
from tests.report.test_report import make_run


@pytest.fixture(autouse=True)
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save_run(Path("runs/a"), make_run(), None)


def report(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["report", *arguments])


@pytest.mark.parametrize(
    ("name", "begins"),
    [("x.html", "<!doctype html>"), ("x.json", "{"), ("x.csv", "model,"), ("x.md", "| Model"), ("x.txt", " ")],
)
def test_the_form_is_that_of_the_files_ending(name: str, begins: str) -> None:
    done = report("runs/a", "--out", name)
    assert done.exit_code == 0 and done.stdout == "" and f"Written to {name}" in done.stderr
    assert Path(name).read_text().startswith(begins) and "resnet" not in done.stdout


def test_a_page_in_a_pipe_is_the_page_in_a_file() -> None:
    assert report("--out", "x.html").exit_code == 0
    assert report("--format", "html").stdout == Path("x.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--out", "x.pdf"), "x.pdf ends as no report does; known are .json, .csv, .md, .html, .txt"),
        (("--out", "x.csv", "--json"), "ends as a file of csv does, and the format is json"),
        (("--out", "x.html", "--format", "markdown"), "Name the file x.md"),
        (("--out", "runs"), "runs exists already"),
        (("--format", "htm"), "Did you mean “html”?"),
        (("--format", "html", "--classes"), "--classes is for tables"),
    ],
)
def test_what_cannot_be_written_so_is_refused(arguments: tuple[str, ...], said: str) -> None:
    done = report(*arguments)
    assert done.exit_code == 2 and said in done.stderr and done.stdout == "" and not Path("x.csv").exists()


def test_a_page_is_not_poured_over_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_file.console, "is_terminal", lambda: True)
    done = report("--format", "html")
    assert done.exit_code == 2 and "--out report.html" in done.stderr


def test_an_invalid_run_is_written_before_the_exit_code_says_so_and_may_be_allowed() -> None:
    path = Path("runs/a/run.json")
    rewrite(path, path.read_text().replace('"throttled": null', '"throttled": 1'))
    assert report("--out", "x.html").exit_code == 6
    assert "INVALID" in Path("x.html").read_text()
    assert report("--allow-invalid").exit_code == 0


@pytest.mark.root
def test_a_full_disk_has_no_half_of_a_report(mounted: Callable[[str], Path]) -> None:
    small = mounted("size=64k")
    done = report("--out", str(small / "x.html"))
    assert done.exit_code == 1 and "full" in done.stderr and "Traceback" not in done.stderr
    assert list(small.iterdir()) == []


def test_a_set_whose_file_is_damaged_is_shown_by_the_names_of_its_runs(tmp_path: Path) -> None:
    save_run(tmp_path / "set/runs/net-null-run1", make_run(), None)
    (tmp_path / "set/set.json").write_text("{")
    done = CliRunner().invoke(app, ["report", str(tmp_path / "set"), "--allow-invalid"])
    assert done.exit_code == 0 and "Remove it" in done.stderr and "net" in done.stdout
