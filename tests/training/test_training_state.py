"""The state of an interrupted training: kept whole, refused where damaged, never lost to another process."""

import json
from dataclasses import replace

import pytest
import torch

from device_agent.manifest import DataRecord
from groupnl_deploy.errors import VerificationFailed
from groupnl_deploy.older_records import SCHEMA_VERSION
from groupnl_deploy.training import state as module
from groupnl_deploy.training.loop import train
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.state import TrainingJob, TrainingState, discard_state, load_state, save_state


def ignore(progress):
    return None


@pytest.fixture
def state_of(thin_spec):
    """A state after so many epochs, as small as a training's is large."""
    job = TrainingJob(thin_spec, Recipe(epochs=9), DataRecord("digits", None, ("0", "1"), 0))
    return lambda epoch: TrainingState(job, epoch, {"model.weight": torch.full((2,), float(epoch))})


def require_whole(folder, epoch):
    found = load_state(folder)
    assert found.epoch == epoch
    assert found.tensors["model.weight"].tolist() == [epoch, epoch]


@pytest.mark.parametrize(
    ("file", "damage", "text"),
    [
        ("training-1-*.safetensors", lambda data: data[:-1], "truncated"),
        ("training-1-*.safetensors", lambda data: data[:-1] + bytes([data[-1] ^ 1]), "altered"),
        ("training.json", lambda data: data[:20], "no training state"),
        (
            "training.json",
            lambda data: data.replace(f'\n  "schema_version": {SCHEMA_VERSION}'.encode(), b'\n  "schema_version": 99'),
            "version",
        ),
    ],
)
def test_a_damaged_state_is_refused_with_the_way_out(tmp_path, state_of, thin_spec, few_digits, file, damage, text):
    save_state(tmp_path, state_of(1))
    (path,) = tmp_path.glob(file)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(VerificationFailed, match=text) as caught:
        train(thin_spec, Recipe(epochs=1), few_digits, ignore, tmp_path)
    assert str(tmp_path) in caught.value.remedy


def test_what_else_lies_beside_the_state_stays(tmp_path, state_of):
    folder = tmp_path / "net.resume"
    folder.mkdir()
    (folder / "thesis.txt").write_text("mine")
    for epoch in (1, 2):
        save_state(folder, state_of(epoch))
    tensors, *others = sorted(path.name for path in folder.iterdir() if path.name != "thesis.txt")
    assert tensors.startswith("training-2-") and others == ["training.json"]
    discard_state(folder)
    assert [path.name for path in folder.iterdir()] == ["thesis.txt"]


def test_what_a_killed_training_left_goes_with_its_state(tmp_path, state_of):
    folder = tmp_path / "net.resume"
    save_state(folder, state_of(1))
    for half in (".training-2-ab.safetensors.new-0123", ".training.json.new-0123", "training-2-cd.safetensors"):
        (folder / half).write_bytes(b"half")
    require_whole(folder, 1)
    discard_state(folder)
    assert not folder.exists()


def test_trainings_that_share_a_folder_leave_each_other_whole(tmp_path, state_of):
    for epoch in (1, 2, 1, 3, 2, 3):  # one is an epoch behind the other
        save_state(tmp_path, state_of(epoch))
        require_whole(tmp_path, epoch)


@pytest.mark.parametrize("file", ["safetensors", "json"])
def test_another_training_that_saves_in_between_leaves_a_whole_state(tmp_path, state_of, monkeypatch, file):
    save_state(tmp_path, state_of(1))
    write = module.write_atomically

    def interrupted(path, data):
        if path.suffix == f".{file}":
            monkeypatch.setattr(module, "write_atomically", write)
            for epoch in (2, 3):
                save_state(tmp_path, state_of(epoch))
        write(path, data)

    monkeypatch.setattr(module, "write_atomically", interrupted)
    save_state(tmp_path, state_of(2))
    require_whole(tmp_path, 2)
    discard_state(tmp_path)
    assert not tmp_path.exists()


def test_a_state_that_names_no_threads_is_of_a_training_on_every_core(tmp_path, thin_spec, few_digits):
    folder, recipe = tmp_path / "resume", Recipe(epochs=1, threads=0)
    train(thin_spec, recipe, few_digits, ignore, folder)
    record = json.loads((folder / "training.json").read_text())
    del record["job"]["recipe"]["threads"]
    (folder / "training.json").write_text(json.dumps(record | {"schema_version": 1}))
    assert load_state(folder).job.recipe == recipe
    assert train(thin_spec, recipe, few_digits, ignore, folder).resumed_from_epoch == 1
    seen = []
    train(thin_spec, replace(recipe, threads=1), few_digits, seen.append, folder)
    assert "another recipe (threads 0 instead of 1)" in seen[0].note
