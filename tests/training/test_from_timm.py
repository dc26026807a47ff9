"""What comes from timm: what timm's own training script would do, from one seed, and gone on with to the same bit."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.amp.grad_scaler import GradScaler

from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.dataset import gather
from groupnl_deploy.images.in_memory import InMemoryImages
from groupnl_deploy.images.loader import batches
from groupnl_deploy.models.registry import create_model, model_spec
from groupnl_deploy.training.altered import operations_of, shape_read
from groupnl_deploy.training.dropping import drop_shares
from groupnl_deploy.training.from_timm import timm_module
from groupnl_deploy.training.loop import train
from groupnl_deploy.training.method import images_of_epoch, mixing_of, optimiser_of, schedule_of
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.recipes import RECIPES
from tests.rigs.timm_nets import WHY_NOT, has_timm, import_timm

pytestmark = pytest.mark.skipif(not has_timm(), reason=WHY_NOT)
CUT = Recipe(augmentation="random_resized_crop", rand_augment="rand-m9-mstd0.5-inc1", seed=4)
MIXED = Recipe(erasing=0.5, mixup=0.8, cutmix=1.0, label_smoothing=0.1)


@pytest.mark.parametrize("name", ["imagenet-resnet", "imagenet-mobilenetv3", "imagenet-efficientnet-es"])
def test_the_rates_are_those_of_timms_own_factory(name):
    recipe = replace(RECIPES[name], seed=42)
    nothing = torch.optim.SGD([nn.Parameter(torch.zeros(1))], recipe.lr)
    scheduler, epochs = timm_module("timm.scheduler").create_scheduler_v2(
        nothing,
        sched=recipe.schedule.removeprefix("epoch_"),
        num_epochs=recipe.epochs,
        decay_epochs=recipe.decay_epochs,
        decay_rate=recipe.decay_rate,
        cooldown_epochs=recipe.cooldown_epochs,
        min_lr=recipe.min_lr,
        warmup_lr=recipe.warmup_lr,
        warmup_epochs=recipe.warmup_epochs,
        noise=recipe.lr_noise,
        noise_seed=42,
    )
    assert epochs in (recipe.all_epochs, recipe.epochs + recipe.cooldown_epochs)
    rate = schedule_of(recipe, 3)
    for epoch in range(recipe.all_epochs):
        scheduler.step(epoch)
        expected = nothing.param_groups[0]["lr"] * recipe.batch_size / recipe.lr_batch
        assert rate(3 * epoch) == rate(3 * epoch + 2) == expected


def test_rmsprop_is_that_of_timms_own_factory():
    recipe = RECIPES["imagenet-mobilenetv2"]
    ways = []
    for own in (True, False):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 2))
        images = torch.randn(5, 3, 8, 8)
        ours = optimiser_of(recipe, dict(net.named_parameters()))
        theirs = timm_module("timm.optim").create_optimizer_v2(
            net, "rmsproptf", lr=0.01, weight_decay=recipe.weight_decay, momentum=0.9, eps=1e-3, alpha=0.9
        )
        for _ in range(4):
            torch.autograd.backward(net(images).square().mean())
            if own:
                ours.step(0.01, GradScaler(enabled=False))
            else:
                theirs.step()
                theirs.zero_grad()
        ways.append(torch.cat([value.detach().flatten() for value in net.parameters()]))
    assert torch.allclose(*ways, rtol=1e-6, atol=1e-8)


def batch(count):
    torch.manual_seed(count)
    return torch.randn(count, 3, 16, 16), torch.randint(0, 4, (count,))


@pytest.mark.parametrize("count", [8, 7])
def test_mixing_follows_from_the_generator_and_leaves_the_callers_numbers_alone(count):
    inputs, labels = batch(count)
    before = inputs.clone()
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    mix = mixing_of(MIXED, 4)
    made = [mix(inputs, labels, torch.Generator().manual_seed(seed)) for seed in (5, 5, 6)]
    assert torch.equal(made[0][0], made[1][0]) and torch.equal(made[0][1], made[1][1])
    assert not torch.equal(made[0][0], made[2][0])
    assert made[0][0].shape == inputs.shape and made[0][1].shape == (count, 4)
    assert torch.allclose(made[0][1].sum(dim=1), torch.ones(count))
    assert torch.equal(inputs, before)
    assert random.getstate() == states[0] and np.random.get_state()[1].tolist() == states[1]
    assert torch.equal(torch.get_rng_state(), states[2])


def test_images_that_are_erased_keep_their_labels():
    inputs, labels = batch(40)
    erased, targets = mixing_of(Recipe(erasing=0.5), 4)(inputs, labels, torch.Generator().manual_seed(1))
    changed = (erased != inputs).flatten(1).any(dim=1).sum()
    assert 8 <= changed <= 32
    assert torch.equal(targets, labels)


@pytest.mark.parametrize("channels", [1, 3])
def test_every_image_is_altered_by_seed_epoch_and_index_alone(few_digits, channels):
    data = few_digits if channels == 3 else grey(few_digits)
    now = images_of_epoch(CUT, data, 2)
    assert shape_read(CUT, data) == data.input_shape
    first = gather(now, [5, 9, 5], data.input_shape)
    random.seed(1)
    np.random.seed(1)
    assert torch.equal(gather(images_of_epoch(CUT, data, 2), [9, 5], data.input_shape), first[1:])
    assert torch.equal(first[0], first[2])
    assert now[5].tolist() != images_of_epoch(CUT, data, 3)[5].tolist()
    assert now[5].tolist() != images_of_epoch(replace(CUT, seed=5), data, 2)[5].tolist()
    assert now[5].tolist() != data.train[5].tolist()


def grey(data):
    train = InMemoryImages(data.train.pixels[:, :1].copy(), data.train.labels)
    test = InMemoryImages(data.test.pixels[:, :1].copy(), data.test.labels)
    return replace(data, input_shape=(1, 32, 32), train=train, test=test)


def test_no_bit_depends_on_who_alters_the_images(few_digits):
    now = images_of_epoch(CUT, few_digits, 0)
    here, elsewhere = (list(batches(now, [[1, 2], [3]], (3, 32, 32), workers)) for workers in (0, 2))
    assert all(torch.equal(*pair) for pair in zip(here, elsewhere, strict=True))


class Kept(InMemoryImages):
    """Images that are kept larger than they are read."""

    def original(self, index):
        return np.repeat(np.repeat(self.pixels[index], 3, axis=1), 2, axis=2)


def test_windows_are_cut_from_images_as_they_were_kept(few_digits):
    kept = replace(few_digits, train=Kept(few_digits.train.pixels, few_digits.train.labels))
    plain = replace(CUT, rand_augment=None, crop_scale=(1.0, 1.0))
    small, large = (images_of_epoch(plain, data, 0)[3] for data in (few_digits, kept))
    assert small.shape == large.shape == (3, 32, 32)
    assert small.tolist() != large.tolist()


def test_a_picture_of_which_no_bit_is_kept_is_black():
    made = operations_of("rand-m10-inc1", 32)
    (operation,) = [one for one in made.ops if one.name == "PosterizeIncreasing"]
    operation.prob = 1.0
    assert np.asarray(operation(Image.new("RGB", (4, 4), (200, 100, 50)))).max() == 0


def test_unknown_operations_are_refused_before_anything_is_read(few_digits):
    with pytest.raises(UsageError, match="no RandAugment “rand-x9”") as caught:
        images_of_epoch(replace(CUT, rand_augment="rand-x9"), few_digits, 0)
    assert "rand-m9-mstd0.5-inc1" in caught.value.remedy


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv2_100", "efficientnet_lite0"])
def test_blocks_are_left_out_as_often_as_timms(name):
    theirs = import_timm().create_model(name, drop_path_rate=0.2)
    found = {
        module_name.rpartition(".")[0]: module.drop_prob
        for module_name, module in theirs.named_modules()
        if type(module).__name__ == "DropPath"
    }
    ours = {block: share for block, share in drop_shares(create_model(model_spec(name)), 0.2).items() if share}
    assert {block: share for block, share in found.items() if block in ours} == pytest.approx(ours)


def test_a_training_by_all_of_it_goes_on_to_the_same_bits(tmp_path, few_digits):
    """The recipe for MobileNetV3, short and for small images, interrupted in its second epoch."""
    recipe = replace(
        RECIPES["imagenet-mobilenetv3"], epochs=2, warmup_epochs=1, batch_size=32, lr_noise=(0.0, 1.0), seed=4
    )
    recipe = replace(recipe, precision="fp32", ema_decay=0.9)
    spec = replace(model_spec("mobilenetv2_100", "groupnl-sparse"), width=0.25, input_shape=(3, 32, 32), num_classes=10)

    def stop(now):
        if (now.epoch, now.step) == (2, 2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(spec, recipe, few_digits, stop, tmp_path, workers=0)
    resumed = train(spec, recipe, few_digits, lambda now: None, tmp_path, workers=0)
    whole = train(spec, recipe, few_digits, lambda now: None, workers=0)
    assert resumed.resumed_from_epoch == 1
    assert all(torch.equal(tensor, resumed.state.tensors[name]) for name, tensor in whole.state.tensors.items())
