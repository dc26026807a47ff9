"""ImageNet and ImageNet-C in the layouts that people have them in."""

import io
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from device_agent.manifest import View
from groupnl_deploy.errors import GroupNLError, UsageError, VerificationFailed
from groupnl_deploy.images.corrupted_datasets import load_corrupted
from groupnl_deploy.images.dataset import gather
from groupnl_deploy.images.datasets import load_dataset
from groupnl_deploy.images.decode import framed
from groupnl_deploy.images.loader import batches
from groupnl_deploy.images.source import DataSource
from groupnl_deploy.progress import Silence
from tests.images.imagenet_files import (
    CLASSES,
    image_bytes,
    truth,
    write_devkit,
    write_imagenet_c,
    write_kaggle,
    write_mapping,
    write_solution,
    write_torchvision,
    write_train,
    write_val,
)
from tests.images.test_cifar import Told

SHAPE = (3, 24, 24)


@pytest.fixture(autouse=True)
def home(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("GROUPNL_HOME", str(tmp_path_factory.mktemp("home")))


def loaded(path: Path, told: Told | None = None):
    return load_dataset(DataSource("imagenet", str(path), SHAPE), reporter=told)


def labels_by_name(part) -> dict[str, str]:
    return {part.path(index).stem: CLASSES[part.labels[index]] for index in range(len(part))}


def expected() -> dict[str, str]:
    return {f"ILSVRC2012_val_{number:08}": wnid for number, wnid in enumerate(truth(), start=1)}


def require_small_imagenet(data) -> None:
    assert (data.name, data.class_names, data.input_shape) == ("imagenet", CLASSES, SHAPE)
    assert data.train_shape == (3, 27, 27)
    assert labels_by_name(data.test) == expected()
    assert {name: wnid for name, wnid in labels_by_name(data.train).items() if not name.startswith(wnid)} == {}
    assert len(data.train) == 12 and data.statistics.mean == (0.485, 0.456, 0.406)


@pytest.mark.parametrize("val", ["val", "validation"])
def test_torchvisions_and_timms_layout(tmp_path, val):
    told = Told()
    require_small_imagenet(loaded(write_torchvision(tmp_path, val), told))
    assert "4 classes, 12 images to train on and 8 to test on, in place of 1,000, 1,281,167 and 50,000" in told.notes[0]


def test_kaggles_layout_from_any_of_its_levels(tmp_path):
    root = write_kaggle(tmp_path / "imagenet")
    for place in (root, root / "ILSVRC", root / "ILSVRC" / "Data" / "CLS-LOC"):
        require_small_imagenet(loaded(place))


@pytest.mark.parametrize("packed", [False, True])
def test_the_development_kit_says_the_classes_of_a_flat_val_and_its_numbers_are_no_labels(tmp_path, packed):
    write_train(tmp_path / "train")
    write_val(tmp_path / "val", flat=True)
    write_devkit(tmp_path / "ILSVRC2012_devkit_t12" / "data")
    if packed:
        with tarfile.open(tmp_path / "ILSVRC2012_devkit_t12.tar.gz", "w:gz") as archive:
            archive.add(tmp_path / "ILSVRC2012_devkit_t12", "ILSVRC2012_devkit_t12")
        shutil.rmtree(tmp_path / "ILSVRC2012_devkit_t12")
    require_small_imagenet(loaded(tmp_path))


def test_a_label_is_the_place_among_all_classes_and_never_among_those_that_are_there(tmp_path):
    root = write_torchvision(tmp_path)
    for part in ("train", "val"):
        shutil.rmtree(root / part / CLASSES[1])
    data = loaded(root)
    assert data.class_names == CLASSES and set(data.train.labels) == {0, 2, 3}
    (root / "LOC_synset_mapping.txt").unlink()
    with pytest.raises(UsageError, match="has folders of 3 classes, and which of the 1,000 they are") as caught:
        loaded(root)
    assert "LOC_synset_mapping.txt" in caught.value.remedy and "--dataset folder" in caught.value.remedy


def test_a_thousand_folders_say_the_classes(tmp_path):
    for number in range(1000):
        (tmp_path / "val" / f"n{number:08}").mkdir(parents=True)
    (tmp_path / "val" / "n00000500" / "ILSVRC2012_val_00000001.JPEG").write_bytes(image_bytes(1))
    told = Told()
    data = loaded(tmp_path, told)
    assert (len(data.class_names), len(data.train), data.test.labels.tolist()) == (1000, 0, [500])
    assert "has no train/: networks can be evaluated on it, and not trained" in told.notes[0]


def test_odd_files_become_rgb_and_a_test_image_shows_the_usual_middle(tmp_path):
    data = loaded(write_torchvision(tmp_path))
    assert gather(data.train, range(12), (3, 27, 27)).shape == (12, 3, 27, 27)
    path = data.test.path(5)
    path.write_bytes(image_bytes(5, (500, 375)))
    # The usual way: the shorter side to 256/224 of what is wanted, then the middle.
    resized = Image.open(path).resize((512, 384), Image.Resampling.BILINEAR)
    usual = np.asarray(resized.crop((88, 24, 424, 360)), int)
    ours = np.asarray(framed(Image.open(path), (3, 336, 336), View(7 / 8)), int)
    assert np.abs(ours - usual).max() <= 1
    several = list(batches(data.test, [range(8)], SHAPE, workers=2))
    assert np.array_equal(several[0], gather(data.test, range(8), SHAPE))


def test_names_and_sizes_tell_data_sets_apart(tmp_path):
    root = write_torchvision(tmp_path)
    digests = [loaded(root).sha256, loaded(root).sha256]
    first = next((root / "train" / CLASSES[0]).iterdir())
    first.rename(first.with_name("other.JPEG"))
    digests.append(loaded(root).sha256)
    shutil.copy(first.with_name("other.JPEG"), first)
    digests.append(loaded(root).sha256)
    assert digests[0] == digests[1] and len(set(digests)) == 3


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda root: shutil.rmtree(root / "val"), r"has train/, and neither val/ nor validation/"),
        (lambda root: (root / "val" / "n99999999").mkdir(), "has folders that are none of the classes: “n99999999”"),
        (lambda root: (root / "train" / "n99999999").mkdir(), "has folders that are none of the classes: “n99999999”"),
        (lambda root: (root / "LOC_synset_mapping.txt").write_text("<html>"), "do not each begin with a wnid"),
    ],
)
def test_what_is_missing_or_odd_is_told(tmp_path, spoil, text):
    root = write_torchvision(tmp_path)
    spoil(root)
    with pytest.raises(GroupNLError, match=text):
        loaded(root)


def test_a_flat_val_needs_its_classes_all_of_them(tmp_path):
    write_train(tmp_path / "train")
    write_val(tmp_path / "val", flat=True)
    write_mapping(tmp_path)
    with pytest.raises(UsageError, match="nothing says which class each shows") as caught:
        loaded(tmp_path)
    assert "LOC_val_solution.csv" in caught.value.remedy and "2,568,634 bytes, MD5 fa75699e" in caught.value.remedy
    write_solution(tmp_path)
    lines = (tmp_path / "LOC_val_solution.csv").read_text().splitlines()
    (tmp_path / "LOC_val_solution.csv").write_text("\n".join(lines[:-1]))
    with pytest.raises(VerificationFailed, match=r"which class these images of .*: “ILSVRC2012_val_00000001\.JPEG”"):
        loaded(tmp_path)
    (tmp_path / "LOC_val_solution.csv").write_text("ImageId\n")
    with pytest.raises(VerificationFailed, match="has no rows such as"):
        loaded(tmp_path)
    (tmp_path / "LOC_val_solution.csv").unlink()
    write_devkit(tmp_path / "data")
    (tmp_path / "data" / "meta.mat").write_bytes(b"MATLAB 5.0 MAT-file" + bytes(200))
    with pytest.raises(VerificationFailed, match=r"The development kit in .* is damaged"):
        loaded(tmp_path)


def test_the_wrong_level_and_other_places(tmp_path):
    root = write_torchvision(tmp_path / "imagenet")
    for part in ("train", "val"):
        with pytest.raises(UsageError, match="is one part of ImageNet") as caught:
            loaded(root / part)
        assert str(root) in caught.value.remedy
    (tmp_path / "ILSVRC2012_img_train.tar").write_bytes(b"")
    for place, text in (
        (tmp_path / "ILSVRC2012_img_train.tar", "is a file; ImageNet is read from folders"),
        (tmp_path / "no", "does not exist"),
        (tmp_path, "does not hold ImageNet: in it are"),
    ):
        with pytest.raises(UsageError, match=text):
            loaded(place)


def corrupted(path: Path):
    return load_corrupted(DataSource("imagenetc", str(path)), Silence())


def test_imagenet_c_is_cut_and_not_resized(tmp_path):
    data = corrupted(write_imagenet_c(tmp_path))
    assert (data.name, data.origin, data.class_names) == ("imagenetc", "published", CLASSES)
    assert data.corruptions == ("gaussian_noise", "fog")
    assert "with 8 images at each severity" in data.notes[0]
    for place, word in enumerate(data.corruptions):
        for severity in (1, 5):
            part = data.part(word, severity)
            assert labels_by_name(part.photos) == expected()
            number = int(part.photos.path(3).stem[-8:]) - 1
            whole = Image.open(io.BytesIO(image_bytes(100 * place + 10 * severity + number, (224, 224))))
            assert np.array_equal(part[3], np.moveaxis(np.asarray(whole), 2, 0))
    with pytest.raises(UsageError, match="There is no folder snow/ among these: gaussian_noise, fog") as caught:
        data.part("snow", 1)
    assert r"weather.tar (12,797,438,995 bytes, MD5 33ffea4d" in caught.value.remedy
    with pytest.raises(UsageError, match="is not there"):
        data.part("fog", 2)
    next((tmp_path / "fog" / "5" / CLASSES[0]).iterdir()).unlink()
    with pytest.raises(VerificationFailed, match=r"has 7 images, other ones than gaussian_noise/1 \(8\)"):
        data.part("fog", 5)


def test_imagenet_c_of_other_sizes_or_places(tmp_path):
    larger = corrupted(write_imagenet_c(tmp_path / "a", (226, 230)))
    assert larger.part("fog", 1)[0].shape == (3, 224, 224)
    smaller = corrupted(write_imagenet_c(tmp_path / "b", (64, 64)))
    with pytest.raises(VerificationFailed, match="is 64x64; ImageNet-C's images are 224x224"):
        _ = smaller.part("fog", 1)[0]
    with pytest.raises(UsageError, match="has no folders of corruptions") as caught:
        corrupted(tmp_path / "a" / "fog")
    assert f"--data {tmp_path / 'a'}" in caught.value.message + caught.value.remedy
    (tmp_path / "a" / "LOC_synset_mapping.txt").unlink()
    with pytest.raises(UsageError, match="has folders of 4 classes"):
        corrupted(tmp_path / "a")


def test_imagenet_c_for_networks_of_another_size_is_resized_and_says_so(tmp_path):
    root = write_imagenet_c(tmp_path)
    data = load_corrupted(DataSource("imagenetc", str(root), (3, 288, 288)), Silence())
    assert data.input_shape == (3, 288, 288)
    assert "its images of 224x224 were resized to 288x288 (bicubic)" in data.notes
    image = Image.open((part := data.part("fog", 1)).photos.path(2))
    assert np.array_equal(part[2], np.moveaxis(np.asarray(image.resize((288, 288), Image.Resampling.BICUBIC)), 2, 0))
    with pytest.raises(UsageError, match=r"have the shape \(3, 224, 224\), and \(1, 28, 28\) was asked for"):
        load_corrupted(DataSource("imagenetc", str(root), (1, 28, 28)), Silence())
