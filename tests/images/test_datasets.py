"""Data sets: split, statistics, refusals, and the images that benchmarks run on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits, load_sample_images

from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.bench_images import bench_images, spread
from groupnl_deploy.images.dataset import Dataset, Statistics, gather, measure_statistics
from groupnl_deploy.images.datasets import DATASETS, load_dataset
from groupnl_deploy.images.in_memory import InMemoryImages
from groupnl_deploy.images.photographs import photographs
from groupnl_deploy.images.preprocessing import IMAGENET_MEAN, as_input, preprocessing
from groupnl_deploy.images.published.cifar_tables import CIFAR
from groupnl_deploy.images.source import DataSource
from tests.images import icons_files, imagenet_files
from tests.images.cifar_files import write_folder


def drawn_folder(root: Path) -> Path:
    """Six pictures of noise in each of two classes."""
    for label in ("dusk", "dawn"):
        (root / label).mkdir()
        for index in range(6):
            noise = np.random.default_rng((len(label), ord(label[1]), index)).integers(0, 256, (20, 30, 3), np.uint8)
            Image.fromarray(noise).save(root / label / f"{index}.png")
    return root


def source_of(name: str, root: Path) -> DataSource:
    """A small one of each, in the form in which it is published."""
    if name == "folder":
        return DataSource(name, str(drawn_folder(root)), (3, 14, 21))
    if name == "imagenet":
        return DataSource(name, str(imagenet_files.write_torchvision(root)), (3, 14, 21))
    if name == "icons50":
        return DataSource("icons50:lg", str(icons_files.write_folder(root)))
    return DataSource(name, str(write_folder(root, name, "binary")) if name in CIFAR else None)


def pixels_of(part) -> np.ndarray:
    return gather(part, range(len(part))).numpy()


@pytest.mark.parametrize("name", DATASETS)
def test_every_data_set_is_what_it_says(name, tmp_path):
    data = load_dataset(source_of(name, tmp_path))
    assert data.name.partition(":")[0] == name
    assert len(data.class_names) == len(set(data.class_names)) == data.num_classes
    for part in (data.train, data.test):
        assert part.labels.dtype == np.int64
        assert part.labels.shape == (len(part),)
        assert set(part.labels) == set(range(data.num_classes))
        for index in (0, len(part) - 1):
            assert part[index].dtype == np.uint8
            assert part[index].shape == (data.train_shape if part is data.train else data.input_shape)
            assert np.array_equal(part[index], part[index])
    channels = data.input_shape[0]
    published = isinstance(data.declared, Statistics)
    read, exact = (min(len(data.train), 1000), 0.2) if published else (len(data.train), 1e-5)
    inputs = as_input(gather(data.train, range(read)), *data.statistics)  # published statistics are rounded
    assert inputs.mean(dim=(0, 2, 3)).tolist() == pytest.approx([0] * channels, abs=exact)
    assert inputs.std(dim=(0, 2, 3), correction=0).tolist() == pytest.approx([1] * channels, abs=exact)


def test_digits_are_the_published_ones_enlarged():
    data = load_dataset(DataSource("digits"))
    assert (len(data.train), len(data.test)) == (1437, 360)
    assert data.input_shape == (3, 32, 32)
    assert data.class_names == tuple("0123456789")
    images = np.concatenate((pixels_of(data.train), pixels_of(data.test)))
    assert images.max() == 255
    assert (images[:, 0] == images[:, 1]).all()
    assert (images[:, 0] == images[:, 2]).all()
    published = load_digits().images.mean() * 255 / 16
    assert images.mean() == pytest.approx(published, abs=0.5)


def test_the_split_is_stratified_disjoint_and_seeded():
    data, again, other = (load_dataset(DataSource("digits"), seed) for seed in (0, 0, 1))
    assert data is again
    assert not np.array_equal(data.test.labels, other.test.labels)
    share = np.bincount(data.test.labels) / np.bincount(np.concatenate((data.train.labels, data.test.labels)))
    assert share == pytest.approx(np.full(10, 0.2), abs=0.01)
    train, test = list(pixels_of(data.train)), list(pixels_of(data.test))
    whole = [*pixels_of(other.train), *pixels_of(other.test)]
    assert sorted(map(bytes, [*train, *test])) == sorted(map(bytes, whole))  # each image once, on one side
    assert not set(map(bytes, test)) & set(map(bytes, train))


class ReadOnDemand:
    """Images that are made when they are asked for, with a list of which were."""

    def __init__(self, count: int, side: int = 4) -> None:
        self.labels, self.side, self.read = np.arange(count) % 2, side, list[int]()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> np.ndarray:
        self.read.append(index)
        shape = (2, self.side, self.side)
        return np.random.default_rng(index).integers(0, 256, shape, dtype=np.uint8)


def on_demand(**changes) -> Dataset:
    data = Dataset("drawn", ("even", "odd"), (2, 4, 4), ReadOnDemand(7), ReadOnDemand(3), split_seed=0)
    return replace(data, **changes)


def test_an_image_is_read_when_it_is_asked_for_and_in_that_order():
    data = on_demand()
    assert (data.num_classes, data.train.labels.tolist()) == (2, [0, 1, 0, 1, 0, 1, 0])
    assert data.train.read == []
    batch = gather(data.train, [4, 0, 4])
    assert data.train.read == [4, 0, 4]
    assert batch.shape == (3, 2, 4, 4)
    assert np.array_equal(batch[1].numpy(), ReadOnDemand(1)[0])


def test_statistics_are_measured_once_when_they_are_needed_and_in_any_order():
    data = on_demand()
    values = gather(ReadOnDemand(7), range(7)).numpy() / 255
    assert data.statistics.mean == pytest.approx(values.mean(axis=(0, 2, 3)), abs=1e-12)
    assert data.statistics.std == pytest.approx(values.std(axis=(0, 2, 3)), abs=1e-12)
    assert sorted(data.train.read) == list(range(7)) and data.test.read == []
    backwards = InMemoryImages(pixels_of(ReadOnDemand(7))[::-1], np.zeros(7, np.int64))
    assert measure_statistics(backwards, 2) == data.statistics


def test_declared_statistics_read_no_image():
    data = on_demand(declared=Statistics((0.5, 0.5), (0.25, 0.25)))
    assert data.statistics == ((0.5, 0.5), (0.25, 0.25))
    assert data.train.read == []


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda pixels: pixels / 255, r"float64 \(2, 4, 4\)"),
        (lambda pixels: pixels[0], r"uint8 \(4, 4\)"),
        (lambda pixels: np.moveaxis(pixels, 0, -1), r"uint8 \(4, 4, 2\)"),
    ],
    ids=["pixels from 0 to 1", "no channels", "channels last"],
)
def test_pixels_that_are_none_are_refused_before_anything_is_learnt_of_them(monkeypatch, change, found):
    read = ReadOnDemand.__getitem__
    monkeypatch.setattr(ReadOnDemand, "__getitem__", lambda self, index: change(read(self, index)))
    with pytest.raises(UsageError, match=rf"Image 0 of a data set is {found}, and should be uint8 \(2, H, W\)"):
        _ = on_demand().statistics


def test_pixels_from_0_to_1_are_refused_where_the_statistics_are_declared(monkeypatch):
    monkeypatch.setattr(ReadOnDemand, "__getitem__", lambda self, index: np.ones((2, 4, 4), np.float32))
    with pytest.raises(UsageError, match=r"Image 4 .* float32"):
        gather(on_demand(declared=Statistics((0.5, 0.5), (0.25, 0.25))).train, [4])


class Seven(ReadOnDemand):
    """Seven images, however many labels there are."""

    def __len__(self) -> int:
        return 7


@pytest.mark.parametrize("labels", [np.arange(7) % 3, np.arange(6) % 2, np.arange(7) % 2 - 1, np.arange(7) % 2.0])
def test_labels_that_are_no_class_of_an_image_are_refused(labels):
    part = Seven(7)
    part.labels = labels
    with pytest.raises(UsageError, match="which do not go together"):
        on_demand(train=part)


def test_an_image_of_another_shape_is_refused_with_its_index():
    with pytest.raises(UsageError, match=r"Image 1 .* uint8 \(2, 4, 4\), and should be uint8 \(2, 5, 5\)"):
        gather(ReadOnDemand(3), [1, 0], (2, 5, 5))


def test_what_goes_wrong_in_the_code_that_reads_an_image_is_told_with_its_index(monkeypatch):
    monkeypatch.setattr(ReadOnDemand, "__getitem__", lambda images, index: {}[index])
    with pytest.raises(UsageError, match="Image 2 of a data set cannot be read: KeyError: 2"):
        gather(ReadOnDemand(3), [2])


def test_a_file_that_cannot_be_read_is_told_by_its_name(monkeypatch):
    monkeypatch.setattr(ReadOnDemand, "__getitem__", lambda images, index: Path(f"/nowhere/{index}.png").read_bytes())
    with pytest.raises(FileNotFoundError, match=r"/nowhere/2\.png"):
        gather(ReadOnDemand(3), [2])


def test_images_of_one_colour_are_refused():
    black = InMemoryImages(np.zeros((5, 1, 4, 4), np.uint8), np.zeros(5, np.int64))
    with pytest.raises(UsageError, match="“black” has one value everywhere"):
        _ = Dataset("black", ("night",), (1, 4, 4), black, black, split_seed=0).statistics


def test_images_in_memory_have_a_label_each_and_stay_as_they_are():
    pixels = np.zeros((2, 1, 4, 4), np.uint8)
    with pytest.raises(ValueError, match="2 images have 3 labels"):
        InMemoryImages(pixels, np.zeros(3, np.int64))
    with pytest.raises(ValueError, match="read-only"):
        InMemoryImages(pixels, np.zeros(2, np.int64))[0][0, 0, 0] = 1


def test_an_unknown_data_set_names_the_known_and_the_nearest():
    with pytest.raises(UsageError, match="digits") as caught:
        load_dataset(DataSource("digit"))
    assert "“digits”" in caught.value.remedy


@pytest.mark.parametrize(("count", "expected"), [(5, 5), (None, 360), (1000, 360)])
def test_bench_images_are_spread_evenly_over_a_data_sets_test_images(count, expected):
    data = load_dataset(DataSource("digits"))
    chosen, indices = bench_images(data, (3, 32, 32), count), spread(len(data.test), count)
    assert len(indices) == len(set(indices)) == expected and max(np.diff([-1, *indices])) <= 360 // expected + 1
    assert chosen.labels == tuple(data.test.labels[indices])
    assert np.array_equal(chosen.images, pixels_of(data.test)[indices])
    assert f"{expected} of 360 test images" in chosen.source


@pytest.mark.parametrize("shape", [(3, 32, 32), (3, 224, 224), (1, 28, 28), (3, 40, 100), (3, 700, 20)])
def test_without_a_data_set_crops_of_photographs_are_used(shape):
    chosen, again = bench_images(None, shape, None), bench_images(None, shape, None)
    assert chosen.images.shape == (8, *shape)
    assert chosen.images.dtype == np.uint8
    assert np.array_equal(chosen.images, again.images)
    assert chosen.labels is None
    assert "photographs" in chosen.source
    assert len({image.tobytes() for image in chosen.images}) == 8
    assert chosen.images.std() > 20  # pictures, not a flat colour


def test_no_photograph_has_other_channels_and_random_pixels_say_so():
    chosen, again = bench_images(None, (4, 9, 9), 5), bench_images(None, (4, 9, 9), 5)
    assert chosen.images.shape == (5, 4, 9, 9) and np.array_equal(chosen.images, again.images)
    assert "random pixels" in chosen.source and chosen.labels is None


def test_statistics_without_a_data_set_are_imagenets():
    assert preprocessing(None, 3)[0] == IMAGENET_MEAN
    assert preprocessing(None, 1)[0] == pytest.approx((0.449,), abs=1e-3)


@pytest.mark.parametrize(
    ("name", "shape", "count", "text"),
    [
        ("digits", (3, 224, 224), 4, "but the network takes"),
        ("digits", (3, 32, 32), 0, "0 images"),
    ],
)
def test_bench_images_that_cannot_be_had_are_refused(name, shape, count, text):
    with pytest.raises(UsageError, match=text):
        bench_images(name and load_dataset(DataSource(name)), shape, count)


@pytest.mark.parametrize(
    ("source", "text"),
    [(DataSource("digits", "photos"), "lies in no folder"), (DataSource("digits", shape=(1, 32, 32)), "asked for")],
)
def test_a_data_set_with_its_own_images_takes_no_folder_and_no_other_shape(source, text):
    with pytest.raises(UsageError, match=text):
        load_dataset(source)


def test_the_photographs_are_scikit_learns():
    for ours, theirs in zip(photographs(), load_sample_images().images, strict=True):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("name", "text", "remedy"),
    [
        ("cifar10c", "corrupted images, to evaluate on", "groupnl evaluate CHECKPOINT --dataset cifar10c --data DIR"),
        ("cifar10-c", "no dataset “cifar10-c”", "Did you mean “cifar10c”?"),
        ("cifar-10", "no dataset “cifar-10”", "Did you mean “cifar10”?"),
    ],
)
def test_corrupted_images_are_known_where_ordinary_ones_are_asked_for(name, text, remedy):
    with pytest.raises(UsageError, match=text) as caught:
        load_dataset(DataSource(name, "DIR"))
    assert remedy in caught.value.remedy
