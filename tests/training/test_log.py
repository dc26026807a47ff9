"""A training's log: one, whole, whatever interrupted the training; and a training that no log can end."""

import errno
import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from groupnl_deploy.images.dataset import Dataset
from groupnl_deploy.models.spec import ModelSpec
from groupnl_deploy.progress import Silence
from groupnl_deploy.training import log_files
from groupnl_deploy.training.checkpoint import save_trained
from groupnl_deploy.training.history import EpochLine, Head, Line, StepLine, epochs_of, lines_of
from groupnl_deploy.training.log import TrainingLog
from groupnl_deploy.training.log_files import LogFiles
from groupnl_deploy.training.loop import train
from groupnl_deploy.training.pace import Pace
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.run import TrainProgress
from groupnl_deploy.training.state import TrainingJob
from groupnl_deploy.training.telling import Telling, told

STEPS, EPOCHS = 4, 3


class Heard(Silence):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def progress(epoch: int, step: int, loss: float = 1.0, steps: int = STEPS) -> TrainProgress:
    test = (0.1 * epoch, 2.0 / epoch) if step == steps else (None, None)
    return TrainProgress(epoch, EPOCHS, step, steps, loss, 0.1 / step, 10 * step, *test)


def a_log(folder: Path, said: Heard, job: str = "a", every: int = 1) -> TrainingLog:
    head = lambda epochs, steps: Head("net", job * 64, epochs, steps, every)  # noqa: E731
    return TrainingLog(LogFiles(folder, said.note), head, Pace(lambda: 0.0))


def write(log: TrainingLog, first: tuple[int, int], last: tuple[int, int], loss: Callable[[int], float]) -> None:
    """Every step from the first to the last."""
    for number in range((first[0] - 1) * STEPS + first[1], (last[0] - 1) * STEPS + last[1] + 1):
        epoch, step = divmod(number - 1, STEPS)
        log.step(progress(epoch + 1, step + 1, loss(number)), 0.5)


def text(folder: Path) -> str:
    return (folder / "log.jsonl").read_text()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log of a training that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    write(a_log(folder, Heard()), (1, 1), (EPOCHS, STEPS), float)
    return folder


SAVED_AND_KILLED = [((1, 0), (1, 3)), ((1, 4), (1, 4)), ((1, 4), (2, 4)), ((2, 2), (3, 2)), ((2, 4), (3, 2))]


@pytest.mark.parametrize(("saved", "killed_at"), SAVED_AND_KILLED)
def test_a_killed_training_goes_on_with_its_log_from_the_saved_state(
    tmp_path: Path, whole: Path, saved: tuple[int, int], killed_at: tuple[int, int]
) -> None:
    said = Heard()
    killed = a_log(tmp_path, said)
    write(killed, (1, 1), killed_at, float)
    killed.files.close()
    with (tmp_path / "log.jsonl").open("a") as stream:
        stream.write('{"kind": "step", "epo')  # what a kill leaves of a line
    following = (saved[0], saved[1] + 1) if saved[1] < STEPS else (saved[0] + 1, 1)
    write(a_log(tmp_path, said), following, (EPOCHS, STEPS), float)
    assert text(tmp_path) == text(whole) and not said.notes
    assert (tmp_path / "log.csv").read_text() == (whole / "log.csv").read_text()


def test_steps_without_a_line_are_in_the_means(tmp_path: Path) -> None:
    log = a_log(tmp_path, Heard(), every=3)
    write(log, (1, 1), (2, 1), float)
    lines = lines_of((tmp_path / "log.jsonl").read_bytes())
    assert [(line.step, line.loss, line.images) for line in lines if isinstance(line, StepLine)] == [
        (3, 2.0, 30),
        (4, 4.0, 40),
    ]
    assert epochs_of(lines) == (EpochLine(1, 2.5, 2.0, 0.1, 0.025, None, 2.0),)


def test_another_training_in_the_same_folder_does_not_take_the_log(tmp_path: Path) -> None:
    heard = Heard()
    first, second = a_log(tmp_path, Heard()), a_log(tmp_path, heard)
    write(first, (1, 1), (1, 2), float)
    write(second, (1, 1), (1, 3), lambda step: 7.0)
    write(first, (1, 3), (1, 4), float)
    losses = [line.loss for line in lines_of((tmp_path / "log.jsonl").read_bytes()) if isinstance(line, StepLine)]
    assert losses == [1.0, 2.0, 3.0, 4.0]
    (note,) = heard.notes
    assert note.startswith("Another training writes the log")
    second.files.discard()
    assert (tmp_path / "log.jsonl").exists()
    assert b"7.0" in second.files.finished()["log.jsonl"]  # of which its checkpoint has all the same
    first.files.discard()
    assert not list(tmp_path.iterdir())


def test_the_log_of_another_job_is_put_aside_and_comes_back_with_its_state(tmp_path: Path) -> None:
    write(one := a_log(tmp_path, Heard(), "a"), (1, 1), (2, 4), float)
    one.files.close()
    write(two := a_log(tmp_path, Heard(), "b"), (1, 1), (1, 2), float)
    two.files.close()
    assert len(epochs_of(lines_of((tmp_path / f"log-{'a' * 12}.jsonl").read_bytes()))) == 2
    heard = Heard()
    write(again := a_log(tmp_path, heard, "a"), (3, 1), (3, 4), float)
    assert [line.epoch for line in epochs_of(lines_of((tmp_path / "log.jsonl").read_bytes()))] == [1, 2, 3]
    assert not heard.notes
    again.files.discard()
    assert not list(tmp_path.iterdir())


def test_a_lost_log_is_said(tmp_path: Path) -> None:
    heard = Heard()
    write(a_log(tmp_path, heard), (3, 1), (3, 4), float)
    assert heard.notes == ["The training's log lacks 2 of the 2 epochs that were trained before."]


def test_a_log_that_cannot_be_written_is_said_once_and_kept_for_the_checkpoint(tmp_path: Path, whole: Path) -> None:
    (tmp_path / "log.jsonl").mkdir()
    heard = Heard()
    write(log := a_log(tmp_path, heard), (1, 1), (3, 4), float)
    (note,) = heard.notes
    assert "is not written, and the training goes on: is a directory" in note
    assert log.files.finished()["log.jsonl"].decode() == text(whole)


class Full:
    """A file on a disk that takes a part of a line and no more, until there is room again."""

    def __init__(self, stream) -> None:
        self._stream, self.room = stream, True

    def write(self, data: bytes) -> int:
        if self.room:
            return self._stream.write(data)
        self._stream.write(data[:7])
        raise OSError(errno.ENOSPC, "No space left on device")

    def __getattr__(self, name: str):
        return getattr(self._stream, name)


def test_a_disk_that_was_full_for_a_while_has_all_lines_later(tmp_path: Path, whole: Path) -> None:
    heard = Heard()
    write(log := a_log(tmp_path, heard), (1, 1), (1, 2), float)
    disk = log.files._stream = Full(log.files._stream)
    disk.room = False
    write(log, (1, 3), (2, 1), float)
    disk.room = True
    write(log, (2, 2), (3, 4), float)
    assert text(tmp_path) == text(whole)
    (note,) = heard.notes
    assert "no space left on device" in note


def test_a_table_that_cannot_be_written_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, data: bytes) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(log_files, "write_atomically", refuse)
    heard = Heard()
    write(a_log(tmp_path, heard), (1, 1), (3, 4), float)
    assert len(heard.notes) == 1 and len(epochs_of(lines_of((tmp_path / "log.jsonl").read_bytes()))) == 3


def test_a_number_that_is_none_is_null(tmp_path: Path) -> None:
    write(a_log(tmp_path, Heard()), (1, 1), (1, 4), lambda step: float("nan") if step == 2 else 1.0)
    losses = [json.loads(line).get("loss") for line in text(tmp_path).splitlines()]
    assert losses == [None, 1.0, None, 1.0, 1.0, None]


def telling(folder: Path, spec: ModelSpec, recipe: Recipe, data: Dataset):
    with Silence().task("train") as task:
        return told(task, Silence(), TrainingJob(spec, recipe, data.record), folder)


def test_a_training_that_was_killed_has_the_log_of_one_that_was_not(
    tmp_path: Path, thin_spec: ModelSpec, few_digits: Dataset
) -> None:
    """Killed by SIGKILL in its second epoch, in a process of its own."""
    recipe, folder = Recipe(epochs=2, seed=4), tmp_path / "net.resume"

    def killed(tell: Telling, now: TrainProgress) -> None:
        tell(now)
        if (now.epoch, now.step) == (2, 2):
            os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        with telling(folder, thin_spec, recipe, few_digits) as tell:
            train(thin_spec, recipe, few_digits, lambda now: killed(tell, now), folder)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    before = timeless(folder)
    assert len(before) == 1 + 3 + 1 + 2

    with telling(folder, thin_spec, recipe, few_digits) as tell:
        result = train(thin_spec, recipe, few_digits, tell, folder)
        save_trained(tmp_path / "net", result, tell.log)
    lines = timeless(tmp_path / "net")
    assert lines[: len(before)] == before and len(lines) == 1 + 2 * (3 + 1)  # steps that came again have equal losses
    assert [line.epoch for line in epochs_of(lines)] == [1, 2] and not folder.exists()


def timeless(folder: Path) -> list[Line]:
    lines = lines_of((folder / "log.jsonl").read_bytes())
    return [line if isinstance(line, Head) else replace(line, seconds=0.0, images_per_s=None) for line in lines]
