"""A training to a checkpoint folder, in this process and in one of its own."""

import multiprocessing
import os
import re
from concurrent.futures import ProcessPoolExecutor

import pytest

from groupnl_deploy import record_lock
from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.source import DataSource
from groupnl_deploy.models.spec import ConvSpec, ModelSpec
from groupnl_deploy.progress import Silence
from groupnl_deploy.training.checkpoint import checkpoint_id
from groupnl_deploy.training.one_training import only_training, require_no_training
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.train import train_checkpoint
from tests.images.pictures import class_folders


@pytest.mark.slow
def test_a_spawned_process_makes_the_same_checkpoint_as_this_one_beside_it(tmp_path):
    shape = (3, 32, 32)
    images = DataSource("folder", str(class_folders(tmp_path / "images")), shape)
    spec = ModelSpec("vgg11_cifar", ConvSpec("standard"), num_classes=2, input_shape=shape, width=0.125)
    recipe = Recipe(epochs=1, batch_size=4)
    here, there = tmp_path / "here", tmp_path / "there"
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        spawned = pool.submit(train_checkpoint, spec, recipe, images, there, Silence())
        assert train_checkpoint(spec, recipe, images, here, Silence()) == spawned.result()
    assert checkpoint_id(here) == checkpoint_id(there)
    assert {path.name for path in tmp_path.iterdir()} == {"groupnl-home", "here", "images", "there"}


class Notes(Silence):
    """Keeps what is said."""

    def __init__(self):
        self.said = []

    def note(self, text):
        self.said.append(text)


def test_a_training_that_ends_near_chance_says_so(tmp_path):
    shape, notes = (3, 32, 32), Notes()
    images = DataSource("folder", str(class_folders(tmp_path / "images")), shape)
    spec = ModelSpec("vgg11_cifar", ConvSpec("standard"), num_classes=2, input_shape=shape, width=0.125)
    trained = train_checkpoint(spec, Recipe(epochs=1, batch_size=4, lr=1e-9), images, tmp_path / "net", notes)
    assert not trained.evaluation.confusion.above_chance
    assert "no better than chance" in notes.said[-1]
    assert trained.checkpoint.trained


def test_a_place_where_nothing_can_be_written_is_told_before_anything_is_read(tmp_path):
    spec = ModelSpec("vgg11_cifar", ConvSpec("standard"))
    (tmp_path / "file").touch()
    images = DataSource("folder", str(tmp_path / "no images"))
    with pytest.raises(UsageError, match=r"file.*not a directory"):
        train_checkpoint(spec, Recipe(epochs=1), images, tmp_path / "file" / "net", Silence())
    with pytest.raises(UsageError, match="no images"):
        train_checkpoint(spec, Recipe(epochs=1), images, tmp_path / "net", Silence())
    assert not (tmp_path / "net.resume").exists()


def test_of_two_trainings_in_one_place_the_second_is_told_before_it_reads_anything(tmp_path):
    out, images = tmp_path / "nets" / "net", DataSource("folder", str(tmp_path / "no images"))

    def second():
        with pytest.raises(
            UsageError, match=f"Another training writes {re.escape(str(out))}: process {os.getppid()} on"
        ):
            train_checkpoint(ModelSpec("vgg11_cifar", ConvSpec("standard")), Recipe(), images, out, Silence())
        with pytest.raises(UsageError, match="Another training"):
            require_no_training(out)

    with only_training(out, pytest.fail):
        process = multiprocessing.get_context("fork").Process(target=second)
        process.start()
        process.join(60)
        assert process.exitcode == 0
    assert not (tmp_path / "nets").exists()
    left = tmp_path / "killed.resume" / "lock"
    left.parent.mkdir()
    left.write_text("process 1 on a machine")
    require_no_training(tmp_path / "killed")
    assert not left.exists()


def test_where_the_disk_has_no_locks_that_is_said_and_nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(record_lock, "locks_stay_local", lambda path: "it was mounted with nolock")
    said = []
    with only_training(tmp_path / "nets" / "net", said.append):
        assert list(tmp_path.iterdir()) == []
    assert list(tmp_path.iterdir()) == []
    assert len(said) == 1 and said[0].endswith("Another training with this --out would not be noticed.")


def test_a_name_that_no_disk_takes_is_told_with_a_remedy(tmp_path):
    with pytest.raises(UsageError, match="file name too long") as caught:
        require_no_training(tmp_path / ("a" * 250))
    assert caught.value.remedy == "Choose a shorter name."
