"""Training on a CUDA card: what is computed, every way of computing it, no memory, and a card that processes share.

`make test-gpu` runs these where there is a card; nothing else does.
"""

import os
import socket
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import nn

from groupnl_deploy.images.datasets import load_dataset
from groupnl_deploy.images.in_memory import InMemoryImages
from groupnl_deploy.images.preprocessing import as_input
from groupnl_deploy.images.source import DataSource
from groupnl_deploy.models.registry import create_model
from groupnl_deploy.models.spec import ConvSpec, ModelSpec
from groupnl_deploy.training.failures import OutOfMemory
from groupnl_deploy.training.learner import Learner
from groupnl_deploy.training.loop import train
from groupnl_deploy.training.ranks import Ranks
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.recipes import RECIPES
from groupnl_deploy.training.running import Running
from tests.training.test_training_loop import ignore

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA card"),
]
CARD = torch.device("cuda", 0)
ON_CARD = Ranks(device=CARD)
SPEC = ModelSpec("resnet18_cifar", ConvSpec("groupnl"), width=0.25)
EVERY_CONV = [
    ("standard", "released"),
    ("mono", "released"),
    ("ghost", "released"),
    ("sinefm", "released"),
    ("groupnl", "released"),
    ("groupnl", "paper"),
    ("groupnl-sparse", "released"),
    ("groupnl-sparse", "paper"),
]


@pytest.fixture(scope="module")
def digits():
    return load_dataset(DataSource("digits"))


@pytest.fixture
def without_tf32():
    """Convolutions take ten bits of each factor's fraction on a card, unless told otherwise."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


@pytest.mark.parametrize(("method", "semantics"), EVERY_CONV)
def test_outputs_and_gradients_are_those_of_float64_on_the_cpu(method, semantics, without_tf32):
    """Outputs to 1e-4 of the largest. Gradients to 1e-2: those of a ReLU jump where its input is a hair from zero."""
    torch.manual_seed(0)
    spec = replace(SPEC, conv=ConvSpec.preset(method, semantics))
    images, labels = torch.randn(8, *spec.input_shape), torch.arange(8)
    exact, exact_gradient = answer_and_gradient(create_model(spec).double(), images.double(), labels)
    found, gradient = answer_and_gradient(create_model(spec).to(CARD), images.to(CARD), labels.to(CARD))
    assert off(found, exact) < 1e-4
    assert off(gradient, exact_gradient) < 1e-2


def answer_and_gradient(net, images, labels):
    """In evaluation mode: its first layers' gradients by the statistics of a batch would differ by far more."""
    answer = net.eval()(images)
    torch.autograd.backward(nn.functional.cross_entropy(answer, labels))
    return answer.detach(), torch.cat([p.grad.reshape(-1) for p in net.parameters() if p.grad is not None])


def off(found, exact):
    return float((found.cpu().double() - exact).abs().max() / exact.abs().max())


WAYS = {
    "fp32": {},
    "bf16": {"precision": "bf16"},
    "fp16": {"precision": "fp16"},
    "channels last": {"channels_last": True, "precision": "bf16"},
    "compiled": {"compile": True},
    "an average of weights": {"ema_decay": 0.9},
    "in parts": {"accumulate": 2},
    "AdamW": {"optimiser": "adamw", "lr": 0.003},
}


@pytest.mark.parametrize("way", WAYS)
def test_a_network_learns_on_the_card_and_is_as_good_on_the_cpu(way, digits):
    torch.cuda.reset_peak_memory_stats()
    result = train(SPEC, replace(Recipe(epochs=5), **WAYS[way]), digits, ignore, ranks=ON_CARD)
    assert torch.cuda.max_memory_allocated() > 10e6
    assert result.evaluation.accuracy >= 0.95
    assert {tensor.device.type for tensor in result.model.state_dict().values()} == {"cpu"}
    with torch.inference_mode():
        answers = result.model(as_input(torch.tensor(digits.test.pixels), *result.statistics)).argmax(dim=1)
    right = int((answers == torch.as_tensor(digits.test.labels)).sum())
    assert abs(right - result.evaluation.accuracy * result.evaluation.count) <= 2


@pytest.mark.skipif(find_spec("timm") is None, reason="the extra `train` is not installed: make zoo")
def test_the_recipe_for_imagenet_runs_on_the_card(digits):
    """RandAugment, erasing, mixup, cutmix, stochastic depth and the scale of fp16, as timm has them."""
    recipe = replace(RECIPES["imagenet-resnet"], epochs=1, cooldown_epochs=0, warmup_epochs=0, batch_size=64)
    result = train(SPEC, recipe, digits, ignore, ranks=ON_CARD)
    assert all(torch.isfinite(tensor).all() for tensor in result.model.state_dict().values())


def test_all_cards_by_one_process(digits):
    """`torch.nn.DataParallel`, which the paper compares; with one card the whole batch is that one's."""
    running = Running(data_parallel=True)
    assert train(SPEC, Recipe(), digits, ignore, ranks=ON_CARD, running=running).evaluation.accuracy >= 0.95


@pytest.mark.parametrize("changes", [{}, {"precision": "fp16", "ema_decay": 0.9}, {"optimiser": "adamw", "lr": 0.003}])
def test_a_training_that_was_stopped_goes_on_on_the_card_or_the_cpu(changes, digits, tmp_path):
    folder, recipe = tmp_path / "net.resume", replace(Recipe(), **changes)

    def stop(now):
        if (now.epoch, now.step) == (4, 3):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(SPEC, recipe, digits, stop, folder, ranks=ON_CARD, running=Running(save_steps=2))
    result = train(SPEC, recipe, digits, ignore, folder, ranks=ON_CARD)
    assert "going on after 3 epochs" in (result.note or "") or result.resumed_from_epoch == 3
    assert result.evaluation.accuracy >= 0.95
    if not changes:
        with pytest.raises(KeyboardInterrupt):
            train(SPEC, recipe, digits, stop, tmp_path / "other", ranks=ON_CARD)
        assert train(SPEC, recipe, digits, ignore, tmp_path / "other").evaluation.accuracy >= 0.95


def test_a_card_without_memory_says_how_many_images_fit_and_they_do(digits):
    wide = replace(SPEC, width=1.0, input_shape=(3, 128, 128))
    data = replace(
        digits,
        train=fourfold(digits.train),
        test=fourfold(digits.test),
        input_shape=wide.input_shape,
        declared=digits.statistics,
    )
    torch.cuda.empty_cache()
    whole = torch.cuda.get_device_properties(CARD).total_memory
    torch.cuda.set_per_process_memory_fraction(4 * 2**30 / whole, CARD)
    try:
        with pytest.raises(OutOfMemory, match="no memory for 1024 images") as caught:
            train(wide, Recipe(epochs=1, batch_size=1024), data, ignore, ranks=ON_CARD)
        fits = int(caught.value.remedy.split()[0])
        parts = int(caught.value.remedy.rstrip(".").split()[-1])
        torch.cuda.empty_cache()
        train(wide, Recipe(epochs=1, batch_size=fits), data, ignore, ranks=ON_CARD)
        train(wide, Recipe(epochs=1, batch_size=1024, accumulate=parts), data, ignore, ranks=ON_CARD)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, CARD)


def fourfold(images):
    return InMemoryImages(images.pixels.repeat(4, axis=2).repeat(4, axis=3), images.labels)


def test_two_processes_on_one_card_compute_what_one_does_with_both_halves(digits, tmp_path, monkeypatch):
    """Their gradients travel over gloo, since NCCL gives a card to one process alone."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2])  # where the new processes find this file
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(_one_of_two, (port, str(tmp_path)), nprocs=2)
    both = torch.load(tmp_path / "0.pt", weights_only=True)
    other = torch.load(tmp_path / "1.pt", weights_only=True)
    torch.backends.cudnn.allow_tf32 = False
    recipe = replace(TOGETHER, batch_size=64, lr=2 * TOGETHER.lr, accumulate=2)
    alone = dict(train(SPEC, recipe, few(digits), ignore, ranks=ON_CARD).model.named_parameters())
    torch.backends.cudnn.allow_tf32 = True
    for name, value in alone.items():
        assert torch.equal(both[name], other[name])
        assert torch.allclose(value, both[name], rtol=1e-4, atol=1e-4), name


TOGETHER = Recipe(epochs=1, batch_size=32, lr=0.01)


def few(digits):
    """For two steps of 64: what a card adds up in another order each time grows with every further step."""
    train = InMemoryImages(digits.train.pixels[:128], digits.train.labels[:128])
    return replace(digits, train=train, declared=digits.statistics)


def _one_of_two(rank, port, folder):
    torch.backends.cudnn.allow_tf32 = False
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.distributed.init_process_group("gloo", rank=rank, world_size=2)
    data = few(load_dataset(DataSource("digits")))
    result = train(SPEC, TOGETHER, data, ignore, ranks=Ranks(rank, 2, CARD))
    torch.save(dict(result.model.named_parameters()), f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


def test_nccl_takes_what_a_training_hands_it(digits):
    """In one process, for want of a second card: the group, the sending of weights, and a step's gradients."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    where = f"tcp://127.0.0.1:{port}"
    torch.distributed.init_process_group("cpu:gloo,cuda:nccl", init_method=where, rank=0, world_size=1)
    try:
        ranks = _OneOfSeveral(0, 2, CARD)
        learner = Learner(create_model(SPEC), Recipe(), 10, SPEC.input_shape, ranks)
        assert isinstance(learner._forward, nn.parallel.DistributedDataParallel)
        before = learner.state()
        images, labels = torch.tensor(digits.train.pixels[:32]), torch.as_tensor(digits.train.labels[:32])
        loss = learner.learn([lambda: (images, labels)], [1], digits.statistics, 0.01)
        assert 1 < loss < 5
        assert not torch.equal(before["model.fc.weight"], learner.state()["model.fc.weight"])
    finally:
        torch.distributed.destroy_process_group()


class _OneOfSeveral(Ranks):
    """Takes the way of several processes, of which it is the only one."""

    def texts(self, text):
        return [text]
