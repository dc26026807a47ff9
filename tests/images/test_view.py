"""What of a photograph a network is shown when it is tested: the pixels, and who carries it to whom."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from device_agent.manifest import MANIFEST_FILE, View
from exporters.artifact import open_artifact
from groupnl_deploy.errors import UsageError, VerificationFailed
from groupnl_deploy.evaluation.asked import Asked
from groupnl_deploy.evaluation.chosen import choose
from groupnl_deploy.evaluation.evaluate import evaluate_subject
from groupnl_deploy.evaluation.folders import open_subject
from groupnl_deploy.export import export_checkpoint
from groupnl_deploy.images.at_hand import dataset_at_hand
from groupnl_deploy.images.dataset import gather
from groupnl_deploy.images.datasets import load_dataset
from groupnl_deploy.images.decode import framed
from groupnl_deploy.images.source import DataSource
from groupnl_deploy.images.view import viewed
from groupnl_deploy.models.registry import model_spec
from groupnl_deploy.progress import Silence
from groupnl_deploy.recheck import require_artifact
from groupnl_deploy.training.checkpoint import initialise_checkpoint, load_checkpoint, save_checkpoint
from groupnl_deploy.training.from_timm import timm_module
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.train import train_checkpoint
from tests.images.imagenet_files import write_imagenet_c, write_torchvision
from tests.rigs.timm_nets import WHY_NOT, has_timm

FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
SHAPE = (3, 24, 24)
VIEW = View(0.5, "bicubic")


def photograph(width: int, height: int, seed: int = 0) -> Image.Image:
    random = np.random.default_rng(seed)
    blocks = random.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize((width, height), Image.Resampling.BICUBIC)


def by_torchvisions_rule(image: Image.Image, side: int, view: View) -> np.ndarray:
    """`Resize(floor(side / crop))`, then `CenterCrop(side)`, as torchvision computes their sizes."""
    short = int(side / view.crop)
    width, height = image.size
    size = (short, int(short * height / width)) if width <= height else (int(short * width / height), short)
    left, top = round((size[0] - side) / 2), round((size[1] - side) / 2)
    return np.asarray(image.resize(size, FILTERS[view.interpolation]).crop((left, top, left + side, top + side)), int)


sides = st.integers(20, 260)


@given(
    sides, sides, st.sampled_from([24, 31, 64]), st.sampled_from([0.4, 0.875, 0.95, 1.0]), st.sampled_from([*FILTERS])
)
def test_a_view_is_the_resize_and_the_crop_that_everybody_has(width, height, side, crop, interpolation):
    view = View(crop, interpolation)
    ours = np.asarray(framed(image := photograph(width, height), (3, side, side), view), int)
    # One resize in place of a resize and a crop: a weight may differ in its last bit, and so each of two roundings.
    assert np.abs(ours - by_torchvisions_rule(image, side, view)).max() <= 2


@pytest.mark.skipif(not has_timm(), reason=WHY_NOT)
@pytest.mark.parametrize("crop", [0.875, 0.95, 1.0])
@pytest.mark.parametrize("size", [(500, 375), (333, 500), (224, 224), (640, 427)])
def test_a_view_is_what_timms_validation_shows(size, crop):
    image = photograph(*size)
    theirs = timm_module("timm.data").create_transform(
        (3, 224, 224), is_training=False, interpolation="bicubic", crop_pct=crop, mean=(0, 0, 0), std=(1, 1, 1)
    )(image)
    ours = np.moveaxis(np.asarray(framed(image, (3, 224, 224), View(crop, "bicubic"))), 2, 0)
    off = np.abs(ours - np.rint(255 * theirs.numpy()))
    assert off.max() <= 2 and off.mean() < 0.01


@pytest.mark.parametrize("shape", [(3, 10, 30), (3, 30, 10)])
@pytest.mark.parametrize("size", [(100, 50), (50, 100), (31, 11)])
def test_a_view_of_another_aspect_shows_the_middle(size, shape):
    shown = framed(photograph(*size), shape, View(0.875))
    assert shown.size == (shape[2], shape[1])


@pytest.mark.parametrize("crop", [0.0, -1.0, 1.01, float("nan")])
def test_a_view_that_shows_nothing_is_none(crop):
    with pytest.raises(ValueError, match="shows nothing"):
        View(crop)


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory):
    folder = tmp_path_factory.mktemp("view")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("GROUPNL_HOME", str(folder / "home"))
        yield write_torchvision(folder / "imagenet")


def loaded(root):
    return load_dataset(DataSource("imagenet", str(root), SHAPE))


def test_test_images_are_seen_in_the_view_and_training_images_and_digits_are_not(imagenet):
    data = loaded(imagenet)
    other = viewed(data, VIEW)
    assert (data.view, other.view) == (View(0.875), VIEW) and other.train is data.train
    path = data.test.path(2)
    shown = np.moveaxis(other.test[2], 0, 2).astype(int)
    assert np.abs(shown - by_torchvisions_rule(Image.open(path), 24, VIEW)).max() <= 1
    assert not np.array_equal(other.test[2], data.test[2])
    assert viewed(data, None) is data
    digits = load_dataset(DataSource("digits"))
    assert viewed(digits, VIEW) is digits


def test_images_of_ones_own_in_a_view_are_others(imagenet):
    data = load_dataset(DataSource("folder", str(imagenet / "train"), SHAPE))
    other = viewed(data, VIEW)
    assert data.view is None and other.view == VIEW
    assert other.test.identity != data.test.identity and not np.array_equal(other.test[0], data.test[0])


RECIPE = Recipe(epochs=1, batch_size=6, test_crop=0.5, test_interpolation="bicubic")


@pytest.fixture(scope="module")
def trained(imagenet, tmp_path_factory):
    """A network that was tested in another view than ImageNet's usual one, and its artifact."""
    folder = tmp_path_factory.mktemp("trained")
    spec = model_spec("resnet18_cifar", "groupnl", width=0.125, input_shape=SHAPE, num_classes=4)
    train_checkpoint(spec, RECIPE, DataSource("imagenet", str(imagenet), SHAPE), folder / "net", Silence())
    export_checkpoint(folder / "net", folder / "artifact", "onnx")
    return folder / "net", folder / "artifact"


def test_the_view_goes_with_the_network_wherever_it_goes(trained, imagenet):
    net, artifact = trained
    manifest = open_artifact(artifact).manifest
    assert load_checkpoint(net).view == VIEW == manifest.preprocessing.view
    require_artifact(open_artifact(artifact))
    for folder in trained:
        found = evaluate_subject(open_subject(folder, Silence()), None, str(imagenet), Silence())
        assert found.view == VIEW and found.evaluation.accuracy == load_checkpoint(net).accuracy
        found = evaluate_subject(open_subject(folder, Silence()), "imagenet", str(imagenet), Silence())
        assert found.view == VIEW
    data = dataset_at_hand(manifest.data, SHAPE, str(imagenet), view=manifest.preprocessing.view)
    expected = viewed(loaded(imagenet), VIEW)
    assert np.array_equal(gather(data.test, range(8), SHAPE), gather(expected.test, range(8), SHAPE))


def test_an_edited_view_is_found(trained, tmp_path):
    artifact = shutil.copytree(trained[1], tmp_path / "artifact")
    path = artifact / MANIFEST_FILE
    record = json.loads(path.read_text())
    record["preprocessing"]["view"]["crop"] = 0.9
    path.write_text(json.dumps(record))
    with pytest.raises(VerificationFailed, match=r"its view is crop 0\.9, bicubic, and its checkpoint's crop 0\.5"):
        require_artifact(open_artifact(artifact), trained[0])


def test_an_untrained_network_for_a_data_set_has_its_view(imagenet, tmp_path):
    data = loaded(imagenet)
    draft, model = initialise_checkpoint(model_spec("resnet18_cifar", width=0.125, input_shape=SHAPE), data)
    assert save_checkpoint(tmp_path / "net", draft, model).view == View(0.875)


def test_two_views_are_not_asked_together(trained, imagenet):
    subjects = [open_subject(folder, Silence()) for folder in trained]
    asked = Asked(dataset="imagenet", data=str(imagenet), corruptions=("contrast",), severities=(1,))
    chosen = choose(subjects, asked, Silence())
    assert chosen.record.view == VIEW and str(chosen.record).endswith("8 images (crop 0.5, bicubic)")
    other = replace(subjects[1], view=View(0.875))
    with pytest.raises(UsageError, match=r"is shown another part of a photograph \(crop 0.875, bilinear\)") as caught:
        choose([subjects[0], other], asked, Silence())
    assert "by a command of its own" in caught.value.remedy
    assert choose([other], asked, Silence()).record.which != chosen.record.which


def test_imagenet_c_is_shown_at_the_networks_size_and_refused_to_a_network_of_greys(trained, tmp_path):
    subject = open_subject(trained[0], Silence())
    asked = Asked(dataset="imagenetc", data=str(write_imagenet_c(tmp_path / "c")), severities=(1, 5))
    (note,) = [note for note in choose([subject], asked, Silence()).record.notes if "resized" in note]
    assert note == "its images of 224x224 were resized to 24x24 (bicubic)"
    with pytest.raises(UsageError, match=r"and the network takes \(1, 24, 24\)") as caught:
        choose([replace(subject, input_shape=(1, 24, 24))], asked, Silence())
    assert "Name a network that was trained for such images" in caught.value.remedy
