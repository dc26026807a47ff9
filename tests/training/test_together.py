"""Several processes train one network, as torchrun starts them: they compute what one would, and survive a kill."""

import itertools
import json
import multiprocessing
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.dataset import Statistics
from groupnl_deploy.models.registry import create_model
from groupnl_deploy.training.failures import OutOfMemory
from groupnl_deploy.training.learner import Learner
from groupnl_deploy.training.loop import train
from groupnl_deploy.training.peers import OtherRankFailed, ToldByFirst
from groupnl_deploy.training.plan import Plan, order_of
from groupnl_deploy.training.ranks import joined, ranks_of
from groupnl_deploy.training.running import Running
from groupnl_deploy.training.state import load_state, save_state
from tests.rigs import train_together as rig

RIG = Path(rig.__file__)


@given(st.integers(2, 500), st.integers(2, 64), st.integers(1, 4), st.integers(1, 5), st.integers(0, 9))
def test_every_image_of_an_epoch_is_in_one_part_of_one_step(images, batch, parts, processes, seed):
    parts = min(parts, batch // 2)
    plan, alone = Plan(images, batch, parts, processes), Plan(images, batch * processes, parts * processes)
    order = order_of(seed, 0, images)
    assert plan.steps == alone.steps
    seen = []
    for step in range(plan.steps):
        by_part = [plan.indices(order, step, part) for part in range(plan.all_parts)]
        assert by_part == [alone.indices(order, step, part) for part in alone.of_process(0)]
        of_ranks = [part for rank in range(processes) for part in plan.of_process(rank)]
        assert sorted(of_ranks) == list(range(plan.all_parts))
        assert min(map(len, by_part)) >= 2
        seen += itertools.chain.from_iterable(by_part)
        assert plan.steps_done(plan.images_done(step + 1)) == step + 1
    assert len(set(seen)) == len(seen)
    assert images - len(seen) < 2 * plan.all_parts  # what is left has not two for each part


def started_by_torchrun(out, killed="-", restarts=0):
    """Two processes by torch's own launcher."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["--max-restarts", str(restarts), str(RIG), str(out), killed]
    environment = os.environ | {"PYTHONPATH": str(RIG.parents[2]), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return left_by(out)


def left_by(out):
    told = [json.loads((out.with_name(f"{out.name}.ranks") / f"{rank}.json").read_text()) for rank in (0, 1)]
    return load_state(out), told


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """Two processes with the variables that torchrun sets; forked, which spares them PyTorch's import."""
    out = tmp_path_factory.mktemp("together") / "net.resume"
    in_two_processes(lambda: rig.main(out, "-"))
    return left_by(out)


def in_two_processes(work):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=one_of_two, args=(rank, port, work)) for rank in (0, 1)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(300)
    assert [process.exitcode for process in processes] == [0, 0]


def one_of_two(rank, port, work):
    torch.set_num_threads(1)
    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="localhost", MASTER_PORT=str(port)
    )
    work()


def test_two_processes_compute_what_one_does_with_both_halves(unbroken, few_digits, monkeypatch):
    state, (first, second) = unbroken
    backward, calls = Learner._backward, []

    def without_statistics_of_the_second_half(learner, *args):
        """The running statistics are those of the first process."""
        norms = [module for module in learner.model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
        for norm in norms:
            norm.momentum = 0.0 if len(calls) % 2 else 0.1
        calls.append(None)
        return backward(learner, *args)

    monkeypatch.setattr(Learner, "_backward", without_statistics_of_the_second_half)
    recipe = replace(rig.RECIPE, batch_size=32, lr=2 * rig.RECIPE.lr, accumulate=2)
    alone = train(rig.SPEC, recipe, few_digits, lambda now: None)
    keys = [key for key in alone.state.tensors if not key.endswith("num_batches_tracked")]
    assert keys and alone.state.tensors.keys() == state.tensors.keys()
    for key in keys:
        assert torch.allclose(alone.state.tensors[key], state.tensors[key], rtol=1e-4, atol=1e-4), key
    assert first["learned"] == second["learned"] and first["frozen"] == second["frozen"]
    assert first["accuracy"] == second["accuracy"] and first["images"] == 41


def test_gradients_travel_as_the_ring_formula_says(unbroken):
    _, told = unbroken
    gradients = sum(value.numel() for value in create_model(rig.SPEC).parameters() if value.requires_grad)
    ring = 2 * (2 - 1) / 2 * gradients * 4
    for one in told:
        assert ring <= one["sent_bytes"] <= 1.02 * ring + 2048  # and gloo's own few words


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_is_started_again_with_the_others_and_all_go_on_to_the_same_bits(rank, unbroken, tmp_path):
    state, told = started_by_torchrun(tmp_path / "net.resume", f"{rank}:2", restarts=1)
    assert "going on after" in told[0]["resumed"]
    for key, tensor in unbroken[0].tensors.items():
        assert torch.equal(tensor, state.tensors[key]), key


class WithSpareParts(torch.nn.Module):
    """As networks of users are: with parameters that no output depends on, and buffers of every kind."""

    def __init__(self):
        super().__init__()
        self.spare, self.head = torch.nn.Linear(4, 4), torch.nn.Linear(12, 3)
        for name, buffer in BUFFERS.items():
            self.register_buffer(name, buffer.clone())

    def forward(self, images):
        return self.head(images.flatten(1)[:, self.order])


BUFFERS = {
    "order": torch.tensor([7, 5, 3, 1, 0, 2, 4, 6, 11, 10, 9, 8]),
    "mask": torch.tensor([True, False]),
    "small": torch.tensor([3, -4], dtype=torch.int16),
    "sixteen": torch.tensor(1.5, dtype=torch.bfloat16),
    "empty": torch.zeros(0, 2),
}


def test_networks_of_users_learn_together(tmp_path):
    def work():
        with joined(ranks_of("cpu")) as ranks:
            torch.manual_seed(ranks.rank)
            learner = Learner(WithSpareParts(), replace(rig.RECIPE, accumulate=2), 3, (3, 2, 2), ranks, own=True)
            given = torch.full((4, 3, 2, 2), 100 + ranks.rank, dtype=torch.uint8), torch.tensor([0, 1, 2, ranks.rank])
            for _ in range(3):
                learner.learn([lambda: given] * 2, [1, 2], Statistics((0.5,) * 3, (0.5,) * 3), 0.1)
            torch.save(learner.model.state_dict(), tmp_path / f"{ranks.rank}.pt")

    in_two_processes(work)
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    torch.manual_seed(0)
    begun = WithSpareParts().state_dict()
    for key, value in first.items():
        assert torch.equal(value, second[key]) and value.dtype == begun[key].dtype, key
        assert torch.equal(value, begun[key]) == (not key.startswith("head")), key


def test_what_processes_tell_each_other(tmp_path):
    texts = ["", "Große Wäsche 🚂", "no text: \udcff.png"]

    def work():
        with joined(ranks_of("cpu")) as ranks:
            mine = texts if ranks.first else texts[::-1]
            heard = [ranks.texts(text) for text in mine]
            assert heard == [[one, other] for one, other in zip(texts, texts[::-1], strict=True)]
            assert ranks.all_do(lambda: None) is None
            with pytest.raises(ToldByFirst if ranks.rank else OtherRankFailed, match="no images here") as caught:
                ranks.all_do(lambda: here_alone(ranks.rank))
            assert caught.value.exit_code == 2 and "Put some there." in caught.value.remedy
            assert ranks.all_do(lambda: ranks.rank) == ranks.rank  # and nobody waits for anybody

    in_two_processes(work)


def here_alone(rank):
    if rank:
        raise UsageError("There are no images here.", "Put some there.")


def test_without_memory_for_a_step_of_all_nobody_says_that_two_images_do_not_fit(monkeypatch, tmp_path):
    def cramped(learner, *args):
        raise MemoryError

    def work():
        with pytest.raises(OutOfMemory, match="no memory for 16 images") as caught:
            rig.main(tmp_path / "net.resume", "-")
        assert "--accumulate 2" in caught.value.remedy and "two images" not in caught.value.remedy

    monkeypatch.setattr(Learner, "_backward", cramped)
    in_two_processes(work)


def test_fewer_steps_than_were_done_by_another_number_of_processes_end_an_epoch(few_digits, tmp_path):
    """Of 99 images in batches of 16 one process makes 7 steps and two make 3: done when the one has made 6."""
    recipe = replace(rig.RECIPE, epochs=1)
    with pytest.raises(KeyboardInterrupt):
        train(rig.SPEC, recipe, few_digits, stop, tmp_path, running=Running(save_steps=1))
    save_state(tmp_path, replace(load_state(tmp_path), images=96, processes=3))
    seen = []
    result = train(rig.SPEC, recipe, few_digits, seen.append, tmp_path)
    assert [(now.epoch, now.step) for now in seen] == [(1, 6)] and seen[0].accuracy is not None
    assert "which 3 computed and 1 go on with" in result.note


def stop(now):
    raise KeyboardInterrupt
