"""AugMix and ERA: the views of an image, the batch that they become, the loss, and a training that uses them."""

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from groupnl_deploy.images.in_memory import InMemoryImages
from groupnl_deploy.training.drawing import drawing_from
from groupnl_deploy.training.loop import train
from groupnl_deploy.training.method import augmentation_of, images_of_epoch, loss_of
from groupnl_deploy.training.recipe import InvalidRecipe, Recipe
from groupnl_deploy.training.views import blender, one_batch, views_in
from tests.training.test_training_loop import ignore

pytestmark = pytest.mark.skipif(find_spec("timm") is None, reason="the extra `train` is not installed: make zoo")
ERA = Recipe(epochs=1, augmix=(1, 3, 4), augmentation="shift", max_shift_pixels=2)
PLAIN = Recipe(epochs=1)


@pytest.fixture
def photographs(few_digits):
    """Few images in three different channels."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (12, 3, 32, 32), dtype=np.uint8)
    return replace(few_digits, train=InMemoryImages(pixels, np.arange(12) % 10))


def test_views_of_an_image_are_its_channels_and_the_first_one_is_the_image(photographs):
    read = images_of_epoch(replace(ERA, max_shift_pixels=0), photographs, 0)
    for index in range(4):
        views = np.split(read[index], 4)
        assert np.array_equal(views[0], photographs.train[index])
        assert all(not np.array_equal(view, views[0]) for view in views[1:])
        assert len({view.tobytes() for view in views}) == 4


def test_all_views_show_the_same_window(few_digits):
    """A bright digit on black: what was moved by two pixels is not moved back by a view."""
    read = images_of_epoch(ERA, few_digits, 0)
    moved = [np.split(read[index], 4)[0] for index in range(20)]
    still = [few_digits.train[index] for index in range(20)]
    assert any(not np.array_equal(one, other) for one, other in zip(moved, still, strict=True))
    assert np.array_equal(read[3], images_of_epoch(ERA, few_digits, 0)[3])
    assert not np.array_equal(read[3], images_of_epoch(ERA, few_digits, 1)[3])


@pytest.mark.parametrize(("augmix", "views"), [((1, 3, 4), 4), ((3, 3, 3), 3), ((1, 1, 2), 2), ((1, 3, 0), 1)])
def test_a_batch_has_the_images_first_and_then_each_further_view_of_all(augmix, views, photographs):
    recipe = replace(ERA, augmix=augmix, augmentation="none")
    read = images_of_epoch(recipe, photographs, 0)
    stacked = torch.tensor(np.stack([read[index] for index in range(5)]))
    assert views_in(recipe) == views and stacked.shape == (5, 3 * views, 32, 32)
    batch = augmentation_of(recipe, (3, 32, 32))(stacked, torch.default_generator)
    assert batch.shape == (5 * views, 3, 32, 32)
    for view in range(views):
        assert torch.equal(batch[5 * view + 2], stacked[2, 3 * view : 3 * view + 3])
    assert torch.equal(one_batch(stacked, views), batch)


def test_the_loss_is_cross_entropy_and_twelve_times_the_jensen_shannon_divergence():
    """arXiv 1912.02781, Eq. 2: the mean divergence of the views' answers from their mean."""
    logits, labels = torch.randn(4 * 6, 10, dtype=torch.float64), torch.randint(10, (6,))
    answers = functional.softmax(logits.view(4, 6, 10), dim=2)
    mean = answers.mean(dim=0)
    divergence = (answers * (answers.log() - mean.log())).sum(dim=2).mean()
    expected = functional.cross_entropy(logits[:6], labels) + 12 * divergence
    torch.testing.assert_close(loss_of(ERA)(logits, labels), expected)
    torch.testing.assert_close(
        loss_of(replace(ERA, jsd=0.0))(logits, labels), functional.cross_entropy(logits[:6], labels)
    )
    assert loss_of(replace(ERA, augmix=(1, 3, 0)))(logits[:6], labels) == functional.cross_entropy(logits[:6], labels)


def test_operations_are_the_nine_and_as_strong_as_published():
    made = blender(ERA)
    kinds = {operation.name for operation in made.ops}
    assert kinds == {
        "AutoContrast",
        "Equalize",
        "Rotate",
        "PosterizeIncreasing",
        "SolarizeIncreasing",
        "ShearX",
        "ShearY",
        "TranslateXRel",
        "TranslateYRel",
    }
    assert made.depth == -1 and made.width == 1 and blender(replace(ERA, augmix=(3, 1, 3))).depth == 1
    grey = Image.new("RGB", (32, 32), (200, 200, 200))
    translate = next(operation for operation in made.ops if operation.name == "TranslateXRel")
    for seed in range(40):
        with drawing_from(seed):
            columns = np.asarray(translate(grey))[16, :, 0]
        black = np.flatnonzero(columns < 100)
        assert len(black) <= 4 and set(columns[black]) <= {0, *range(100)}  # a tenth of the side, filled with black


def test_a_training_with_views_learns_and_its_weights_follow_from_the_seed(thin_spec, few_digits):
    recipe = replace(ERA, epochs=3)
    results = [train(thin_spec, recipe, few_digits, ignore, workers=workers) for workers in (0, 1)]
    one, other = (result.model.state_dict() for result in results)
    assert all(torch.equal(one[key], other[key]) for key in one)
    plain = train(thin_spec, replace(PLAIN, epochs=3), few_digits, ignore).model.state_dict()
    assert any(not torch.equal(one[key], plain[key]) for key in one)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"augmix": (0, 3, 4)}, "a width from 1"),
        ({"augmix": (1, 2, 4)}, "a depth of 1 or 3"),
        ({"augmix": (1, 3, 1)}, "0 or 2 to 8 views"),
        ({"augmix": (1, 3, 4), "mixup": 0.8}, "none beside mixup"),
        ({"augmix": (1, 3, 4), "rand_augment": "rand-m9"}, "none beside rand_augment"),
        ({"augmix": (1, 3, 4), "jsd": -1.0}, "at least 0"),
    ],
)
def test_views_that_cannot_be_are_refused(changes, said):
    with pytest.raises(InvalidRecipe) as caught:
        Recipe(**changes)
    assert said in caught.value.remedy
