"""By what a recipe trains, without timm: optimisers, what is dropped, mirrored images, the loss, refusals."""

import importlib.util
from dataclasses import replace

import pytest
import safetensors.torch
import torch
from torch import nn
from torch.amp.grad_scaler import GradScaler

from groupnl_deploy.errors import UsageError
from groupnl_deploy.models.registry import create_model, model_spec
from groupnl_deploy.training.dropping import drop_in_training, drop_shares
from groupnl_deploy.training.from_timm import require_timm
from groupnl_deploy.training.loop import train
from groupnl_deploy.training.method import augmentation_of, loss_of, mixing_of, optimiser_of, schedule_of
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.recipes import RECIPES
from tests.rigs.timm_nets import WHY_NOT, has_timm

GONE = ("timm", "torchvision")
NEEDS_TIMM = pytest.mark.skipif(not has_timm(), reason=WHY_NOT)
OPTIMISERS = [
    pytest.param(Recipe(), id="sgd"),
    pytest.param(Recipe(nesterov=True), id="nesterov"),
    pytest.param(Recipe(optimiser="adamw", decay_vectors=False), id="adamw"),
    pytest.param(RECIPES["imagenet-mobilenetv2"], id="rmsproptf", marks=NEEDS_TIMM),
]


def parameters(seed=0):
    torch.manual_seed(seed)
    return {"weight": nn.Parameter(torch.randn(3, 4)), "bias": nn.Parameter(torch.randn(3))}


def descend(optimiser, learned, steps):
    """Down a valley that is steeper in one direction."""
    for _ in range(steps):
        loss = (learned["weight"] ** 2).sum() + 10 * (learned["bias"] ** 2).sum()
        torch.autograd.backward(loss)
        optimiser.step(0.01, GradScaler(enabled=False))
    return loss.item()


@pytest.mark.parametrize("recipe", OPTIMISERS)
def test_an_optimiser_descends_and_goes_on_from_its_state_to_the_same_bits(recipe):
    learned = parameters()
    optimiser = optimiser_of(recipe, learned)
    assert descend(optimiser, learned, 3) > descend(optimiser, learned, 20)
    file = safetensors.torch.save({name: value.detach().clone() for name, value in optimiser.state().items()})
    again = {name: nn.Parameter(value.detach().clone()) for name, value in learned.items()}
    other = optimiser_of(recipe, again)
    other.restore(safetensors.torch.load(file))
    descend(optimiser, learned, 3)
    descend(other, again, 3)
    assert all(torch.equal(learned[name], again[name]) for name in learned)


def test_nesterov_is_another_way_down():
    ways = []
    for recipe in (Recipe(), Recipe(nesterov=True)):
        learned = parameters()
        descend(optimiser_of(recipe, learned), learned, 3)
        ways.append(learned["weight"].detach())
    assert not torch.equal(*ways)


def test_a_rate_of_more_images_is_scaled_to_those_of_a_step():
    whole = schedule_of(Recipe(batch_size=32), 10)
    part = schedule_of(Recipe(batch_size=32, lr_batch=256), 10)
    assert [part(step) for step in range(50)] == [whole(step) / 8 for step in range(50)]


def test_a_cosine_ends_at_its_least_rate_and_a_warm_up_begins_at_its_own():
    rate = schedule_of(Recipe(epochs=4, lr=0.1, min_lr=0.01, warmup_epochs=1, warmup_lr=0.02), 10)
    assert rate(0) == pytest.approx(0.028)
    assert rate(9) == pytest.approx(0.1)
    assert rate(39) == pytest.approx(0.01, rel=0.03)


def test_half_of_the_shifted_images_are_mirrored_unless_none_shall_be():
    images = torch.arange(32, dtype=torch.uint8).expand(400, 3, 32, 32).contiguous()
    recipe = Recipe(augmentation="shift_flip", max_shift_pixels=0)
    flipped = augmentation_of(recipe, (3, 32, 32))(images, torch.Generator().manual_seed(1))
    mirrored = (flipped[:, 0, 0, 0] == 31).sum()
    assert 160 < mirrored < 240
    assert torch.equal(torch.sort(flipped, dim=-1).values, images)
    as_they_are = augmentation_of(replace(recipe, flip=False), (3, 32, 32))(images, torch.Generator())
    assert torch.equal(as_they_are, images)


def test_without_mixing_nothing_changes_and_nothing_is_drawn():
    generator = torch.Generator().manual_seed(1)
    before = generator.get_state()
    inputs, labels = torch.randn(3, 3, 8, 8), torch.tensor([0, 1, 2])
    mixed, targets = mixing_of(Recipe(), 3)(inputs, labels, generator)
    assert mixed is inputs and targets is labels
    assert torch.equal(generator.get_state(), before)


def test_mixed_targets_are_smoothed_once():
    logits, labels = torch.randn(5, 4), torch.tensor([0, 1, 2, 3, 0])
    smoothed = nn.functional.one_hot(labels, 4) * 0.9 + 0.1 / 4
    by_labels = loss_of(Recipe(label_smoothing=0.1))(logits, labels)
    by_targets = loss_of(Recipe(label_smoothing=0.1, mixup=0.2))(logits, smoothed)
    assert by_targets.item() == pytest.approx(by_labels.item(), rel=1e-6)


@pytest.mark.parametrize(
    "name", ["resnet18_cifar", "mobilenetv3_large_100", pytest.param("efficientnetv2_s", marks=pytest.mark.slow)]
)
def test_what_is_dropped_is_dropped_in_training_alone(name):
    spec = replace(model_spec(name, "groupnl"), width=0.25, input_shape=(3, 32, 32), num_classes=10)
    plain, dropping = create_model(spec), create_model(spec)
    drop_in_training(dropping, Recipe(drop_path=0.5, dropout=0.5), 10)
    images = torch.randn(4, 3, 32, 32)
    assert dropping.state_dict().keys() == plain.state_dict().keys()
    assert torch.equal(dropping.eval()(images), plain.eval()(images))
    torch.manual_seed(0)
    first, second = dropping.train()(images), dropping(images)
    assert not torch.equal(first, second)


def test_the_last_blocks_are_left_out_most_often():
    resnet = create_model(model_spec("resnet18_cifar"))
    shares = drop_shares(resnet, 0.14)
    assert list(shares.values()) == pytest.approx([0.02 * number for number in range(8)])
    assert list(shares)[-1] == "layer4.1"
    mobile = drop_shares(create_model(model_spec("mobilenetv2_100")), 0.17)
    assert len(mobile) == 10 and max(mobile.values()) < 0.17  # of 17 blocks, those with a shortcut


def test_a_network_without_known_blocks_cannot_leave_any_out(thin_spec, few_digits):
    with pytest.raises(UsageError, match="no residual block"):
        train(thin_spec, Recipe(epochs=1, drop_path=0.1), few_digits, lambda progress: None)


def test_a_recipe_that_needs_timm_says_how_it_is_installed(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in GONE else find(name))
    require_timm(RECIPES["cifar"])
    with pytest.raises(UsageError, match="mixup, cutmix are by timm, and timm and torchvision are not there") as caught:
        require_timm(RECIPES["imagenet-resnet"])
    assert "groupnl-deploy[train]" in caught.value.remedy


@pytest.mark.parametrize("name", ["digits", "images", "finetune", "cifar", "icons50"])
def test_these_recipes_need_no_timm(name, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda wanted: None)
    require_timm(RECIPES[name])
