"""Checkpoint folders: whole or absent, verified before use, the same bytes for the same training."""

import hashlib
import json
from dataclasses import replace

import pytest
import torch

from groupnl_deploy.errors import UsageError, VerificationFailed
from groupnl_deploy.models.registry import create_model
from groupnl_deploy.models.spec import ConvSpec, ModelSpec
from groupnl_deploy.older_records import SCHEMA_VERSION
from groupnl_deploy.training import checkpoint as module
from groupnl_deploy.training.checkpoint import (
    checkpoint_id,
    initialise_checkpoint,
    load_checkpoint,
    load_model,
    save_checkpoint,
    save_trained,
)
from groupnl_deploy.training.evaluate import EvaluationImages, evaluate
from groupnl_deploy.training.files import read_verified
from groupnl_deploy.training.loop import train
from groupnl_deploy.training.recipe import Recipe


@pytest.fixture
def folder(tmp_path, trained):
    save_trained(tmp_path / "net", trained)
    return tmp_path / "net"


def test_round_trip_of_a_trained_network(folder, trained, thin_spec, short_recipe, few_digits):
    checkpoint, model = load_model(folder)
    assert checkpoint == load_checkpoint(folder)
    assert (checkpoint.spec, checkpoint.recipe) == (thin_spec, short_recipe)
    assert (checkpoint.trained, checkpoint.data) == (True, few_digits.record)
    assert (checkpoint.epoch, checkpoint.epochs, checkpoint.processes) == (3, 3, 1)
    assert not model.training
    state = trained.model.state_dict()
    assert all(torch.equal(tensor, state[key]) for key, tensor in model.state_dict().items())
    test = EvaluationImages.of_all(few_digits.test, few_digits.class_names, few_digits.input_shape)
    again = evaluate(model, test, checkpoint.mean, checkpoint.std)
    assert again == trained.evaluation
    assert again.accuracy == checkpoint.accuracy


def test_the_folder_holds_three_files_and_the_json_identifies_them(folder):
    names = ["checkpoint.json", "model.safetensors", "training.safetensors"]
    assert sorted(path.name for path in folder.iterdir()) == names
    record = json.loads((folder / "checkpoint.json").read_text())
    assert record["schema_version"] == SCHEMA_VERSION
    for key, name in (("weights", names[1]), ("training", names[2])):
        data = (folder / name).read_bytes()
        assert record[key] == {"name": name, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    assert checkpoint_id(folder) == hashlib.sha256((folder / "checkpoint.json").read_bytes()).hexdigest()


def test_what_is_kept_for_training_is_not_in_the_weights(folder, trained):
    weights = (folder / "model.safetensors").stat().st_size
    parameters = sum(tensor.numel() for tensor in trained.model.state_dict().values())
    assert weights < 4.5 * parameters + 20_000
    checkpoint = load_checkpoint(folder)
    assert read_verified(folder, checkpoint.training, "") == (folder / "training.safetensors").read_bytes()


def test_the_same_training_has_the_same_identity(folder, tmp_path, trained):
    save_trained(tmp_path / "twin", trained)
    assert checkpoint_id(tmp_path / "twin") == checkpoint_id(folder)


def test_weights_travel_without_the_training_state(folder):
    (folder / "training.safetensors").unlink()
    assert load_model(folder)[0].trained


def test_saving_a_training_removes_its_resume_state(tmp_path, thin_spec, few_digits):
    resume = tmp_path / "resume"
    result = train(thin_spec, Recipe(epochs=1), few_digits, lambda progress: None, resume)
    assert resume.exists()
    save_trained(tmp_path / "net", result)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net"]


@pytest.mark.parametrize("with_data", [False, True])
def test_an_initialised_network_is_marked_untrained(tmp_path, thin_spec, few_digits, with_data):
    draft, model = initialise_checkpoint(thin_spec, few_digits if with_data else None)
    save_checkpoint(tmp_path / "net", draft, model)
    checkpoint, loaded = load_model(tmp_path / "net")
    assert (checkpoint.trained, checkpoint.accuracy, checkpoint.recipe) == (False, None, None)
    assert (checkpoint.data, checkpoint.training) == (few_digits.record if with_data else None, None)
    fresh = create_model(thin_spec).state_dict()
    assert all(torch.equal(tensor, fresh[key]) for key, tensor in loaded.state_dict().items())


def test_an_existing_target_is_refused_and_untouched(folder, trained):
    before = checkpoint_id(folder)
    with pytest.raises(UsageError, match="exists already"):
        save_checkpoint(folder, *initialise_checkpoint(ModelSpec("resnet18_cifar", ConvSpec("standard"), width=0.125)))
    assert checkpoint_id(folder) == before


def test_ctrl_c_while_saving_leaves_nothing(tmp_path, trained, monkeypatch):
    write = module.write_tensors

    def interrupted(path, tensors):
        write(path, tensors)
        if path.name == "model.safetensors":
            raise KeyboardInterrupt

    monkeypatch.setattr(module, "write_tensors", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_trained(tmp_path / "net", trained)
    assert list(tmp_path.iterdir()) == []


def cut(data):
    return data[:-3]


def flip(data):
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def grow(data):
    return data + b"\0"


@pytest.mark.parametrize(("damage", "text"), [(cut, "is truncated"), (flip, "was altered"), (grow, "has grown")])
@pytest.mark.parametrize("load", [load_checkpoint, load_model])
def test_damaged_weights_are_refused_before_use(folder, damage, text, load):
    path = folder / "model.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(VerificationFailed, match=text) as caught:
        load(folder)
    assert str(path) in caught.value.message
    assert caught.value.remedy


def test_missing_weights_are_refused(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(VerificationFailed, match=r"model\.safetensors is missing"):
        load_model(folder)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda record: record.pop("spec"), "missing key “spec”"),
        (lambda record: record.update(extra=1), "unknown key “extra”"),
        (lambda record: record.update(schema_version=9), "schema_version 9"),
        (lambda record: record["weights"].update(name="../model.safetensors"), "not a plain file name"),
        (lambda record: record["spec"].update(name="resnet19_cifar"), "nown models: .*resnet18_cifar"),
        (lambda record: record["spec"].update(width=0.25), "do not fit"),
    ],
)
def test_an_altered_record_is_refused(folder, change, text):
    path = folder / "checkpoint.json"
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))
    with pytest.raises(VerificationFailed, match=text):
        load_model(folder)


def test_a_record_that_names_no_threads_is_of_a_training_on_every_core(folder):
    path = folder / "checkpoint.json"
    record = json.loads(path.read_text())
    del record["recipe"]["threads"]
    path.write_text(json.dumps(record | {"schema_version": 1}))
    assert load_model(folder)[0].recipe.threads == 0


def test_an_older_record_of_an_untrained_network_is_read(tmp_path, thin_spec):
    save_checkpoint(tmp_path / "net", *initialise_checkpoint(thin_spec))
    path = tmp_path / "net" / "checkpoint.json"
    record = json.loads(path.read_text())
    del record["data"], record["spec"]["code"]
    record |= {"schema_version": 1, "dataset": None, "spec": record["spec"] | {"schema_version": 2}}
    path.write_text(json.dumps(record))
    assert load_checkpoint(tmp_path / "net").recipe is None
    assert load_checkpoint(tmp_path / "net").spec == thin_spec


def test_a_truncated_record_is_refused(folder):
    path = folder / "checkpoint.json"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(VerificationFailed, match="not valid JSON"):
        load_checkpoint(folder)


@pytest.mark.parametrize("call", [load_checkpoint, load_model, checkpoint_id])
def test_what_is_no_checkpoint_folder_is_a_usage_error(tmp_path, call):
    with pytest.raises(UsageError, match="does not exist"):
        call(tmp_path / "nothing")
    with pytest.raises(UsageError, match="is not a checkpoint folder"):
        call(tmp_path)


def test_weights_that_are_no_safetensors_are_refused_even_with_their_digest(folder):
    data = b"not tensors at all"
    (folder / "model.safetensors").write_bytes(data)
    path = folder / "checkpoint.json"
    record = json.loads(path.read_text())
    record["weights"].update(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
    path.write_text(json.dumps(record))
    with pytest.raises(VerificationFailed, match="do not fit"):
        load_model(folder)


def test_another_seed_is_another_checkpoint(tmp_path, thin_spec):
    for seed in (0, 1):
        save_checkpoint(tmp_path / str(seed), *initialise_checkpoint(replace(thin_spec, seed=seed)))
    assert checkpoint_id(tmp_path / "0") != checkpoint_id(tmp_path / "1")
