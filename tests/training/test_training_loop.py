"""The loop: it learns, it repeats itself bit for bit, it goes on after an interruption, it stops at NaN."""

import multiprocessing
from dataclasses import replace

import numpy as np
import pytest
import torch

from groupnl_deploy.errors import TrainingDiverged
from groupnl_deploy.models.spec import ConvSpec
from groupnl_deploy.training.loop import train
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.state import load_state


def ignore(progress):
    return None


def assert_same_bits(first, second):
    assert first.state.tensors.keys() == second.state.tensors.keys()
    for key, tensor in first.state.tensors.items():
        assert torch.equal(tensor, second.state.tensors[key]), key
    assert first.evaluation == second.evaluation


def interrupt_at(epoch, step):
    def progress(now):
        if (now.epoch, now.step) == (epoch, step):
            raise KeyboardInterrupt

    return progress


def test_progress_counts_every_step_and_accuracy_ends_each_epoch(thin_spec, few_digits):
    seen = []
    result = train(thin_spec, Recipe(epochs=2), few_digits, seen.append)
    # 97 images in batches of 32: the last image alone has no batch statistics and joins no step.
    assert [(now.epoch, now.step) for now in seen] == [(e, s) for e in (1, 2) for s in (1, 2, 3)]
    assert all((now.epochs, now.steps) == (2, 3) for now in seen)
    assert [now.accuracy is not None for now in seen] == [False, False, True] * 2
    assert seen[-1].accuracy == result.evaluation.accuracy
    assert result.evaluation.count == 40
    assert not result.model.training


def test_it_learns(thin_spec, few_digits):
    seen = []
    train(replace(thin_spec, conv=ConvSpec("standard")), Recipe(epochs=5, batch_size=8), few_digits, seen.append)
    assert np.mean([now.loss for now in seen[-3:]]) < 0.75 * np.mean([now.loss for now in seen[:3]])


def test_the_same_seed_gives_the_same_bits_and_another_does_not(trained, thin_spec, short_recipe, few_digits):
    torch.manual_seed(999)
    assert_same_bits(trained, train(thin_spec, short_recipe, few_digits, ignore))
    other = train(thin_spec, replace(short_recipe, seed=5), few_digits, ignore)
    assert not torch.equal(
        trained.state.tensors["model.classifier.weight"], other.state.tensors["model.classifier.weight"]
    )


def test_the_threads_are_the_recipes_and_the_caller_keeps_his(trained, thin_spec, short_recipe, few_digits):
    seen = []
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        again = train(thin_spec, short_recipe, few_digits, lambda now: seen.append(torch.get_num_threads()))
        train(thin_spec, Recipe(epochs=1, threads=2), few_digits, lambda now: seen.append(torch.get_num_threads()))
        train(thin_spec, Recipe(epochs=1, threads=0), few_digits, lambda now: seen.append(torch.get_num_threads()))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert seen == [1] * 9 + [2] * 3 + [3] * 3
    assert_same_bits(trained, again)


def test_the_threads_come_back_after_an_interruption(thin_spec, few_digits):
    before = torch.get_num_threads()
    with pytest.raises(KeyboardInterrupt):
        train(thin_spec, Recipe(epochs=1, threads=before + 1), few_digits, interrupt_at(1, 1))
    assert torch.get_num_threads() == before


class ReadOnDemand:
    """The images of another part, one at a time, with a list of which were asked for."""

    def __init__(self, images):
        self.images, self.labels, self.read = images, images.labels, []

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        self.read.append(index)
        return self.images[index].copy()


def test_images_that_are_read_on_demand_give_the_same_bits(trained, thin_spec, short_recipe, few_digits):
    lazy = replace(few_digits, train=ReadOnDemand(few_digits.train), test=ReadOnDemand(few_digits.test))
    seen = []
    assert_same_bits(trained, train(thin_spec, short_recipe, lazy, lambda now: seen.append(len(lazy.train.read))))
    assert seen[:3] == [32, 64, 96]  # a step reads its own batch and no other image
    assert len(set(lazy.train.read[:96])) == 96


def test_hyper_parameters_stay_as_drawn_and_are_not_decayed(trained, thin_spec):
    from groupnl_deploy.models.registry import create_model

    fresh = create_model(thin_spec).state_dict()
    frozen = [key for key in fresh if key.endswith(("periods", "shifts"))]
    assert frozen
    assert all(torch.equal(fresh[key], trained.state.tensors[f"model.{key}"]) for key in frozen)
    assert not any(f"momentum.{key}" in trained.state.tensors for key in frozen)


def test_the_callers_random_state_is_untouched(thin_spec, few_digits):
    before = torch.get_rng_state()
    train(thin_spec, Recipe(epochs=1), few_digits, ignore)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    "conv",
    [pytest.param(ConvSpec("standard"), marks=pytest.mark.slow), ConvSpec("groupnl")],
    ids=["standard", "groupnl"],
)
def test_an_interrupted_training_ends_with_the_same_bits(conv, tmp_path, thin_spec, short_recipe, few_digits):
    spec, folder = replace(thin_spec, conv=conv), tmp_path / "resume"
    with pytest.raises(KeyboardInterrupt):
        train(spec, short_recipe, few_digits, interrupt_at(2, 2), folder)
    assert load_state(folder).epoch == 1
    with pytest.raises(KeyboardInterrupt):
        train(spec, short_recipe, few_digits, interrupt_at(3, 1), folder)
    seen = []
    resumed = train(spec, short_recipe, few_digits, seen.append, folder)
    assert resumed.resumed_from_epoch == 2
    assert "going on after epoch 2 of 3" in seen[0].note
    assert seen[1].note is None
    assert {now.epoch for now in seen} == {3}
    assert_same_bits(resumed, train(spec, short_recipe, few_digits, ignore))


def test_a_finished_training_is_not_trained_again(tmp_path, trained, thin_spec, short_recipe, few_digits):
    train(thin_spec, short_recipe, few_digits, ignore, tmp_path / "resume")
    seen = []
    again = train(thin_spec, short_recipe, few_digits, seen.append, tmp_path / "resume")
    assert not seen
    assert again.resumed_from_epoch == 3
    assert_same_bits(again, trained)


def test_the_state_of_another_recipe_is_left_out_of_account(tmp_path, thin_spec, short_recipe, few_digits):
    train(thin_spec, Recipe(epochs=1), few_digits, ignore, tmp_path / "resume")
    seen = []
    result = train(thin_spec, replace(short_recipe, epochs=2), few_digits, seen.append, tmp_path / "resume")
    assert result.resumed_from_epoch == 0
    assert "another recipe (epochs 1 instead of 2, seed 0 instead of 4)" in seen[0].note
    assert "it is kept until this training is first saved" in seen[0].note
    assert load_state(tmp_path / "resume").job.recipe.epochs == 2


@pytest.mark.parametrize(("clip", "remedy"), [(None, "--set clip_norm=1,"), (1e30, "--lr 1e+29, or limit")])
def test_a_loss_that_is_no_number_stops_the_training(clip, remedy, thin_spec, few_digits):
    recipe = Recipe(epochs=3, lr=1e30, clip_norm=clip, warmup_epochs=0)
    with pytest.raises(TrainingDiverged, match=r"diverged: the loss became (nan|inf)") as caught:
        train(thin_spec, recipe, few_digits, ignore)
    assert remedy in caught.value.remedy
    assert caught.value.exit_code == 1


class Costly(ReadOnDemand):
    """Images with a margin, that a process of its own reads where one is asked for."""

    costly = True

    def __getitem__(self, index):
        return np.pad(self.images[index], ((0, 0), (2, 2), (2, 2)))


def test_no_bit_depends_on_who_reads_the_images(thin_spec, few_digits):
    recipe = Recipe(epochs=1, augmentation="crop_flip_jitter", label_smoothing=0.1, seed=4)
    data = replace(few_digits, train=Costly(few_digits.train), margin=(3, 36, 36))
    alone, one, two = (train(thin_spec, recipe, data, ignore, workers=count) for count in (0, 1, 2))
    assert_same_bits(alone, one)
    assert_same_bits(alone, two)


@pytest.mark.slow
def test_an_interrupted_training_leaves_no_process_and_ends_with_the_same_bits(tmp_path, thin_spec, few_digits):
    recipe = Recipe(epochs=2, augmentation="crop_flip_jitter", seed=4)
    data = replace(few_digits, train=Costly(few_digits.train), margin=(3, 36, 36))
    with pytest.raises(KeyboardInterrupt) as caught:
        train(thin_spec, recipe, data, interrupt_at(2, 1), tmp_path / "resume", workers=2)
    assert caught.value is not None and multiprocessing.active_children() == []
    resumed = train(thin_spec, recipe, data, ignore, tmp_path / "resume", workers=1)
    assert resumed.resumed_from_epoch == 1
    assert_same_bits(resumed, train(thin_spec, recipe, data, ignore, workers=0))


@pytest.mark.parametrize("augmentation", ["none", "shift"])
def test_images_with_a_margin_are_trained_on_without_random_windows_too(augmentation, thin_spec, few_digits):
    wider = replace(few_digits, train=Costly(few_digits.train), margin=(3, 36, 36))
    recipe = Recipe(epochs=1, augmentation=augmentation, seed=4)
    assert train(thin_spec, recipe, wider, ignore, workers=0).state.epoch == 1
