"""A training to a checkpoint folder, in this process and in one of its own."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

from groupnl_deploy.images.source import DataSource
from groupnl_deploy.models.spec import ConvSpec, ModelSpec
from groupnl_deploy.progress import Silence
from groupnl_deploy.training.checkpoint import checkpoint_id
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.train import train_checkpoint


def test_a_spawned_process_makes_the_same_checkpoint_as_this_one_beside_it(tmp_path):
    spec, recipe = ModelSpec("vgg11_cifar", ConvSpec("standard"), width=0.125), Recipe(epochs=1)
    digits = DataSource("digits")
    here, there = tmp_path / "here", tmp_path / "there"
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        spawned = pool.submit(train_checkpoint, spec, recipe, digits, there, Silence())
        assert train_checkpoint(spec, recipe, digits, here, Silence()) == spawned.result()
    assert checkpoint_id(here) == checkpoint_id(there)
    assert sorted(tmp_path.iterdir()) == [here, there]
