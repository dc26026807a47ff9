"""Any network on its own images or others: which images, with whose mean and std, and what is said of it."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import onnx
import pytest
from PIL import Image

from device_agent.manifest import MANIFEST_FILE, ArtifactFile
from exporters.artifact import open_artifact, write_manifest
from exporters.errors import ArtifactDamaged
from exporters.native.operators import VERSION
from groupnl_deploy.errors import UsageError, VerificationFailed
from groupnl_deploy.evaluation.evaluate import evaluate_folder
from groupnl_deploy.export import export_checkpoint
from groupnl_deploy.images.seen import remember_place
from groupnl_deploy.images.source import DataSource
from groupnl_deploy.progress import Silence
from groupnl_deploy.training.checkpoint import (
    initialise_checkpoint,
    load_model,
    load_split,
    save_checkpoint,
)
from groupnl_deploy.training.train import train_checkpoint
from groupnl_deploy.workspace import file_sha256
from tests.evaluation.pictures import draw
from tests.rigs.native_graphs import put_identity_first


def evaluated(folder, name=None, path=None):
    return evaluate_folder(folder, name, None if path is None else str(path), Silence())


def draft_of(record, **changes):
    return replace(record.draft, **changes)


def test_a_trained_network_on_its_own_test_images(net, record):
    with pytest.raises(UsageError, match="not at hand: nothing on this machine has read them yet") as caught:
        evaluated(net.checkpoint)
    assert "--data DIR" in caught.value.remedy
    remember_place(record.data.sha256, gone := net.pictures.with_name("gone"))
    with pytest.raises(UsageError, match=f"last seen in {re.escape(str(gone))}, which is not there any more"):
        evaluated(net.checkpoint)
    remember_place(record.data.sha256, net.pictures)
    found = evaluated(net.checkpoint)
    assert found.evaluation == evaluated(net.checkpoint, path=net.pictures).evaluation
    assert found.evaluation.accuracy == record.accuracy > 0.9
    assert found.evaluation.confusion.class_names == ("blue", "green", "red")
    assert [one.images for one in found.evaluation.confusion.per_class] == [4, 4, 4]
    assert (found.left_out, found.notes) == (0, ())


@pytest.mark.parametrize(
    "kind", [("onnx", "1"), pytest.param(("onnx", "dynamic"), marks=pytest.mark.slow), ("torch", "1")]
)
def test_an_artifact_answers_as_its_checkpoint(net, artifacts, kind):
    found, own = (evaluated(folder, path=net.pictures) for folder in (artifacts[kind], net.checkpoint))
    assert found.evaluation.confusion == own.evaluation.confusion
    assert found.evaluation.loss == pytest.approx(own.evaluation.loss, abs=1e-4)
    assert found.subject.split == own.subject.split is not None  # the checkpoint lies beside it


@pytest.mark.usefixtures("native_cache")
def test_native_operators_answer_as_those_of_the_runtime(net, artifacts, tmp_path):
    shutil.copytree(artifacts["onnx", "1"], tmp_path / "native")
    put_identity_first(open_artifact(tmp_path / "native"))
    found, own = (evaluated(folder, path=net.pictures) for folder in (tmp_path / "native", artifacts["onnx", "1"]))
    assert found.evaluation.confusion == own.evaluation.confusion
    manifest = open_artifact(tmp_path / "native").manifest
    later = replace(manifest.native, version=VERSION + 1)
    write_manifest(tmp_path / "native", replace(manifest, native=later))
    with pytest.raises(UsageError, match=r"This machine: The model's operators are of version 2"):
        evaluated(tmp_path / "native", path=net.pictures)


def test_weights_in_another_file_are_not_read(net, artifacts, tmp_path):
    folder = shutil.copytree(artifacts["onnx", "1"], tmp_path / "outside")
    artifact = open_artifact(folder)
    model, path = onnx.load(artifact.path("model")), artifact.path("model")
    onnx.save(model, path, save_as_external_data=True, location="mine.data", size_threshold=0)
    others = tuple(file for file in artifact.manifest.files if file.role != "model")
    write_manifest(folder, replace(artifact.manifest, files=(*others, ArtifactFile.in_role("model", path))))
    with pytest.raises(ArtifactDamaged, match=r"in another file, “mine\.data”"):
        evaluated(folder, path=net.pictures)


def test_an_imported_network_needs_images_and_takes_them_with_its_own_mean_and_std(net, record, tmp_path):
    _, model = load_model(net.checkpoint)
    foreign = draft_of(record, data=None, recipe=None, accuracy=None)
    save_checkpoint(tmp_path / "imported", foreign, model)
    save_checkpoint(tmp_path / "shifted", replace(foreign, mean=(5.0,) * 3), model)
    with pytest.raises(UsageError, match="is not known here") as caught:
        evaluated(tmp_path / "imported")
    assert "--dataset folder --data DIR" in caught.value.remedy
    found = evaluated(tmp_path / "imported", "folder", net.pictures)
    assert found.evaluation.accuracy == record.accuracy
    assert found.evaluation.confusion.class_names == ("blue", "green", "red")
    assert "nobody wrote down" in found.notes[0]
    assert evaluated(tmp_path / "shifted", path=net.pictures).evaluation.accuracy < 0.5


def test_random_weights_are_refused(tmp_path, record):
    save_checkpoint(tmp_path / "net", *initialise_checkpoint(record.spec))
    with pytest.raises(UsageError, match="is untrained"):
        evaluated(tmp_path / "net")


def test_other_images_of_some_of_its_classes(net, tmp_path):
    others = draw(tmp_path / "others", 10, seed=1)
    shutil.rmtree(others / "green")
    confusion = evaluated(net.checkpoint, "folder", others).evaluation.confusion
    assert [one.images for one in confusion.per_class] == [2, 0, 2]
    assert confusion.accuracy > 0.7


def test_images_that_it_was_trained_on_are_left_out_and_told(net, record, tmp_path):
    trained_on = {file.sha256 for file in load_split(net.checkpoint, record).files if file.part == "train"}
    others = draw(tmp_path / "others", 3, seed=1)
    for part in ("train", "val"):
        shutil.copytree(others, tmp_path / "mixed" / part)
    assert trained_on
    for name in ("blue", "red"):
        for index in range(20):
            shutil.copy(net.pictures / name / f"{index}.png", tmp_path / "mixed" / "val" / name / f"old{index}.png")
    found = evaluated(net.checkpoint, "folder", tmp_path / "mixed")
    assert found.left_out == 2 * 16
    assert "32 images were left out: the network was trained on them" in found.notes
    assert found.evaluation.count == 9 + 2 * 4


def test_a_split_with_labels_of_no_class_is_damage(net, record, tmp_path):
    split = load_split(net.checkpoint, record)
    _, model = load_model(net.checkpoint)
    for label in (-1, 3):
        changed = replace(split, files=(replace(split.files[0], label=label), *split.files[1:]))
        save_checkpoint(tmp_path / f"net{label}", draft_of(record), model, split=changed)
        with pytest.raises(VerificationFailed, match="labels that no class"):
            evaluated(tmp_path / f"net{label}")


def test_a_training_says_that_its_beginning_has_seen_images_to_test_on(net, record, tmp_path):
    trained_on = {file.sha256 for file in load_split(net.checkpoint, record).files if file.part == "train"}
    draw(tmp_path / "grown" / "train", 2, seed=1)
    draw(tmp_path / "grown" / "val", 1, seed=2)
    old = next(path for path in (net.pictures / "red").iterdir() if file_sha256(path) in trained_on)
    shutil.copy(old, tmp_path / "grown" / "val" / "red" / "old.png")
    source, said = DataSource("folder", str(tmp_path / "grown"), record.spec.input_shape), []

    class Listening(Silence):
        def note(self, text: str) -> None:
            said.append(text)

    recipe = replace(record.recipe, epochs=1, batch_size=2)
    train_checkpoint(record.spec, recipe, source, tmp_path / "out", Listening(), init=net.checkpoint, workers=0)
    assert "1 of 4 images to test on were trained on by the checkpoint" in " ".join(said)


def test_weights_whose_epoch_the_test_images_picked_say_so_of_these_images_alone(net, record, tmp_path):
    _, model = load_model(net.checkpoint)
    picked = tmp_path / "net.best"
    save_checkpoint(picked, draft_of(record, picked=True), model, split=load_split(net.checkpoint, record))
    (note,) = evaluated(picked, path=net.pictures).notes
    assert "picked by these very test images" in note
    assert not evaluated(picked, "folder", draw(tmp_path / "others", 10, seed=1)).notes
    manifest = export_checkpoint(picked, tmp_path / "best", "torch").directory / MANIFEST_FILE
    assert evaluated(tmp_path / "best", path=net.pictures).notes == (note,)
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"picked": None}))  # as of before that field
    assert evaluated(tmp_path / "best", path=net.pictures).notes == (note,)
    assert not evaluated(net.checkpoint, path=net.pictures).notes


def test_a_network_that_has_seen_every_image_is_refused(net, record, tmp_path):
    seen = [file for file in load_split(net.checkpoint, record).files if file.part == "train"]
    draw(tmp_path / "all" / "train", 2, seed=1)
    digests = {file.sha256 for file in seen}
    for name in ("blue", "green", "red"):
        (tmp_path / "all" / "val" / name).mkdir(parents=True)
        known = [path for path in (net.pictures / name).iterdir() if file_sha256(path) in digests]
        shutil.copy(known[0], tmp_path / "all" / "val" / name / "1.png")
    with pytest.raises(UsageError, match="trained on all 3 test images"):
        evaluated(net.checkpoint, "folder", tmp_path / "all")


def test_images_larger_than_the_network_takes_are_resized(net, tmp_path):
    for part in ("train", "val"):
        for name, colour in (("blue", (40, 60, 200)), ("red", (210, 50, 40))):
            (tmp_path / "large" / part / name).mkdir(parents=True)
            for index in range(3):
                pixels = np.full((300, 410, 3), colour, np.uint8) + np.uint8(index + 3 * (part == "val"))
                Image.fromarray(pixels).save(tmp_path / "large" / part / name / f"{index}.png")
    assert evaluated(net.checkpoint, "folder", tmp_path / "large").evaluation.count == 6


def test_a_data_set_of_another_shape_or_other_classes_is_refused(net, record, tmp_path):
    with pytest.raises(UsageError, match="answers with 3 classes"):
        evaluated(net.checkpoint, "digits")
    _, model = load_model(net.checkpoint)
    wide = replace(record.spec, input_shape=(3, 64, 64))
    save_checkpoint(tmp_path / "wide", draft_of(record, spec=wide), model)
    with pytest.raises(UsageError, match=r"have the shape \(3, 32, 32\), and the network takes \(3, 64, 64\)"):
        evaluated(tmp_path / "wide", "digits")


def test_a_folder_that_is_neither_says_what_is_one(tmp_path):
    (tmp_path / "pictures").mkdir()
    for name, text in (("pictures", "neither a checkpoint nor an artifact"), ("nowhere", "does not exist")):
        with pytest.raises(UsageError, match=text):
            evaluated(tmp_path / name)
