"""The curves of trainings: read from a log that is verified, drawn as a picture and on the page of a report."""

import dataclasses
import hashlib
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from groupnl_deploy.bench.run import save_run
from groupnl_deploy.cli.main import app
from groupnl_deploy.errors import UsageError, VerificationFailed
from groupnl_deploy.report.build import build_report
from groupnl_deploy.report.render import render
from groupnl_deploy.report.training_lines import in_words, unbroken
from groupnl_deploy.report.training_plot import training_figure
from groupnl_deploy.training.history import EpochLine, Head, StepLine, as_json, log_files
from groupnl_deploy.training.read_log import TrainingCurves, training_curves
from tests.report.sample_runs import HOSTILE, sample_run, sample_trace

ACCURACIES = (0.5, 0.75, 0.8, 0.875, 0.9)
EPOCHS = tuple(
    EpochLine(epoch, 3.0 - 0.5 * epoch, 3.5 - 0.5 * epoch, accuracy, 0.1, 9.0, 2.0)
    for epoch, accuracy in enumerate(ACCURACIES, start=1)
)


def a_checkpoint(folder: Path, *epochs: EpochLine, of: int = 5, training: str = "resnet18_cifar groupnl") -> Path:
    """As much of one as has a log; its record is its own."""
    folder.mkdir(parents=True)
    (folder / "checkpoint.json").write_text(f'{{"of": "{folder.name}"}}')
    for name, data in log_files([Head(training, "0" * 64, of, 3, 1), *epochs]).items():
        (folder / name).write_bytes(data)
    return folder


def test_a_log_is_read_whole_or_as_far_as_a_training_came(tmp_path: Path) -> None:
    found = training_curves(a_checkpoint(tmp_path / "net", *EPOCHS))
    assert found == TrainingCurves("net", "resnet18_cifar groupnl", 5, EPOCHS)
    running = tmp_path / "other.resume"
    running.mkdir()
    lines = [Head("net", "1" * 64, 9, 3, 1), *EPOCHS, StepLine(6, 1, 32, 0.5, 0.1, 9.0, 1.0)]
    (running / "log.jsonl").write_text("".join(map(as_json, lines)) + '{"kind": "st')
    assert training_curves(running).lines == EPOCHS
    with pytest.raises(UsageError, match="is being trained, or was interrupted") as caught:
        training_curves(tmp_path / "other")
    assert str(running) in caught.value.remedy


def test_what_has_no_curves_says_why(tmp_path: Path) -> None:
    altered = a_checkpoint(tmp_path / "altered", *EPOCHS)
    (altered / "log.jsonl").write_text((altered / "log.jsonl").read_text().replace("0.75", "0.95"))
    with pytest.raises(VerificationFailed, match="was altered"):
        training_curves(altered)
    (altered / "log.sha256").unlink()
    with pytest.raises(VerificationFailed, match=r"log\.sha256 cannot be read"):
        training_curves(altered)
    (altered / "log.jsonl").unlink()
    a_checkpoint(tmp_path / "net", *EPOCHS)
    with pytest.raises(UsageError, match="has no log of its training") as caught:
        training_curves(altered)
    assert f"There is one in {tmp_path / 'net'}." in caught.value.remedy
    with pytest.raises(UsageError, match="no whole epoch yet"):
        training_curves(a_checkpoint(tmp_path / "early"))
    with pytest.raises(UsageError, match="does not exist"):
        training_curves(tmp_path / "nothing")


@pytest.mark.parametrize(("best", "last"), [("net.best", "net"), ("net-2.best", "net"), ("on.best", "on.resume")])
def test_the_best_weights_say_which_folder_has_the_log(best: str, last: str, tmp_path: Path) -> None:
    (a_checkpoint(tmp_path / best, *EPOCHS) / "log.jsonl").unlink()
    a_checkpoint(tmp_path / last, *EPOCHS)
    with pytest.raises(UsageError) as caught:
        training_curves(tmp_path / best)
    assert f"is in {tmp_path / last}: name that" in caught.value.remedy


def test_a_line_is_broken_where_an_epoch_is_missing_or_has_no_number() -> None:
    assert unbroken([(1, 2.0), (2, None), (3, 4.0), (4, 5.0), (6, 7.0)]) == [
        [(1, 2.0)],
        [(3, 4.0), (4, 5.0)],
        [(6, 7.0)],
    ]
    assert unbroken([(1, None)]) == []


def test_a_training_in_words() -> None:
    worse = dataclasses.replace(EPOCHS[4], test_accuracy=0.5)
    assert in_words(TrainingCurves("a", "net", 5, EPOCHS)) == "a: net, 5 epochs, 90.0 % at the end"
    assert in_words(TrainingCurves("a", "net", 9, (*EPOCHS[:4], worse))) == (
        "a: net, 5 of 9 epochs, 50.0 % at the end, 87.5 % at best (epoch 4)"
    )
    unknown = dataclasses.replace(EPOCHS[0], test_accuracy=None)
    assert in_words(TrainingCurves("a", "net", 1, (unknown,))) == "a: net, 1 epoch"


def test_a_picture_has_a_colour_for_each_training() -> None:
    figure = training_figure([TrainingCurves("a", "net $x$", 5, EPOCHS), TrainingCurves("b", HOSTILE, 5, EPOCHS[:3])])
    losses, accuracies = figure.axes
    assert [len(line.get_xdata()) for line in losses.lines] == [5, 5, 3, 3]
    assert [list(line.get_ydata()) for line in accuracies.lines][1] == [50.0, 75.0, 80.0]
    assert len({line.get_color() for line in losses.lines}) == 2


def run(*words: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, list(map(str, words)))
    return done.exit_code, done.stdout, done.stderr


def test_the_command_draws_and_refuses(tmp_path: Path) -> None:
    one, two = a_checkpoint(tmp_path / "one", *EPOCHS), a_checkpoint(tmp_path / "two" / "one", *EPOCHS)
    out = tmp_path / "curves.svg"
    assert run("models", "curves", one, two, "--out", out) == (0, f"{out}\n", "")
    drawn = out.read_text()
    assert drawn.startswith("<?xml")
    for words, said in (
        ((one, "--out", out), "exists already"),
        ((one, one, "--out", tmp_path / "x.png"), "is named twice"),
        ((one, "--out", tmp_path / "x.gif"), "picture format"),
        ((tmp_path / "ones", "--out", tmp_path / "x.png"), "Did you mean"),
    ):
        code, shown, told = run("models", "curves", *words)
        assert (code, shown) == (2, "") and said in told
    assert not (tmp_path / "x.png").exists()


def test_a_page_shows_the_training_of_a_checkpoint_that_is_at_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    campaign = tmp_path / "digits"
    first = a_checkpoint(campaign / "checkpoints" / "net", *EPOCHS, training=HOSTILE)
    damaged = a_checkpoint(tmp_path / "other", *EPOCHS)  # in the folder where the report is made
    (damaged / "log.jsonl").write_bytes(b"")
    for name, source in (("a", first), ("b", first), ("c", damaged), ("d", None)):
        one = sample_run(seed=ord(name))
        sha256 = "f" * 64 if source is None else hashlib.sha256((source / "checkpoint.json").read_bytes()).hexdigest()
        of = dataclasses.replace(one.manifest.source, sha256=sha256)
        manifest = dataclasses.replace(one.manifest, source=of, label=name)
        save_run(campaign / "runs" / name, dataclasses.replace(one, manifest=manifest), sample_trace())
    page = render(build_report([campaign / "runs" / name for name in "abcd"], drawn=True), "html")
    (chapter,) = re.findall(r'<section[^>]*id="training".*?</section>', page, re.S)
    assert chapter.count('<path class="curve') == 3 and chapter.count("<circle") == 15
    assert "1, 2: net: " in chapter and "<script>" not in chapter
    assert chapter.count("other/log.jsonl was altered") == 1
    none = render(build_report([campaign / "runs" / "d"], drawn=True), "html")
    assert 'id="training"' not in none
