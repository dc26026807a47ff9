"""What Ctrl-C is answered with: whether the same command goes on or starts over."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from groupnl_deploy.cli.main import app

CAMPAIGN = 'out = "out"\n[train]\ndataset = "digits"\n[[models]]\nlabel = "a"\nmodel = "resnet18_cifar"\n'


def interrupt(*args: object, **kwargs: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("work", "arguments", "goes_on"),
    [
        ("stages.train_checkpoint", ("train", "--out", "x"), True),
        ("pipeline.run_campaign", ("run", "job.toml"), True),
        ("export.export_checkpoint", ("export", "net", "--out", "x"), False),
        ("stages.push", ("push", "art", "--device", "local"), False),
        ("stages.bench", ("bench", "--device", "local", "--backend", "null"), False),
    ],
)
def test_only_what_resumes_says_that_it_goes_on(
    work: str, arguments: tuple[str, ...], goes_on: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("job.toml").write_text(CAMPAIGN)
    monkeypatch.setattr(f"groupnl_deploy.{work}", interrupt)
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1 and "Stopped." in done.stderr
    assert ("goes on" in done.stderr, "starts over" in done.stderr) == (goes_on, not goes_on)
