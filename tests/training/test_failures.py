"""What ends a training in the middle says on which images, and what can be done."""

import math
import multiprocessing
import resource
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from groupnl_deploy.errors import TrainingDiverged
from groupnl_deploy.images.in_memory import InMemoryImages
from groupnl_deploy.models.spec import ConvSpec
from groupnl_deploy.training import run as run_module
from groupnl_deploy.training.failures import OutOfMemory
from groupnl_deploy.training.learner import Learner
from groupnl_deploy.training.loop import train
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.state import load_state
from tests.training.test_training_loop import ignore

MIB = 2**20


class Named(InMemoryImages):
    """Images that lie in files."""

    @property
    def names(self):
        return tuple(f"photos/{index}.png" for index in range(len(self)))


def test_a_loss_that_is_no_number_names_the_files_of_its_batch(thin_spec, few_digits):
    data = replace(few_digits, train=Named(few_digits.train.pixels, few_digits.train.labels))
    recipe = Recipe(epochs=2, batch_size=16, lr=1e30, warmup_epochs=0)
    with pytest.raises(TrainingDiverged, match=r"in epoch 1 of 2, step \d of 6, on files photos/\d+\.png, .* more\."):
        train(thin_spec, recipe, data, ignore)


def test_a_loss_that_is_no_number_says_what_is_kept(thin_spec, few_digits, tmp_path, monkeypatch):
    learn, steps = Learner.learn, []

    def diverging(learner, *args):
        steps.append(learn(learner, *args))
        return steps[-1] if len(steps) < 8 else math.nan

    monkeypatch.setattr(Learner, "learn", diverging)
    with pytest.raises(TrainingDiverged, match="in epoch 2 of 2, step 2 of 6, on images") as caught:
        train(thin_spec, Recipe(epochs=2, batch_size=16), few_digits, ignore, tmp_path / "net.resume")
    assert "The last good state, after epoch 1, is kept." in caught.value.remedy
    assert load_state(tmp_path / "net.resume").epoch == 1


@pytest.mark.parametrize(("room", "fits", "parts"), [(9, 8, 4), (4, 4, 8), (1, None, None)])
def test_a_batch_without_memory_says_how_many_images_fit(room, fits, parts, thin_spec, few_digits, monkeypatch):
    create = run_module.create_model

    def cramped(spec):
        model = create(spec)
        model.register_forward_pre_hook(lambda module, inputs: too_many(len(inputs[0])))
        return model

    def too_many(images):
        if images > room:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:124] . DefaultCPUAllocator: can't allocate memory: …")

    monkeypatch.setattr(run_module, "create_model", cramped)
    with pytest.raises(OutOfMemory, match="no memory for 32 images") as caught:
        train(thin_spec, Recipe(epochs=1), few_digits, ignore)
    said = "Not even two images fit" if fits is None else f"--batch-size {fits}, or the same steps in parts"
    assert said in caught.value.remedy
    assert fits is None or f"--accumulate {parts}." in caught.value.remedy


@pytest.mark.slow
def test_a_real_limit_of_memory_is_told_and_what_was_tried_fits(thin_spec, few_digits, tmp_path):
    many = InMemoryImages(np.tile(few_digits.train.pixels, (20, 1, 1, 1)), np.tile(few_digits.train.labels, 20))
    data, spec = replace(few_digits, train=many), replace(thin_spec, conv=ConvSpec("standard"), width=1.0)

    def cramped():
        now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + 700 * MIB, now + 700 * MIB))
        try:
            train(spec, Recipe(epochs=1, batch_size=1024), data, ignore)
        except OutOfMemory as error:
            (tmp_path / "said").write_text(f"{error.message} {error.remedy}")

    process = multiprocessing.get_context("fork").Process(target=cramped)
    process.start()
    process.join(300)
    said = (tmp_path / "said").read_text()
    assert "no memory for 1024 images" in said and "were tried and fit" in said
