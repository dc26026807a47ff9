"""Evaluation: numbers known in advance, and the model left as it was."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.in_memory import InMemoryImages
from groupnl_deploy.training.evaluate import EvaluationImages, batch_size_for, evaluate


class BrightChannel(nn.Module):
    """Logits are the channel means, so the brightest channel is the class."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(dim=(2, 3))


def test_accuracy_loss_and_count_in_uneven_batches():
    images = np.zeros((5, 2, 4, 4), dtype=np.uint8)
    images[np.arange(5), [0, 1, 0, 1, 0]] = 255
    labelled = InMemoryImages(images, np.array([0, 1, 0, 1, 1]))
    test = EvaluationImages.of_all(labelled, ("dark", "light"), (2, 4, 4))
    result = evaluate(BrightChannel(), test, (0.0, 0.0), (1.0, 1.0), batch_size=2)
    assert result.confusion.matrix == ((2, 0), (1, 2))
    assert result.count == 5
    assert result.accuracy == pytest.approx(0.8)
    right, wrong = math.log(1 + math.exp(-1)), math.log(1 + math.exp(1))
    assert result.loss == pytest.approx((4 * right + wrong) / 5)


@pytest.mark.parametrize("training", [True, False])
def test_the_training_mode_is_put_back(training):
    model = nn.Sequential(nn.BatchNorm2d(2), BrightChannel()).train(training)
    before = model[0].running_mean.clone()
    images = InMemoryImages(np.full((2, 2, 4, 4), 9, np.uint8), np.array([0, 1]))
    evaluate(model, EvaluationImages.of_all(images, ("a", "b"), (2, 4, 4)), (0.5, 0.5), (1.0, 1.0))
    assert model.training is training
    assert torch.equal(model[0].running_mean, before)


def test_a_frozen_module_inside_a_network_in_training_stays_frozen():
    model = nn.Sequential(nn.BatchNorm2d(2), BrightChannel()).train()
    model[0].training = False
    images = InMemoryImages(np.full((2, 2, 4, 4), 9, np.uint8), np.array([0, 1]))
    evaluate(model, EvaluationImages.of_all(images, ("a", "b"), (2, 4, 4)), (0.5, 0.5), (1.0, 1.0))
    assert (model.training, model[0].training, model[1].training) == (True, False, True)


def test_larger_images_come_fewer_at_a_time():
    assert [batch_size_for((3, side, side)) for side in (8, 32, 64, 512)] == [256, 256, 64, 8]


def test_nothing_to_evaluate_on_is_refused():
    nothing = InMemoryImages(np.zeros((0, 2, 4, 4), np.uint8), np.zeros(0, np.int64))
    with pytest.raises(UsageError, match="no images to evaluate on"):
        evaluate(BrightChannel(), EvaluationImages.of_all(nothing, ("a", "b"), (2, 4, 4)), (0.0, 0.0), (1.0, 1.0))
