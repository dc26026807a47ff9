"""Curves for TensorBoard: by the real package where it is installed, and refused in a sentence where it is not."""

import sys
from pathlib import Path
from typing import Any

import pytest

from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.source import DataSource
from groupnl_deploy.models.spec import ConvSpec, ModelSpec
from groupnl_deploy.progress import Silence
from groupnl_deploy.training import tensorboard
from groupnl_deploy.training.history import EpochLine, StepLine
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.running import Running
from groupnl_deploy.training.tensorboard import TensorBoard
from groupnl_deploy.training.train import train_checkpoint


def add(board: TensorBoard, *steps: int) -> None:
    for step in steps:
        board.add(StepLine(1, step, 10 * step, 1.0 / step, 0.1, None, 0.5), step)


def test_curves_go_on_where_an_interrupted_training_does(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for first, last in ((1, 5), (4, 6)):
        board = TensorBoard(tmp_path / "net", pytest.fail)
        board.begin(first)
        add(board, *range(first, last + 1))
        board.add(EpochLine(1, 1.5, 1.25, 0.5, 0.1, None, 2.0), last)
        board.close()
    read = EventAccumulator(str(tmp_path / "net")).Reload()
    assert sorted(read.Tags()["scalars"]) == ["accuracy/test", "loss/step", "loss/test", "loss/train", "rate"]
    assert [(event.step, event.value) for event in read.Scalars("loss/step")] == [
        (step, pytest.approx(1.0 / step)) for step in range(1, 7)
    ]


class Disk:
    """A writer whose disk is full."""

    def __init__(self, folder: str, purge_step: int) -> None:
        self.tried = 0

    def add_scalar(self, *of: Any) -> None:
        self.tried += 1
        raise OSError(28, "No space left on device")

    def close(self) -> None:
        raise AssertionError("nothing is left to write")


def test_a_full_disk_ends_the_curves_and_not_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorboard, "_writer", lambda: Disk)
    said: list[str] = []
    board = TensorBoard(tmp_path, said.append)
    board.begin(1)
    add(board, 1, 2, 3)
    board.close()
    assert said == [f"Nothing more is written for TensorBoard to {tmp_path}: No space left on device."]


def test_a_place_that_is_no_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorboard, "_writer", lambda: Disk)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="file"):
        TensorBoard(tmp_path / "file" / "net", pytest.fail)


def test_without_the_package_nothing_is_read_or_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    nowhere = DataSource("folder", str(tmp_path / "nowhere"))
    spec = ModelSpec("vgg11_cifar", ConvSpec("standard"))
    with pytest.raises(UsageError, match="needs the package tensorboard") as caught:
        train_checkpoint(
            spec, Recipe(), nowhere, tmp_path / "net", Silence(), running=Running(tensorboard=tmp_path / "curves")
        )
    assert "pip install 'tensorboard>=2.16'" in caught.value.remedy and not list(tmp_path.glob("[cn]*"))
