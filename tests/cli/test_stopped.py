"""What Ctrl-C is answered with: whether the same command goes on or starts over."""

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest
from typer.testing import CliRunner

from exporters.artifact import Artifact
from groupnl_deploy.cli.exits import explain
from groupnl_deploy.cli.main import app
from groupnl_deploy.deploy.inventory import local_device
from groupnl_deploy.deploy.outcome import PushStep
from groupnl_deploy.deploy.push import Sending
from groupnl_deploy.errors import Stopped
from groupnl_deploy.progress import Silence

CAMPAIGN = 'out = "out"\n[train]\ndataset = "digits"\n[[models]]\nlabel = "a"\nmodel = "resnet18_cifar"\n'


@pytest.fixture(autouse=True)
def no_departure(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said of a network beside its name builds both of them; it is tested elsewhere."""
    monkeypatch.setattr("groupnl_deploy.models.departure.departure", lambda name, spec: None)


def interrupt(*args: object, **kwargs: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("work", "arguments", "said"),
    [
        ("training.train.train_checkpoint", ("train", "--out", "x"), "goes on"),
        ("campaign.run.run_campaign", ("run", "job.toml"), "goes on"),
        ("campaign.run.run_campaign", ("run", "job.toml", "--from", "train"), "goes on"),
        ("export.export_checkpoint", ("export", "net", "--out", "x"), "starts over"),
        ("campaign.push_job.push_cell", ("push", "art", "--device", "local"), "nothing of the artifact had been sent"),
        ("deploy.push.checked_artifact", ("push", "art", "--group", "all"), "sends only what has not arrived"),
        ("campaign.bench_job.bench_cell", ("bench", "--device", "local", "--backend", "null"), "starts over"),
    ],
)
def test_only_what_resumes_says_that_it_goes_on(
    work: str, arguments: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("job.toml").write_text(CAMPAIGN)
    Path("net").mkdir()
    Path("net", "checkpoint.json").touch()
    monkeypatch.setattr(f"groupnl_deploy.{work}", interrupt)
    monkeypatch.setattr("groupnl_deploy.cli.push.named_devices", lambda *named: (local_device(),))
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1 and "Stopped." in done.stderr
    ways = ("goes on", "starts over", "nothing of the artifact had been sent", "sends only what has not arrived")
    assert [way for way in ways if way in done.stderr] == [said]


@pytest.mark.parametrize("sent_bytes", [0, 1])
def test_each_of_several_pushes_says_of_itself_whether_anything_was_sent(sent_bytes: int) -> None:
    sending = Sending()
    sending.sent(5)
    sending.sent(5 + sent_bytes)
    step = PushStep(cast(Artifact, None), local_device(), Silence(), 0, 0, sending)
    remedy = explain(cast(Stopped, step.unfinished().error)).remedy
    assert ("only what has not arrived" in remedy) == bool(sent_bytes) and step.unfinished().sent_bytes == sent_bytes
    assert "starts over" not in remedy


def test_a_campaign_that_was_told_where_to_begin_does_not_simply_go_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("job.toml").write_text(CAMPAIGN)
    monkeypatch.setattr("groupnl_deploy.campaign.run.run_campaign", interrupt)
    done = CliRunner().invoke(app, ("run", "job.toml", "--from", "bench"))
    assert "does all from bench on once more" in done.stderr and "without --from" in done.stderr


def test_a_training_says_after_which_epoch_it_goes_on_and_whether_any_was_whole(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The state of another training, here of another seed, is nothing that this one goes on from."""
    from groupnl_deploy.images.datasets import load_dataset
    from groupnl_deploy.images.in_memory import InMemoryImages
    from groupnl_deploy.images.source import DataSource
    from groupnl_deploy.training import train
    from groupnl_deploy.training.telling import Telling

    whole = load_dataset(DataSource("digits"))
    train_part, test_part = (
        InMemoryImages(part.pixels[:count], part.labels[:count]) for part, count in ((whole.train, 32), (whole.test, 8))
    )
    few = dataclasses.replace(whole, train=train_part, test=test_part)
    monkeypatch.setattr("groupnl_deploy.images.datasets.load_dataset", lambda *said, **more: few)
    monkeypatch.setattr(train, "load_dataset", lambda *said, **more: few)
    monkeypatch.chdir(tmp_path)
    seen = []

    def stop_at_the_second(telling: Telling, now: object) -> None:
        seen.append(now.epoch)
        if now.epoch == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Telling, "__call__", stop_at_the_second)
    command = (
        "train",
        "--model",
        "resnet18_cifar",
        "--conv",
        "standard",
        "--width",
        "0.125",
        "--epochs",
        "2",
        "--out",
        "x",
    )
    assert "goes on after epoch 1." in CliRunner().invoke(app, command).stderr
    monkeypatch.setattr(Telling, "__call__", interrupt)
    assert "No step was saved" in CliRunner().invoke(app, (*command, "--seed", "1")).stderr
    seen.clear()
    monkeypatch.setattr(Telling, "__call__", lambda telling, now: seen.append(now.epoch))
    assert CliRunner().invoke(app, command).exit_code == 0 and set(seen) == {2}  # it was true


_DROPPED = """
import signal, time, weakref
from groupnl_deploy.interrupt import hear_every_interrupt

class Kept: pass
class Finalized:
    def __del__(self): signal.raise_signal(signal.SIGINT)

hear_every_interrupt()
kept = Kept()
dropped = {drop}
try:
    del {gone}
    time.sleep(600)
except KeyboardInterrupt:
    raise SystemExit(7)
"""


@pytest.mark.parametrize(
    ("drop", "gone"),
    [("weakref.ref(kept, lambda gone: signal.raise_signal(signal.SIGINT))", "kept"), ("Finalized()", "dropped")],
)
def test_an_interrupt_that_python_drops_is_sent_again(drop: str, gone: str) -> None:
    script = _DROPPED.format(drop=drop, gone=gone)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=300, check=False)
    assert done.returncode == 7 and done.stderr == b""
