"""The data set of own images: its parts, what its digest depends on, what is remembered, and what may change."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from groupnl_deploy.errors import UsageError, VerificationFailed
from groupnl_deploy.images import decoded as decoded_module
from groupnl_deploy.images.at_hand import dataset_at_hand
from groupnl_deploy.images.dataset import Dataset, OriginalImages, gather, measure_statistics
from groupnl_deploy.images.datasets import load_dataset
from groupnl_deploy.images.decode import DamagedImage
from groupnl_deploy.images.decoded import decoded_once
from groupnl_deploy.images.in_memory import InMemoryImages
from groupnl_deploy.images.loader import batches
from groupnl_deploy.images.source import DataSource
from groupnl_deploy.places import cache_dir
from groupnl_deploy.progress import Silence
from tests.images.pictures import class_folders, write

SHAPE = (3, 14, 21)


class Told(Silence):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.notes, self.tasks = list[str](), list[str]()

    def note(self, text: str) -> None:
        self.notes.append(text)

    def task(self, name):
        self.tasks.append(name)
        return super().task(name)


def load(root: Path, seed: int = 0, told: Told | None = None, shape=SHAPE) -> Dataset:
    return load_dataset(DataSource("folder", str(root), shape), seed, told)


def pixels_of(part) -> np.ndarray:
    return np.stack([part[index] for index in range(len(part))])


def test_a_folder_is_split_and_its_training_images_have_a_margin(tmp_path):
    root = class_folders(tmp_path / "a", each=10)
    data = load(root)
    assert (len(data.train), len(data.test), data.class_names) == (16, 4, ("cat", "dog"))
    assert data.test.labels.tolist().count(0) == 2
    assert data.train_shape == data.train[0].shape == (3, 16, 24) and data.test[0].shape == SHAPE
    assert data.split_seed == 0 and {file.part for file in data.split.files} == {"train", "test"}
    assert load_dataset(DataSource("folder", str(root))).train_shape == (3, 256, 256)


def test_an_image_is_read_as_it_was_kept_too(tmp_path):
    root = tmp_path / "a"
    for name in ("cat", "dog"):
        for seed in range(5):
            write(root / name / f"{seed}.png", seed + 10 * (name == "dog"), (40, 30))
    train = load(root).train
    assert isinstance(train, OriginalImages) and not isinstance(decoded_once(load(root), Told()).train, OriginalImages)
    assert train[0].shape == (3, 16, 24) and train.original(0).shape == (3, 30, 40)


def test_names_dates_and_order_change_nothing(tmp_path):
    data = load(class_folders(tmp_path / "a", each=6))
    for index, path in enumerate(sorted((tmp_path / "a").glob("*/*.png"), reverse=True)):
        target = tmp_path / "b" / path.parent.name / f"ünlike {index}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    same = load(tmp_path / "b")
    assert same.record == data.record and same.split == data.split
    assert np.array_equal(pixels_of(same.train), pixels_of(data.train))
    assert np.array_equal(same.test.labels, data.test.labels)
    assert load(tmp_path / "b", seed=1).split != data.split and load(tmp_path / "b", seed=1).sha256 == data.sha256


def test_another_image_label_or_part_is_another_data_set(tmp_path):
    digests = [load(class_folders(tmp_path / "a", each=4)).sha256]
    write(tmp_path / "a" / "cat" / "0.png", 99)
    digests.append(load(tmp_path / "a").sha256)
    (tmp_path / "a" / "cat" / "0.png").rename(tmp_path / "a" / "dog" / "new.png")
    digests.append(load(tmp_path / "a").sha256)
    class_folders(tmp_path / "b" / "train", each=4)
    class_folders(tmp_path / "b" / "val", each=2, first=50)
    digests.append(load(tmp_path / "b").sha256)
    (tmp_path / "b" / "val" / "cat" / "0.png").rename(tmp_path / "b" / "train" / "cat" / "new.png")
    digests.append(load(tmp_path / "b").sha256)
    assert len(set(digests)) == len(digests)


def test_a_folders_own_parts_stay_and_what_leaks_is_told(tmp_path):
    class_folders(tmp_path / "train", each=4)
    class_folders(tmp_path / "val", each=3, first=50)
    shutil.copyfile(tmp_path / "train" / "cat" / "0.png", tmp_path / "val" / "cat" / "again.png")
    load(tmp_path)
    data = load(tmp_path, 0, told := Told())  # who was silent before has not told it
    assert (len(data.train), len(data.test), data.split_seed) == (8, 7, None)
    assert "1 of 7 images to test on are trained on too" in told.notes[0]


def test_unchanged_files_are_read_once_and_a_changed_folder_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr("groupnl_deploy.images.digests._JUST_NOW_NS", 0)
    root = class_folders(tmp_path / "a", each=3)
    assert load(root, told=(told := Told())) is load(root)
    assert told.tasks == ["read 6 files of a"]
    assert len(load(root, 0, again := Told(), shape=(3, 8, 8)).train) == 4 and again.tasks == []
    write(root / "cat" / "new.png", 77)
    assert len(load(root, 0, again).train) == 5
    write(root / "cat" / "new.png", 78)
    assert load(root, 0, again).train is not load(root, shape=(3, 8, 8)).train
    assert again.tasks == ["read 1 files of a"] * 2


def test_an_image_that_changes_while_it_is_in_use_is_an_error_and_never_other_pixels(tmp_path):
    data = load(class_folders(tmp_path, each=3))
    write(tmp_path / data.train.names[1], 77)
    with pytest.raises(VerificationFailed, match="has changed since this began"):
        gather(data.train, [1])


def test_a_damaged_image_names_its_file_from_another_process_too(tmp_path):
    class_folders(tmp_path, each=3)
    for path in tmp_path.glob("*/*.png"):
        path.write_bytes(path.read_bytes()[:300])
    data = load(tmp_path)
    for workers in (0, 1):
        with pytest.raises(DamagedImage, match=r"0\.png|1\.png|2\.png"):
            list(batches(data.train, [[0]], data.train_shape, workers))


def test_statistics_are_measured_once_on_this_machine(tmp_path, monkeypatch):
    data = load(class_folders(tmp_path, each=4))
    assert data.statistics == measure_statistics(data.train, 3)
    monkeypatch.setattr("groupnl_deploy.images.measured.batches", None)
    assert replace(data).statistics == data.statistics


def test_small_sets_are_decoded_once_to_the_same_pixels(tmp_path, monkeypatch):
    data = load(class_folders(tmp_path / "a", each=4))
    kept = decoded_once(data, told := Told())
    assert told.tasks == ["decode 6 images once", "decode 2 images once"] and not told.notes
    for part, same in ((data.train, kept.train), (data.test, kept.test)):
        assert isinstance(same, InMemoryImages)
        assert np.array_equal(pixels_of(part), pixels_of(same)) and np.array_equal(part.labels, same.labels)
    assert kept.statistics == data.statistics
    decoded_once(load(tmp_path / "a"), again := Told())
    assert again.tasks == []
    monkeypatch.setattr(decoded_module, "MOST_BYTES", 3000)
    large = decoded_once(data, again)
    assert large.train is data.train and isinstance(large.test, InMemoryImages)


def test_what_is_decoded_is_kept_within_bounds_whole_or_not_at_all(tmp_path, monkeypatch):
    folder = cache_dir() / "decoded"
    data = load(class_folders(tmp_path / "a", each=4))
    monkeypatch.setattr(decoded_module, "KEPT_BYTES", 10_000)  # room for 6 · 3 · 16 · 24 pixels, and not for twice that
    decoded_once(data, Silence())
    first = {path.name for path in folder.iterdir()}
    decoded_once(load(class_folders(tmp_path / "b", each=4, first=40)), Silence())
    assert len(first) == 2 and f"{data.train.identity}.npy" not in {path.name for path in folder.iterdir()}
    (tmp_path / "c").mkdir()
    for path in class_folders(tmp_path / "c", each=4, first=80).glob("cat/*"):
        path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(DamagedImage):
        decoded_once(load(tmp_path / "c"), Silence())
    assert not list(folder.glob(".*"))


def test_without_room_images_are_decoded_each_time_and_a_note_says_so(tmp_path, monkeypatch):
    data = load(class_folders(tmp_path, each=4))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**6, 10**6 - 100, 100))
    same = decoded_once(data, told := Told())
    assert same.train is data.train and len(told.notes) == 2
    assert told.notes[0].startswith("Decoded images are not kept, and each epoch decodes them: ")


def test_what_can_be_made_again_may_be_damaged_or_removed(tmp_path):
    data = load(class_folders(tmp_path / "a", each=4))
    decoded_once(data, Silence())
    for path in cache_dir().rglob("*"):
        if path.is_file():
            path.write_bytes(b"{}")
    again = load(tmp_path / "a", shape=(3, 28, 42))
    assert again.split == data.split
    assert np.array_equal(pixels_of(decoded_once(data, Silence()).train), pixels_of(data.train))
    assert replace(data).statistics == measure_statistics(data.train, 3)


def test_a_folder_is_found_again_where_it_was_last_seen(tmp_path):
    data = load(class_folders(tmp_path / "a", each=4))
    assert dataset_at_hand(data.record, SHAPE).split == data.split
    (tmp_path / "a").rename(tmp_path / "b")
    assert dataset_at_hand(data.record, SHAPE) is None
    assert dataset_at_hand(data.record, SHAPE, str(tmp_path / "b")).record == data.record
    assert dataset_at_hand(data.record, (3, 8, 8)).input_shape == (3, 8, 8)  # seen there now


def test_of_a_folder_that_changed_the_images_to_test_on_are_still_those(tmp_path):
    data = load(class_folders(tmp_path, each=10))
    path, gone = (tmp_path / name for name in data.test.names[:2])
    path.rename(tmp_path / "dog" / "renamed.png")  # into another class even: its label is that of then
    gone.unlink()
    write(tmp_path / "cat" / "new.png", 77)
    found = dataset_at_hand(data.record, SHAPE, split=data.split, reporter=(told := Told()))
    assert found.test.digests == (data.test.digests[0], *data.test.digests[2:])
    assert found.test.labels.tolist() == [data.test.labels[0], *data.test.labels[2:]]
    assert found.class_names == data.class_names and found.sha256 != data.sha256
    assert told.notes == [f"1 of 4 images to test on are no longer in {tmp_path}; the others are taken."]
    assert dataset_at_hand(data.record, SHAPE) is None
    with pytest.raises(UsageError, match="has changed since the training"):
        dataset_at_hand(data.record, SHAPE, str(tmp_path))


def test_a_folder_with_none_of_the_images_is_refused(tmp_path):
    data = load(class_folders(tmp_path / "a", each=4))
    other = class_folders(tmp_path / "b", each=4, first=50)
    with pytest.raises(UsageError, match="has none of the 2 images that this network is to be tested on"):
        dataset_at_hand(data.record, SHAPE, str(other), data.split)


def test_a_folder_must_be_named_and_a_path_is_no_data_set(tmp_path):
    with pytest.raises(UsageError, match="is a folder of yours, and none was named"):
        load_dataset(DataSource("folder"))
    with pytest.raises(UsageError, match="a data set's name was asked for") as caught:
        load_dataset(DataSource(str(tmp_path)))
    assert f"--dataset folder --data {tmp_path}" in caught.value.remedy
    with pytest.raises(UsageError, match="2 channels"):
        load_dataset(DataSource("folder", str(tmp_path), (2, 8, 8)))
    with pytest.raises(UsageError, match="“cat” has one image"):
        load(class_folders(tmp_path, each=1))
