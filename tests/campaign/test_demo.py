"""The demo's campaign file: a part of the package, and the same as the example."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from groupnl_deploy.campaign import run as campaign_run
from groupnl_deploy.campaign.demo import demo_text, write_demo
from groupnl_deploy.campaign.load import load_campaign
from groupnl_deploy.cli.main import app

EXAMPLE = Path(__file__).parents[2] / "examples" / "digits.toml"


def test_the_example_is_the_packages_own_file() -> None:
    assert EXAMPLE.read_text() == demo_text(Path("runs/digits"))


def test_the_file_lies_where_everything_is_kept_and_a_changed_one_is_left(tmp_path: Path) -> None:
    out = tmp_path / 'my "demo"'
    path, ours = write_demo(out)
    assert ours and load_campaign(path).out == str(out)
    assert write_demo(out) == (path, True)
    path.write_text(path.read_text().replace("seed = 0", "seed = 1"))
    assert write_demo(out) == (path, False)
    assert load_campaign(path).trainings[0].value.seed == 1


def test_a_place_that_cannot_be_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    done = CliRunner().invoke(app, ["demo", "--out", "file"])
    assert done.exit_code in (1, 2) and "file" in done.stderr and "Traceback" not in done.stderr
    assert CliRunner().invoke(app, ["demo", "--workers", "0"]).exit_code == 2


def test_the_last_line_names_the_page_for_a_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "report.html").touch()
    step = campaign_run.StepDone("report", "all", str(tmp_path / "report"), False)
    result = campaign_run.CampaignResult(str(tmp_path), (step,), None)
    monkeypatch.setattr(campaign_run, "run_campaign", lambda *_: result)
    done = CliRunner().invoke(app, ["demo", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert done.stderr.splitlines()[-1] == f"The report for a browser: {tmp_path / 'report' / 'report.html'}"
