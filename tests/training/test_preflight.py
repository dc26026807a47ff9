"""What makes a training worthless is found before it begins, each with its own message."""

from dataclasses import replace

import numpy as np
import pytest

from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.in_memory import InMemoryImages
from groupnl_deploy.training.loop import train
from groupnl_deploy.training.preflight import untested
from groupnl_deploy.training.recipe import Recipe


def those(part, wanted):
    return InMemoryImages(part.pixels[wanted], part.labels[wanted])


@pytest.fixture
def refusal(thin_spec):
    """The error of a training, which must not take a step."""

    def of(data, **changes):
        seen = []
        with pytest.raises(UsageError) as caught:
            train(replace(thin_spec, **changes), Recipe(), data, seen.append)
        assert seen == []
        return caught.value

    return of


@pytest.mark.parametrize("change", [{"input_shape": (1, 32, 32)}, {"num_classes": 11}])
def test_a_network_that_does_not_fit_the_data(refusal, few_digits, change):
    assert "The network takes" in refusal(few_digits, **change).message


def test_no_test_images(refusal, few_digits):
    assert "no test images" in refusal(replace(few_digits, test=those(few_digits.test, slice(0)))).message


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_training_images(refusal, few_digits, count):
    assert (
        f"{count} training images" in refusal(replace(few_digits, train=those(few_digits.train, slice(count)))).message
    )


def test_fewer_images_than_a_batch_and_the_remedy_works(refusal, few_digits, thin_spec):
    few = replace(few_digits, train=those(few_digits.train, slice(30)))
    error = refusal(few)
    assert "30 training images, fewer than one batch of 32" in error.message
    assert "--batch-size 7" in error.remedy
    assert train(thin_spec, Recipe(epochs=1, batch_size=7), few, lambda progress: None).state.epoch == 1


def test_a_class_without_a_training_image(refusal, few_digits):
    rest = those(few_digits.train, np.flatnonzero((few_digits.train.labels != 3) & (few_digits.train.labels != 8)))
    assert "no training image of “3”, “8”" in refusal(replace(few_digits, train=rest)).message


def test_one_class(refusal, few_digits):
    only = [those(part, np.flatnonzero(part.labels == 0)) for part in (few_digits.train, few_digits.test)]
    one = replace(few_digits, class_names=("0",), train=only[0], test=only[1])
    assert "one class" in refusal(one, num_classes=1).message


def test_a_class_without_a_test_image_is_told(few_digits, thin_spec):
    assert untested(few_digits) is None
    rest = replace(few_digits, test=those(few_digits.test, np.flatnonzero(few_digits.test.labels > 1)))
    seen = []
    train(thin_spec, Recipe(epochs=1), rest, seen.append)
    assert "the test part has no image of “0”, “1”" in seen[0].note
    assert seen[1].note is None
