"""Data sets: split, statistics, refusals, and the images that benchmarks run on."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.bench_images import bench_images
from groupnl_deploy.images.datasets import DATASETS, load_dataset
from groupnl_deploy.images.preprocessing import IMAGENET_MEAN, as_input, preprocessing


@pytest.mark.parametrize("name", DATASETS)
def test_every_data_set_has_the_declared_shapes_and_statistics(name):
    data = load_dataset(name)
    for images, labels in ((data.train_images, data.train_labels), (data.test_images, data.test_labels)):
        assert images.dtype == np.uint8
        assert labels.dtype == np.int64
        assert images.shape == (len(labels), *data.input_shape)
        assert set(labels) == set(range(data.num_classes))
        assert not images.flags.writeable
    inputs = as_input(torch.tensor(data.train_images), data.mean, data.std)
    torch.testing.assert_close(inputs.mean(dim=(0, 2, 3)), torch.zeros(data.input_shape[0]), rtol=0, atol=1e-5)
    torch.testing.assert_close(inputs.std(dim=(0, 2, 3)), torch.ones(data.input_shape[0]), rtol=0, atol=1e-5)


def test_digits_are_the_published_ones_enlarged():
    data = load_dataset("digits")
    assert (len(data.train_images), len(data.test_images)) == (1437, 360)
    assert data.input_shape == (3, 32, 32)
    assert data.num_classes == 10
    images = np.concatenate((data.train_images, data.test_images))
    assert images.max() == 255
    assert (images[:, 0] == images[:, 1]).all()
    assert (images[:, 0] == images[:, 2]).all()
    published = load_digits().images.mean() * 255 / 16
    assert images.mean() == pytest.approx(published, abs=0.5)


def test_the_split_is_stratified_disjoint_and_seeded():
    data, again, other = (load_dataset("digits", seed) for seed in (0, 0, 1))
    assert data is again
    assert not np.array_equal(data.test_labels, other.test_labels)
    share = np.bincount(data.test_labels) / np.bincount(np.concatenate((data.train_labels, data.test_labels)))
    assert share == pytest.approx(np.full(10, 0.2), abs=0.01)
    both = np.concatenate((data.train_images, data.test_images)).reshape(1797, -1)
    whole = np.concatenate((other.train_images, other.test_images)).reshape(1797, -1)
    assert sorted(map(bytes, both)) == sorted(map(bytes, whole))  # each image once, on one side
    assert not {bytes(image) for image in data.test_images} & {bytes(image) for image in data.train_images}


def test_an_unknown_data_set_names_the_known_and_the_nearest():
    with pytest.raises(UsageError, match="digits") as caught:
        load_dataset("digit")
    assert "“digits”" in caught.value.remedy


@pytest.mark.parametrize(("count", "expected"), [(5, 5), (None, 360), (1000, 360)])
def test_bench_images_of_a_data_set_are_its_first_test_images(count, expected):
    data, chosen = load_dataset("digits"), bench_images("digits", (3, 32, 32), count)
    assert chosen.labels == tuple(data.test_labels[:expected])
    assert np.array_equal(chosen.images, data.test_images[:expected])
    assert (chosen.mean, chosen.std) == (data.mean, data.std)
    assert f"first {expected} test images" in chosen.source


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


def test_statistics_without_a_data_set_are_imagenets():
    assert preprocessing(None, 3)[0] == IMAGENET_MEAN
    assert preprocessing(None, 1)[0] == pytest.approx((0.449,), abs=1e-3)


@pytest.mark.parametrize(
    ("name", "shape", "count", "text"),
    [
        ("digits", (3, 224, 224), 4, "but the network takes"),
        ("digits", (3, 32, 32), 0, "0 images"),
        (None, (4, 32, 32), 4, "1 or 3 channels"),
    ],
)
def test_bench_images_that_cannot_be_had_are_refused(name, shape, count, text):
    with pytest.raises(UsageError, match=text):
        bench_images(name, shape, count)
