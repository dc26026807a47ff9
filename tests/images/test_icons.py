"""Icons-50 in both published forms, one company left out."""

import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from groupnl_deploy.campaign.axes import slug
from groupnl_deploy.errors import GroupNLError, UsageError, VerificationFailed
from groupnl_deploy.images.at_hand import dataset_at_hand
from groupnl_deploy.images.dataset import gather
from groupnl_deploy.images.datasets import load_dataset
from groupnl_deploy.images.published.icons_tables import CLASSES
from groupnl_deploy.images.source import DataSource
from tests.images.icons_files import entries, write_folder
from tests.images.test_cifar import Told


def objects(values: list) -> np.ndarray:
    found = np.empty(len(values), object)
    for index, value in enumerate(values):
        found[index] = value
    return found


WAYS = {
    "lists": lambda values: values,
    "arrays": np.array,
    "lists of numbers of NumPy's": lambda values: list(np.array(values)),
    "arrays of objects": objects,
}


@pytest.fixture(autouse=True)
def home(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("GROUPNL_HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("icons"))


def loaded(path: Path, company: str | None = "apple", told: Told | None = None):
    return load_dataset(DataSource(f"icons50:{company}" if company else "icons50", str(path)), reporter=told)


def save(path: Path, content, protocol: int = 2) -> Path:
    """As NumPy writes an array of one object; of 2018 it took protocol 2, since then 3 and 4."""
    array = np.array(content, object)
    with path.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, np.lib.format.header_data_from_array_1_0(array))
        pickle.dump(array, stream, protocol)
    return path


def test_a_company_is_left_out_and_tested_on(folder, tmp_path):
    told = Told()
    data = loaded(folder, "LG", told)
    assert data.name == "icons50:LG" and data.class_names == CLASSES and len(CLASSES) == 50
    assert (len(data.train), len(data.test)) == (100, 50)
    assert data.test.labels.tolist() == list(range(50))
    assert all(name.split("/")[1].startswith("lg_") for name in data.test.names)  # and not flag_for_bulgaria
    assert gather(data.test, range(3), (3, 32, 32)).shape == (3, 3, 32, 32)
    assert (
        "Icons-50 without lg: 100 icons to train on, 50 of lg to test on (apple 50, emoji-one 50, lg 50)"
        in told.notes[0]
    )
    assert "is not Icons-50 as it was published: 150 icons in place of 10,000" in told.notes[1]
    nested = tmp_path / "Icons-50"
    nested.mkdir()
    shutil.copytree(folder, nested / "Icons-50")
    for place in (folder.parent, nested, tmp_path, nested / "Icons-50"):
        assert loaded(place).sha256 == data.sha256


def test_a_network_finds_its_own_split_again(folder):
    first, second = loaded(folder, "apple"), loaded(folder, "lg")
    assert first.record != second.record
    for data in (first, second):
        again = dataset_at_hand(data.record, (3, 32, 32))
        assert again.record == data.record and again.test.names == data.test.names
    assert slug("dataset", "icons50:apple") == "icons50-apple"  # a part of names of files


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("protocol", [2, 3])
def test_the_file_of_numpys_is_read_however_its_lists_were_made(tmp_path, way, protocol):
    made = entries()
    path = save(tmp_path / "Icons-50.npy", {key: WAYS[way](values) for key, values in made.items()}, protocol)
    for place in (path, tmp_path):
        data = loaded(place, "emoji-one")
        assert (len(data.train), len(data.test)) == (100, 50)
        assert data.test.labels.tolist() == list(range(50))
        held_out = [index for index, company in enumerate(made["style"]) if company == "emoji-one"]
        assert np.array_equal(data.test.pixels, np.stack([made["image"][index] for index in held_out]))


@pytest.mark.parametrize(
    ("company", "text", "remedy"),
    [
        (
            None,
            "which one is left out was not said",
            "icons50:apple, icons50:facebook, icons50:google, icons50:samsung",
        ),
        ("aple", "No icon is of “aple”; there are: apple 50, emoji-one 50, lg 50", "Did you mean icons50:apple?"),
        ("nokia", "No icon is of “nokia”", "Name one of these."),
    ],
)
def test_a_company_must_be_named_and_have_icons(folder, company, text, remedy):
    with pytest.raises(UsageError, match=text) as caught:
        loaded(folder, company)
    assert remedy in caught.value.remedy


def test_what_is_no_icons_is_refused(tmp_path):
    alone = write_folder(tmp_path / "alone", ("apple",))
    with pytest.raises(UsageError, match="All icons are of apple"):
        loaded(alone)
    (alone / "cats").mkdir()
    with pytest.raises(UsageError, match="folders that are no classes of Icons-50: “cats”"):
        loaded(alone)
    (tmp_path / "empty").mkdir()
    for place, text in (
        (tmp_path / "empty", "does not hold Icons-50"),
        (tmp_path / "no", "does not exist"),
        (alone / "README.txt", "is no file of NumPy's"),
    ):
        with pytest.raises(UsageError, match=text):
            loaded(place)
    with pytest.raises(UsageError, match="“cifar10:x” has something behind a colon"):
        load_dataset(DataSource("cifar10:x", str(alone)))
    with pytest.raises(UsageError, match="There is no dataset “icon50”"):
        load_dataset(DataSource("icon50:apple", str(alone)))


def test_a_name_that_says_no_company_is_passed_over_and_told(tmp_path):
    folder, told = write_folder(tmp_path), Told()
    (folder / "bird" / "sparrow.png").write_bytes(b"")
    assert len(loaded(folder, "apple", told).train) == 100
    assert told.notes[0] == "Passed over: 1 file whose names say no company (“bird/sparrow.png”)."


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/groupnl-icons-was-run",)


@pytest.mark.parametrize(
    ("content", "protocol", "text"),
    [
        ({"class": [1], "image": Evil(), "style": ["lg"]}, 2, r"it wants \w+\.system"),
        ({"class": [1], "image": [], "style": ["lg"]}, 5, "it has pickle protocol 5"),
        ({"class": [1], "style": ["lg"]}, 2, "it has no “image”"),
        ({"class": [50], "image": [], "style": ["lg"]}, 2, "a class is no number from 0 to 49"),
        ({"class": [1], "image": [], "style": [3]}, 2, "a style is no word"),
        (
            {"class": [1], "image": [np.zeros((32, 32, 3), np.uint8)], "style": ["lg"]},
            2,
            r"\(1, 32, 32, 3\), and",
        ),
        (
            {"class": [1, 2], "image": [np.zeros((3, 32, 32), np.uint8)], "style": ["lg"]},
            2,
            "1 images, 2 classes",
        ),
        ([1, 2], 2, "it holds no dictionary"),
    ],
)
def test_a_file_that_is_no_icons_is_refused_and_nothing_in_it_runs(tmp_path, content, protocol, text):
    path = save(tmp_path / "Icons-50.npy", content, protocol)
    with pytest.raises(GroupNLError, match=text):
        loaded(path)
    assert not Path("/tmp/groupnl-icons-was-run").exists()


def test_a_file_of_numbers_or_half_a_file_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(4))
    with pytest.raises(UsageError, match="is no Icons-50: it holds float64"):
        loaded(tmp_path / "a.npy")
    path = save(tmp_path / "Icons-50.npy", entries())
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(VerificationFailed, match="is cut short or damaged: it ends in the middle of a value"):
        loaded(path)
