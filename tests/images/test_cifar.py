"""CIFAR from files in its published forms: the same images of each, and every mistake in words."""

import gzip
import os
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groupnl_deploy.errors import GroupNLError, UsageError, VerificationFailed
from groupnl_deploy.images.at_hand import dataset_at_hand
from groupnl_deploy.images.dataset import gather
from groupnl_deploy.images.datasets import load_dataset
from groupnl_deploy.images.published import cifar as module
from groupnl_deploy.images.published.cifar_tables import CIFAR
from groupnl_deploy.images.published.known import md5_of
from groupnl_deploy.images.published.records import NoRecords, of_bytes, of_pickle
from groupnl_deploy.images.source import DataSource
from tests.images.cifar_files import (
    IMAGES,
    as_python_2,
    binary_file,
    contents,
    drawn,
    python_file,
    write_archive,
    write_folder,
)

KINDS = ("binary", "python")


class Told:
    """A reporter that keeps what it was told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def task(self, name):
        from groupnl_deploy.progress import Silence

        return Silence().task(name)


def loaded(path: Path, name: str = "cifar10", told: Told | None = None):
    return load_dataset(DataSource(name, str(path)), reporter=told)


def pixels_of(part) -> np.ndarray:
    return gather(part, range(len(part))).numpy()


@pytest.fixture(autouse=True)
def home(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("GROUPNL_HOME", str(tmp_path_factory.mktemp("home")))


@pytest.mark.parametrize("name", CIFAR)
def test_both_forms_packed_or_not_are_the_same_images_in_the_published_order(tmp_path, name):
    places = []
    for kind in KINDS:
        root = tmp_path / kind
        folder = write_folder(root, name, kind)
        places += [folder, root, write_archive(root, name, kind, ".tar")]
        packed = tmp_path / f"packed-{kind}"
        packed.mkdir()
        archive = write_archive(packed, name, kind)
        places += [archive, packed]
    per_file, to_test = IMAGES[name]
    files = len(CIFAR[name].forms[0].train)
    told = Told()
    for place in places:
        data = loaded(place, name, told)
        assert data.sha256 == loaded(places[0], name).sha256
        assert (data.split_seed, data.split, data.statistics) == (None, None, CIFAR[name].statistics)
        for part, seeds in ((data.train, range(files)), (data.test, [files])):
            expected = [drawn(name, to_test if seed == files else per_file, seed) for seed in seeds]
            assert np.array_equal(part.labels, np.concatenate([labels for _, labels in expected]))
            flat = np.concatenate([pixels for pixels, _ in expected])
            assert np.array_equal(pixels_of(part).reshape(len(part), -1), flat)
    assert "is not CIFAR-10" in told.notes[0] and len(told.notes) == len(places)  # each place is read once


def test_the_python_form_is_what_python_2_writes():
    pixels, labels = drawn("cifar10", 4, 0)
    table = pickle.loads(python_file("cifar10", pixels, labels), encoding="latin1")  # noqa: S301 - ours
    assert np.array_equal(table["data"], pixels) and table["labels"] == labels.tolist()


def test_another_image_or_label_is_another_data_set(tmp_path):
    folder = write_folder(tmp_path, "cifar10", "binary")
    before = loaded(folder).sha256
    digests = {before}
    for place in (0, 1, 3072):  # a label, and pixels
        data = bytearray((folder / "test_batch.bin").read_bytes())
        data[place] = (data[place] + 1) % 10
        (folder / "test_batch.bin").write_bytes(data)
        digests.add(loaded(folder).sha256)
    assert len(digests) == 4


def test_a_folder_that_nobody_may_write_to_is_read_and_stays_as_it_is(tmp_path):
    folder = write_folder(tmp_path, "cifar10", "binary")
    before = {path: path.stat().st_mtime_ns for path in (folder, *folder.iterdir())}
    for path in (*folder.iterdir(), folder):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        assert len(loaded(folder).train) == 20
        assert {path: path.stat().st_mtime_ns for path in (folder, *folder.iterdir())} == before
    finally:
        folder.chmod(0o755)


def test_the_same_images_are_found_again_where_they_were_seen(tmp_path):
    folder = write_folder(tmp_path, "cifar10", "binary")
    data = loaded(folder)
    again = dataset_at_hand(data.record, (3, 32, 32))
    assert again.sha256 == data.sha256
    told = Told()
    (folder / "test_batch.bin").write_bytes(binary_file("cifar10", *drawn("cifar10", 12, 99)))
    assert dataset_at_hand(data.record, (3, 32, 32), reporter=told) is None and "some are others" in told.notes[-1]
    assert dataset_at_hand(data.record, (3, 32, 32), str(folder), reporter=told) is not None
    (folder / "test_batch.bin").unlink()
    assert dataset_at_hand(data.record, (3, 32, 32), reporter=told) is None and "lacks" in told.notes[-1]
    shutil.rmtree(folder)
    assert dataset_at_hand(data.record, (3, 32, 32)) is None


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 - 7])


def page(path: Path) -> None:
    path.write_text("\n<!DOCTYPE html><html><title>404</title></html>")


def pointer(path: Path) -> None:
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 170052171\n")


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (cut, r"is cut short or damaged: .* published are cifar-10-binary\.tar\.gz \(170,052,171 bytes, MD5 c32a"),
        (page, "is a web page"),
        (pointer, "is a pointer of Git LFS"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_bytes(b"PK\3\4zip"), "is a zip file"),
        (lambda path: path.write_bytes(os.urandom(1000)), "is cut short or damaged"),
    ],
)
def test_an_archive_that_is_none_or_half_of_one_says_what_it_is_and_what_is_published(tmp_path, spoil, text):
    path = write_archive(tmp_path, "cifar10", "binary")
    spoil(path)
    for place in (path, tmp_path):
        with pytest.raises(GroupNLError, match=text) as caught:
            loaded(place)
        assert "https://www.cs.toronto.edu/~kriz/cifar.html" in caught.value.remedy


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (Path.unlink, r"lacks data_batch_3\.bin \(30,730,000 bytes\) of CIFAR-10"),
        (cut, r"data_batch_3\.bin is cut short or damaged: .* no whole number of records of 3,073 bytes\. It has"),
        (pointer, r"data_batch_3\.bin is a pointer of Git LFS"),
        (page, r"data_batch_3\.bin is a web page"),
        (lambda path: path.write_bytes(b"\x0a" + path.read_bytes()[1:]), "has the label 10, and CIFAR-10 has 10 cl"),
    ],
)
def test_a_file_that_is_gone_or_damaged_is_named_with_what_was_published(tmp_path, spoil, text):
    folder = write_folder(tmp_path, "cifar10", "binary")
    spoil(folder / "data_batch_3.bin")
    with pytest.raises(VerificationFailed, match=text) as caught:
        loaded(folder)
    assert "170,052,171 bytes, MD5 c32a1d4ab5d03f1284b67883e8d87530" in caught.value.remedy


def test_the_wrong_level_is_told_with_the_right_one(tmp_path):
    folder = write_folder(tmp_path / "data" / "sets", "cifar10", "python")
    with pytest.raises(UsageError, match="does not hold CIFAR-10 itself") as caught:
        loaded(tmp_path)
    assert f"--data {tmp_path / 'data' / 'sets'}" in caught.value.remedy
    with pytest.raises(UsageError, match="is a file of CIFAR-10") as caught:
        loaded(folder / "data_batch_1")
    assert str(folder) in caught.value.remedy
    with pytest.raises(UsageError, match="does not exist"):
        loaded(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"it is empty\. Looked for were cifar-10-batches-bin/"):
        loaded(tmp_path / "empty")
    with pytest.raises(UsageError, match="nobody said where they lie"):
        load_dataset(DataSource("cifar10"))
    with pytest.raises(UsageError, match=r"have the shape \(3, 32, 32\)"):
        load_dataset(DataSource("cifar10", str(folder), (3, 224, 224)))


@pytest.mark.parametrize("kind", KINDS)
def test_the_other_cifar_is_called_by_its_name(tmp_path, kind):
    folder, archive = write_folder(tmp_path, "cifar100", kind), write_archive(tmp_path / "..", "cifar100", kind)
    for place in (folder, tmp_path, archive):
        with pytest.raises(UsageError, match="holds CIFAR-100 and not CIFAR-10") as caught:
            loaded(place)
        assert caught.value.remedy == "Say --dataset cifar100."
    archive.unlink()


def test_what_is_odd_is_told_once_to_the_first_who_listens(tmp_path):
    folder, told = write_folder(tmp_path, "cifar10", "binary"), Told()
    data = loaded(folder)  # in silence, as a campaign is read
    assert loaded(folder, told=told) is loaded(folder, told=told) is data
    assert [note for note in told.notes if "is not CIFAR-10 as it was published" in note] == told.notes
    assert len(told.notes) == 1


def test_names_of_other_classes_are_refused(tmp_path):
    folder = write_folder(tmp_path, "cifar10", "binary")
    (folder / "batches.meta.txt").write_text("cat\ndog\n")
    with pytest.raises(VerificationFailed, match="has other classes than CIFAR-10: cat, dog"):
        loaded(folder)
    (folder / "batches.meta.txt").unlink()
    assert loaded(folder).class_names[0] == "airplane"


def test_a_whole_form_is_preferred_to_half_of_another(tmp_path):
    write_folder(tmp_path, "cifar10", "python")
    (write_folder(tmp_path, "cifar10", "binary") / "test_batch.bin").unlink()
    assert len(loaded(tmp_path).test) == 12
    cut(write_archive(tmp_path, "cifar10", "binary"))
    (tmp_path / "cifar-10-batches-py" / "test_batch").touch()
    assert len(loaded(tmp_path).test) == 12


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/groupnl-cifar-was-run",)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (pickle.dumps({"data": Evil(), "labels": [1]}, 2), r"it wants \w+\.system"),
        (pickle.dumps({"data": np.zeros((1, 3072), np.uint8), "labels": [1]}, 2), r"it wants _codecs\.encode"),
        (pickle.dumps({"data": np.zeros((1, 3072), np.uint8), "labels": [1]}, 5), "it has pickle protocol 5"),
        (as_python_2({"data": [1], "labels": [1]}), "it has no “data” and “labels”"),
        (as_python_2({"data": np.zeros((2, 3072), np.uint8), "labels": [1]}), r"images are uint8 \(2, 3072\) beside 1"),
        (as_python_2({"data": np.zeros((1, 3072), np.uint8), "labels": [-1]}), "a label is no number of a class"),
        (as_python_2([1]), "it holds a list"),
        (b"", "is empty"),
    ],
)
def test_a_pickle_of_others_is_refused_and_nothing_in_it_runs(tmp_path, data, text):
    folder = write_folder(tmp_path, "cifar10", "python")
    (folder / "data_batch_2").write_bytes(data)
    with pytest.raises(GroupNLError, match=text) as caught:
        loaded(folder)
    assert "cifar-10-binary.tar.gz" in caught.value.remedy or "cifar-10-python.tar.gz" in caught.value.remedy
    assert not Path("/tmp/groupnl-cifar-was-run").exists()


def test_an_array_whose_bytes_are_letters_is_an_array(tmp_path):
    records = of_pickle(as_python_2({"data": np.full((2, 3072), 65, np.uint8), "labels": [1, 2]}), "labels")
    assert (records.pixels == 65).all() and records.pixels.shape == (2, 3, 32, 32)


@given(data=st.binary(max_size=200), place=st.integers(0, 300))
def test_a_damaged_pickle_raises_and_returns_nothing_odd(data, place):
    whole = as_python_2({"data": np.zeros((1, 3072), np.uint8), "labels": [3]})
    try:
        records = of_pickle(whole[:place] + data + whole[place + len(data) :], "labels")
    except Exception as error:
        assert not isinstance(error, MemoryError | RecursionError | SystemError)
    else:
        assert records.pixels.shape[1:] == (3, 32, 32) and len(records.labels) == len(records.pixels)


@given(st.integers(0, 5), st.integers(1, 3073))
def test_bytes_are_whole_records_or_none(count, rest):
    data = bytes(count * 3073 + rest % 3073)
    if len(data) % 3073 or not data:
        with pytest.raises(NoRecords):
            of_bytes(data, 1)
    else:
        assert len(of_bytes(data, 1).labels) == count


def test_files_of_the_published_size_must_have_the_published_md5(tmp_path, monkeypatch):
    """Of the real data only the digests are known here: those of small files stand in for them."""
    made = contents("cifar10", "python")
    form = CIFAR["cifar10"].forms[1]
    train = tuple(replace(known, md5=md5_of(made[known.name])) for known in form.train)
    test = replace(form.test, md5=md5_of(made[form.test.name]))
    small = replace(CIFAR["cifar10"], forms=(replace(form, train=train, test=test),), images=(20, 12))
    monkeypatch.setitem(module.CIFAR, "cifar10", small)
    folder, told = write_folder(tmp_path, "cifar10", "python"), Told()
    assert len(loaded(folder, told=told).train) == 20
    assert told.notes == []  # as published
    (folder / "data_batch_5").write_bytes(python_file("cifar10", *drawn("cifar10", 4, 77)))
    with pytest.raises(VerificationFailed, match=rf"data_batch_5 is damaged: .* and not {train[4].md5}"):
        loaded(folder)


def test_an_archive_of_the_published_size_must_have_its_md5(tmp_path, monkeypatch):
    path = write_archive(tmp_path, "cifar10", "binary")
    form = CIFAR["cifar10"].forms[0]
    known = replace(form.archive, size_bytes=path.stat().st_size)
    small = replace(CIFAR["cifar10"], forms=(replace(form, archive=known),))
    monkeypatch.setitem(module.CIFAR, "cifar10", small)
    with pytest.raises(VerificationFailed, match="it has the size of the published one, but the MD5"):
        loaded(path)


def test_where_one_file_is_whole_the_others_must_be(tmp_path, monkeypatch):
    form = CIFAR["cifar10"].forms[0]
    train = (*(replace(known, size_bytes=4 * 3073) for known in form.train[:4]), form.train[4])
    monkeypatch.setitem(
        module.CIFAR, "cifar10", replace(CIFAR["cifar10"], forms=(replace(form, train=train),), images=(20, 12))
    )
    with pytest.raises(VerificationFailed, match=r"data_batch_5\.bin has 12,292 bytes; published is data_batch_5\.bin"):
        loaded(write_folder(tmp_path, "cifar10", "binary"))


def test_an_archive_that_would_unpack_to_terabytes_is_not_unpacked(tmp_path, monkeypatch):
    from groupnl_deploy.images.published import files

    monkeypatch.setattr(files, "MOST_BYTES", 50_000)
    with pytest.raises(VerificationFailed, match=r"is cut short or damaged: .* bytes in there"):
        loaded(write_archive(tmp_path, "cifar10", "binary"))


def test_a_damaged_gzip_names_its_size(tmp_path):
    path = write_archive(tmp_path, "cifar10", "binary")
    spoilt = bytearray(path.read_bytes())
    spoilt[len(spoilt) // 2] ^= 0xFF
    path.write_bytes(spoilt)
    with pytest.raises(VerificationFailed, match=rf"It has {len(spoilt):,} bytes; published are"):
        loaded(path)
    path.write_bytes(gzip.compress(b"no tar"))
    with pytest.raises(VerificationFailed, match="cut short or damaged"):
        loaded(path)
