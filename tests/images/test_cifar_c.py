"""CIFAR-10-C from files in its published form, in folders and in the archive."""

import contextlib
import gzip
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from groupnl_deploy.cli.main import app
from groupnl_deploy.errors import GroupNLError, UsageError, VerificationFailed
from groupnl_deploy.images.corrupted import CORRUPTIONS
from groupnl_deploy.images.corrupted_datasets import CORRUPTED_DATASETS, load_corrupted
from groupnl_deploy.images.dataset import gather
from groupnl_deploy.images.published.cifar_c_tables import CIFAR_C
from groupnl_deploy.images.published.known import md5_of
from groupnl_deploy.images.published.npy import mapped
from groupnl_deploy.images.published.pieces import Piece
from groupnl_deploy.images.source import DataSource
from groupnl_deploy.progress import Silence
from tests.images.cifar_c_files import write_folder, write_tar


def loaded(path: Path, name: str = "cifar10c"):
    return load_corrupted(DataSource(name, str(path)), Silence())


def test_every_corruption_has_a_digest_for_both():
    for about in CIFAR_C.values():
        assert set(about.md5) == {*CORRUPTIONS, "labels"} and len(set(about.md5.values())) == 20
    assert set(CIFAR_C) <= set(CORRUPTED_DATASETS)


@pytest.mark.parametrize("name", CIFAR_C)
def test_folder_parent_and_archive_give_rows_of_a_severity_channels_first(tmp_path, name):
    folder = write_folder(tmp_path / "data", name)
    archive = write_tar(folder)
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(archive, alone)
    for place in (folder, folder.parent, archive, alone):
        data = loaded(place, name)
        assert (data.name, data.origin, data.input_shape) == (name, "published", (3, 32, 32))
        assert data.corruptions == ("glass_blur", "fog")  # in the paper's order
        assert len(data.class_names) == (10 if name == "cifar10c" else 100)
        assert "with 6 images at each severity it is not" in data.notes[0]
        for word, number in (("fog", 0), ("glass_blur", 1)):
            for severity in range(1, 6):
                part = data.part(word, severity)
                assert part.labels.tolist() == [0, 1, 2, 3, 4, 5] and part.labels.dtype == np.int64
                pixels = gather(part, range(len(part)), (3, 32, 32)).numpy()
                assert (pixels[:, 0] == number).all()
                assert pixels[:, 1, 7, 7].tolist() == [(severity - 1) * 6 + index for index in range(6)]
                assert (pixels[:, 2, 3, 5] == 99).all() and pixels[:, 2].sum() == 6 * 99
        assert isinstance(data.part("fog", 1).pixels, np.memmap)


def test_what_is_not_there_is_named_with_its_file(tmp_path):
    data = loaded(write_folder(tmp_path))
    with pytest.raises(UsageError, match=r"has no snow\.npy \(MD5 bb238de8555123da9c282dea23bd6e55\)") as caught:
        data.part("snow", 1)
    assert "CIFAR-10-C.tar (2,918,471,680 bytes" in caught.value.remedy and "zenodo" in caught.value.remedy
    with pytest.raises(UsageError, match="There is no corruption “fogg”"):
        data.part("fogg", 1)
    with pytest.raises(UsageError, match="no severity 6"):
        data.part("fog", 6)


def generated(folder: Path, **changes) -> None:
    record = {"schema_version": 1, "origin": "generated", "dataset": "cifar10", "seed": 7, "versions": {"numpy": "2.4"}}
    (folder / "generated.json").write_text(json.dumps(record | changes))


def test_generated_ones_say_so_in_the_archive_too(tmp_path):
    folder = write_folder(tmp_path)
    generated(folder)
    for place in (folder, write_tar(folder)):
        data = loaded(place)
        assert data.origin == "generated"
        assert data.notes == ("the corruptions were generated here with the seed 7, by numpy 2.4",)
    generated(folder, dataset="cifar100")
    with pytest.raises(UsageError, match="is of “cifar100”, and cifar10c or cifar10 was asked for"):
        loaded(folder)
    for odd in ({"seed": None}, {"versions": [1]}, {"origin": "published"}):
        generated(folder, **odd)
        with pytest.raises(VerificationFailed, match="does not say how the images were made"):
            loaded(folder)
    (folder / "generated.json").write_text("{")
    with pytest.raises(VerificationFailed, match="does not say how the images were made"):
        loaded(folder)


class Evil:
    def __reduce__(self):
        return Path.touch, (Path("/tmp/groupnl-npy-was-run"),)


def objects(path: Path) -> None:
    np.save(path, np.array(Evil(), object), allow_pickle=True)


def halved(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


@pytest.mark.parametrize(
    ("file", "spoil", "text"),
    [
        ("fog", objects, "holds objects of Python and no numbers; nothing in it was executed"),
        ("labels", objects, "holds objects of Python"),
        ("fog", halved, "is cut short or damaged: uint8"),
        (
            "fog",
            lambda path: np.save(path, np.zeros((30, 3, 32, 32), np.uint8)),
            r"and should be uint8 \(30, 32, 32, 3\)",
        ),
        (
            "fog",
            lambda path: np.save(path, np.zeros((30, 32, 32, 3), np.float32)),
            r"is float32 .* and should be uint8",
        ),
        ("fog", lambda path: np.save(path, np.zeros((25, 32, 32, 3), np.uint8)), "as there are 6 "),
        ("fog", lambda path: np.save(path, np.asfortranarray(np.zeros((30, 32, 32, 3), np.uint8))), "column by column"),
        ("fog", lambda path: path.write_text("version https://git-lfs.github.com/spec/v1"), "is a pointer of Git LFS"),
        ("fog", lambda path: path.write_text("<html>"), "is a web page"),
        ("fog", lambda path: path.write_bytes(b"\x93NUMPY\x01\x00\xff\xffnothing"), "is no array of NumPy's"),
        ("labels", Path.unlink, r"lacks labels\.npy \(MD5 c439b113295ed5254878798ffe28fd54\)"),
        ("labels", lambda path: np.save(path, np.arange(30) % 10), "other labels at some severities"),
        ("labels", lambda path: np.save(path, np.zeros(29, np.uint8)), "as many for each severity"),
        (
            "labels",
            lambda path: np.save(path, np.full(30, 99, np.uint8)),
            "labels from 99 to 99, and CIFAR-10-C has 10",
        ),
    ],
)
def test_a_damaged_file_is_named_with_what_was_expected(tmp_path, file, spoil, text):
    folder = write_folder(tmp_path)
    spoil(folder / f"{file}.npy")
    with pytest.raises(GroupNLError, match=text):
        loaded(folder)
    assert not Path("/tmp/groupnl-npy-was-run").exists()


def test_the_other_one_is_told_by_its_labels(tmp_path):
    with pytest.raises(UsageError, match="to 99, and CIFAR-10-C has 10 classes") as caught:
        loaded(write_folder(tmp_path / "a", "cifar100c", count=100).rename(tmp_path / "CIFAR-10-C"))
    assert caught.value.remedy == "If it is of CIFAR-100-C, say cifar100c."


def test_places_that_hold_none_are_refused(tmp_path):
    folder = write_folder(tmp_path / "data")
    for place, text in ((tmp_path, "does not hold CIFAR-10-C"), (tmp_path / "no", "does not exist")):
        with pytest.raises(UsageError, match=text):
            loaded(place)
    with pytest.raises(UsageError, match="one file of CIFAR-10-C") as caught:
        loaded(folder / "fog.npy")
    assert str(folder) in caught.value.remedy
    archive = write_tar(folder)
    packed = tmp_path / "CIFAR-10-C.tar.gz"
    packed.write_bytes(gzip.compress(archive.read_bytes(), 1))
    with pytest.raises(UsageError, match="is compressed") as caught:
        loaded(packed)
    assert "Unpack it" in caught.value.remedy
    archive.write_bytes(archive.read_bytes()[:-100_000])
    with pytest.raises(VerificationFailed, match="is cut short or damaged"):
        loaded(archive)


@given(st.binary(max_size=300), st.booleans())
def test_bytes_of_any_kind_are_an_array_or_an_error(tmp_path_factory, data, is_magic):
    path = tmp_path_factory.mktemp("npy") / "a.npy"
    path.write_bytes((b"\x93NUMPY\x01\x00" if is_magic else b"") + data)
    with contextlib.suppress(GroupNLError):
        mapped(Piece("a", path, 0, path.stat().st_size), "remedy.")


def test_files_are_compared_with_the_published_ones_where_somebody_asks(tmp_path, monkeypatch):
    folder = write_folder(tmp_path)
    md5 = {word: md5_of((folder / f"{word}.npy").read_bytes()) for word in ("fog", "glass_blur", "labels")}
    monkeypatch.setitem(CIFAR_C, "cifar10c", replace(CIFAR_C["cifar10c"], md5=CIFAR_C["cifar10c"].md5 | md5))
    for place in (folder, write_tar(folder)):
        done = CliRunner().invoke(app, ["data", "verify", str(place), "--dataset", "cifar10c"])
        assert done.exit_code == 0 and "All 3 files are as they were published" in done.output, done.output
    np.save(folder / "fog.npy", np.zeros((30, 32, 32, 3), np.uint8))
    done = CliRunner().invoke(app, ["data", "verify", str(folder), "--dataset", "cifar10c"])
    assert done.exit_code == 4 and "1 file of 3 are not the published ones: fog.npy has the MD5" in done.output
    done = CliRunner().invoke(app, ["data", "verify", str(folder), "--dataset", "cifar10"])
    assert done.exit_code == 2 and "Did you mean" in done.output
