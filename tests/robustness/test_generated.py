"""A data set's test images under corruptions: on demand, and as files that the reader of CIFAR-10-C takes."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from groupnl_deploy.cli.main import app
from groupnl_deploy.errors import DiskFull, UsageError
from groupnl_deploy.images.corrupted_datasets import load_corrupted
from groupnl_deploy.images.dataset import Dataset, gather
from groupnl_deploy.images.in_memory import InMemoryImages
from groupnl_deploy.images.loader import workers_for
from groupnl_deploy.images.source import DataSource
from groupnl_deploy.progress import Silence, Task
from groupnl_deploy.robustness.corruptions import corrupted
from groupnl_deploy.robustness.generated import Draw, generated
from groupnl_deploy.robustness.written import write_corrupted

THREE = ("fog", "gaussian_noise", "jpeg_compression")


@pytest.fixture(scope="module")
def small(photos: np.ndarray) -> Dataset:
    pixels = photos.transpose(0, 3, 1, 2).copy()
    images = InMemoryImages(pixels, np.arange(len(pixels)) % 10)
    return Dataset("cifar10", tuple("0123456789"), (3, 32, 32), images, images, None)


def test_a_batch_is_the_images_one_by_one_and_what_the_functions_make(small, photos):
    made = generated(small, THREE, draw=Draw(seed=3))
    assert made.corruptions == ("gaussian_noise", "fog", "jpeg_compression")  # in the order of all nineteen
    for name in made.corruptions:
        part = made.part(name, 2)
        batch = gather(part, [5, 40, 5], (3, 32, 32)).numpy()
        assert (batch[0] == part[5]).all() and (batch[1] == part[40]).all() and (batch[2] == batch[0]).all()
        alone = corrupted(photos[[40]], name, 2, [40], seed=3)
        assert (alone[0].transpose(2, 0, 1) == batch[1]).all()
    assert part.labels is small.test.labels and len(part) == len(small.test)


def test_the_result_says_how_it_came_about(small):
    made = generated(small, ("frost", "fog"), draw=Draw(seed=3))
    assert made.origin == "generated" and made.class_names == small.class_names
    assert "seed 3" in made.notes[0] and "textures made here" in made.notes[1]
    other = Dataset(
        "own", ("a",), (1, 96, 96), *[InMemoryImages(np.zeros((1, 1, 96, 96), np.uint8), np.zeros(1, int))] * 2, 0
    )
    assert "constants of 64x64" in generated(other, ("fog",)).notes[1]


def test_unknown_words_and_seeds_are_refused_before_anything_is_made(small):
    with pytest.raises(UsageError, match="no corruption “fogg”"):
        generated(small, ("fogg",))
    with pytest.raises(UsageError, match="seed -1"):
        generated(small, ("fog",), draw=Draw(seed=-1))
    with pytest.raises(UsageError, match="no corruption “snow”"):
        generated(small, ("fog",)).part("snow", 1)


def test_processes_are_started_for_many_images_alone(small):
    part = generated(small, ("fog",)).part("fog", 1)
    assert workers_for(part) == 0
    many = InMemoryImages(np.broadcast_to(small.test[0], (5000, 3, 32, 32)), np.zeros(5000, np.int64))
    assert generated(Dataset("many", ("a",), (3, 32, 32), many, many, 0), ("fog",)).part("fog", 1).costly


@pytest.fixture(scope="module")
def written(small: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("written") / "made"
    write_corrupted(small, THREE, Draw(seed=3), out, Silence(), workers=0)
    return out


def test_files_are_laid_out_as_those_of_cifar_10_c(written, small):
    assert {path.name for path in written.iterdir()} == {
        *(f"{name}.npy" for name in THREE),
        "labels.npy",
        "generated.json",
    }
    made = generated(small, THREE, draw=Draw(seed=3))
    for name in THREE:
        rows = np.load(written / f"{name}.npy", allow_pickle=False)
        assert rows.shape == (5 * 48, 32, 32, 3) and rows.dtype == np.uint8 and rows.flags.c_contiguous
        for severity in (1, 4):
            wanted = gather(made.part(name, severity), range(48)).numpy()
            assert (rows[(severity - 1) * 48 : severity * 48].transpose(0, 3, 1, 2) == wanted).all()
    labels = np.load(written / "labels.npy", allow_pickle=False)
    assert labels.dtype == np.uint8 and (labels == np.tile(small.test.labels, 5)).all()
    record = json.loads((written / "generated.json").read_text())
    assert record["schema_version"] == 1 and record["origin"] == "generated" and record["dataset"] == "cifar10"
    assert record["seed"] == 3 and set(record["corruptions"]) == set(THREE)
    assert record["versions"]["numpy"] == np.__version__


def test_the_reader_of_cifar_10_c_takes_them_as_generated(written, small):
    read = load_corrupted(DataSource("cifar10c", str(written)), Silence())
    assert read.origin == "generated" and set(read.corruptions) == set(THREE)
    own = generated(small, THREE, draw=Draw(seed=3)).part("fog", 5)
    assert (read.part("fog", 5)[7] == own[7]).all()


def test_processes_change_no_bit(written, small, tmp_path, monkeypatch):
    monkeypatch.setattr("groupnl_deploy.robustness.written._PIXELS_AT_ONCE", 20 * 32 * 32)
    write_corrupted(small, THREE, Draw(seed=3), tmp_path / "again", Silence(), workers=2)
    for name in (*(f"{name}.npy" for name in THREE), "generated.json"):
        assert (tmp_path / "again" / name).read_bytes() == (written / name).read_bytes()


def test_a_stop_and_a_full_disk_leave_nothing(small, tmp_path, monkeypatch):
    class Stopping(Silence):
        @contextmanager
        def task(self, name: str) -> Iterator[Task]:
            def stop(done: float, total: float | None, detail: str = "") -> None:
                if done > 300:
                    raise KeyboardInterrupt

            yield stop

    with pytest.raises(KeyboardInterrupt):
        write_corrupted(small, THREE, Draw(), tmp_path / "made", Stopping(), workers=0)
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("", (), {"free": 1000})())
    with pytest.raises(DiskFull, match=r"0\.00 GB free"):
        write_corrupted(small, THREE, Draw(), tmp_path / "made", Silence())
    assert not list(tmp_path.iterdir())


def test_the_command_writes_and_draws_and_refuses(tmp_path):
    out, sheet = tmp_path / "made", tmp_path / "sheet.png"
    words = ["data", "corrupt", "--dataset", "digits", "--corruptions", "contrast,pixelate", "--workers", "0"]
    done = CliRunner().invoke(app, [*words, "--out", str(out), "--sheet", str(sheet), "--json"])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["images"] == 360 and document["size_bytes"] == 2 * 5 * 360 * 3072
    assert sheet.read_bytes().startswith(b"\x89PNG") and len(list(out.iterdir())) == 4
    for more, says in [
        (["--out", str(out)], "exists already"),
        ([], "--sheet FILE.png"),
        (["--out", str(tmp_path / "other"), "--corruptions", ","], "No corruption is named"),
        (["--out", str(tmp_path / "other"), "--frost", str(tmp_path), "--corruptions", "frost"], "frost1.png"),
        (["--out", str(tmp_path / "other"), "--workers", "-1"], "-1 processes"),
    ]:
        refused = CliRunner().invoke(app, [*words, *more])
        assert refused.exit_code == 2 and says in refused.stderr, refused.output
