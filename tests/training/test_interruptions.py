"""A training that is killed, stopped or out of room goes on from what was saved, to the same bits."""

import errno
import multiprocessing
import os
import random
import signal
from dataclasses import replace

import pytest
import torch

from groupnl_deploy.errors import DiskFull
from groupnl_deploy.training import evaluate as evaluate_module
from groupnl_deploy.training import state as state_module
from groupnl_deploy.training.loop import train
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.run import Run
from groupnl_deploy.training.running import Running
from groupnl_deploy.training.state import load_state
from tests.training.test_training_loop import assert_same_bits, ignore

EVERY_STEP = Running(save_steps=1)
RECIPE = Recipe(epochs=2, batch_size=16, seed=4)  # six steps an epoch


@pytest.fixture(scope="module")
def whole(thin_spec, few_digits):
    return train(thin_spec, RECIPE, few_digits, ignore)


def in_a_process(work):
    """Run `work` in a forked process, which knows PyTorch already; returns how it ended."""
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join(120)
    return process.exitcode


@pytest.mark.parametrize("times", [3, pytest.param(10, marks=pytest.mark.slow)])
def test_killed_again_and_again_at_random_steps_it_ends_with_the_same_bits(times, tmp_path, thin_spec, few_digits):
    random.seed(17)
    folder, recipe = tmp_path / "net.resume", replace(RECIPE, epochs=4 if times > 3 else 2)

    def killed_after(steps):
        def progress(now):
            nonlocal steps
            steps -= 1
            if steps == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        return lambda: train(thin_spec, recipe, few_digits, progress, folder, running=EVERY_STEP)

    places = []
    for _ in range(times):
        assert in_a_process(killed_after(random.randint(1, 2))) == -signal.SIGKILL
        found = load_state(folder)
        places.append((0, 0) if found is None else (found.epoch, found.images))
    assert places == sorted(places) and places[-1] > (0, 0)
    resumed = train(thin_spec, recipe, few_digits, ignore, folder)
    assert_same_bits(resumed, train(thin_spec, recipe, few_digits, ignore))


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_who_is_asked_to_stop_finishes_the_step_and_saves_it(number, tmp_path, thin_spec, few_digits, whole):
    folder = tmp_path / "net.resume"

    def progress(now):
        if (now.epoch, now.step) == (2, 2):
            os.kill(os.getpid(), number)

    with pytest.raises(KeyboardInterrupt):
        train(thin_spec, RECIPE, few_digits, progress, folder)
    found = load_state(folder)
    assert (found.epoch, found.images) == (1, 3 * 16) and found.place == "48 images of epoch 2"
    seen = []
    assert_same_bits(train(thin_spec, RECIPE, few_digits, seen.append, folder), whole)
    assert (seen[0].epoch, seen[0].step) == (2, 4)
    assert "going on after 48 images of epoch 2 of 2" in seen[0].note


@pytest.mark.parametrize("epoch", [1, 2])
def test_who_is_asked_to_stop_in_an_evaluation_leaves_it_and_trains_no_step_again(
    epoch, tmp_path, thin_spec, few_digits, whole, monkeypatch
):
    folder, batches = tmp_path / "net.resume", []
    answer = Run._answer

    def asked_in_the_middle(run, pixels):
        batches.append(run.epoch + 1)
        if batches.count(epoch) == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return answer(run, pixels)

    monkeypatch.setattr(Run, "_answer", asked_in_the_middle)
    monkeypatch.setattr(evaluate_module, "batch_size_for", lambda shape: 8)  # of 41 test images
    told = []
    with pytest.raises(KeyboardInterrupt):
        train(thin_spec, RECIPE, few_digits, told.append, folder)
    assert batches.count(epoch) == 1 and (told[-1].epoch, told[-1].step) == (epoch, 5)
    found = load_state(folder)
    assert (found.epoch, found.images) == (epoch - 1, 6 * 16)
    monkeypatch.undo()
    seen = []
    assert_same_bits(train(thin_spec, RECIPE, few_digits, seen.append, folder), whole)
    assert (seen[0].epoch, seen[0].step, seen[0].loss) == (epoch, 6, found.loss) and seen[0].accuracy is not None


def test_the_second_time_it_is_asked_it_waits_for_nothing(tmp_path, thin_spec, few_digits):
    def progress(now):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        pytest.fail("the second one was not heard")

    with pytest.raises(KeyboardInterrupt):
        train(thin_spec, RECIPE, few_digits, progress, tmp_path / "net.resume")
    assert load_state(tmp_path / "net.resume") is None


def test_the_handlers_of_signals_come_back(thin_spec, few_digits):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    train(thin_spec, Recipe(epochs=1), few_digits, ignore)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


def test_a_full_disk_keeps_the_last_good_state(tmp_path, thin_spec, few_digits, monkeypatch, whole):
    """The disk fills up in the second epoch; the mount of a small disk is in tests/e2e."""
    folder, write = tmp_path / "net.resume", state_module.write_atomically

    def full(path, data):
        if path.name.startswith("training-2"):
            raise DiskFull("No room.", "Make some.") from OSError(errno.ENOSPC, "full")
        write(path, data)

    monkeypatch.setattr(state_module, "write_atomically", full)
    with pytest.raises(DiskFull):
        train(thin_spec, RECIPE, few_digits, ignore, folder)
    assert load_state(folder).epoch == 1
    monkeypatch.undo()
    assert_same_bits(train(thin_spec, RECIPE, few_digits, ignore, folder), whole)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"precision": "bf16"}, marks=pytest.mark.slow),
        {"precision": "fp16"},
        {"ema_decay": 0.9},
        pytest.param({"accumulate": 3}, marks=pytest.mark.slow),
        pytest.param({"compile": True}, marks=pytest.mark.slow),
    ],
    ids=lambda changes: next(iter(changes)) + str(next(iter(changes.values()))),
)
def test_every_way_to_compute_goes_on_in_the_middle_of_an_epoch_to_the_same_bits(
    changes, tmp_path, thin_spec, few_digits
):
    recipe, folder = replace(RECIPE, epochs=1, **changes), tmp_path / "net.resume"
    whole = train(thin_spec, recipe, few_digits, ignore)

    def progress(now):
        if (now.epoch, now.step) == (1, 4):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(thin_spec, recipe, few_digits, progress, folder, running=EVERY_STEP)
    assert load_state(folder).images == 4 * 16
    assert_same_bits(train(thin_spec, recipe, few_digits, ignore, folder), whole)
    weights = [
        value for key, value in whole.state.tensors.items() if key.startswith("model.") and value.is_floating_point()
    ]
    assert all(torch.isfinite(value).all() for value in weights)


def test_the_average_of_the_weights_is_what_is_tested_and_kept(thin_spec, few_digits):
    """Against the definition in double precision, from the raw weights after each step."""
    from groupnl_deploy.training.learner import Learner

    decay, seen = 0.8, []
    learn = Learner.learn

    def watched(learner, *args):
        loss = learn(learner, *args)
        seen.append({key: value.detach().double().clone() for key, value in learner.model.named_parameters()})
        return loss

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Learner, "learn", watched)
        result = train(thin_spec, replace(RECIPE, epochs=1, ema_decay=decay), few_digits, ignore)
    for key, value in result.model.named_parameters():
        average = seen[0][key]
        for now in seen[1:]:
            average = decay * average + (1 - decay) * now[key]
        assert torch.allclose(value.double(), average, rtol=1e-5, atol=1e-6), key


def test_whole_numbers_are_not_averaged():
    """An index of 5 would become 0.9 * 5 + 0.1 * 5, which is a little less than 5, and then 4."""
    from groupnl_deploy.training.learner import _average_of

    network = torch.nn.Module()
    network.register_buffer("order", torch.tensor([7, 5, 3, 1]))
    average = _average_of(network, 0.9)
    for _ in range(9):
        average.update_parameters(network)
    assert average.module.order.tolist() == [7, 5, 3, 1]
