"""Batches of images: the same bits however many processes read them, and errors as if there were none."""

import os
import signal
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch

from groupnl_deploy.errors import VerificationFailed
from groupnl_deploy.images import loader
from groupnl_deploy.images.dataset import gather
from groupnl_deploy.images.in_memory import InMemoryImages
from groupnl_deploy.images.loader import ReaderLost, batches, workers_for

SHAPE = (3, 8, 8)


class Drawn:
    """Costly images, one of which may be damaged; each says which process drew it."""

    costly = True

    def __init__(self, damaged: int | None = None) -> None:
        self.labels, self.damaged = np.arange(64) % 2, damaged

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> np.ndarray:
        if index == self.damaged:
            raise VerificationFailed(f"Image {index} is damaged.", "Mend it.")
        return np.random.default_rng(index).integers(0, 256, SHAPE, dtype=np.uint8)


class Pids(Drawn):
    def __getitem__(self, index: int) -> np.ndarray:
        return np.frombuffer(np.full(48, os.getpid(), np.int32).tobytes(), np.uint8).reshape(SHAPE)


CHOSEN = [[5, 3, 60], [0], list(range(20)), [7, 7]]


def pid_in(batch: torch.Tensor) -> int:
    return int(batch.numpy().reshape(-1).view(np.int32)[0])


@pytest.mark.parametrize("room", [True, False], ids=["shared memory", "a pipe"])
def test_batches_are_the_same_however_many_processes_read_them(monkeypatch, room):
    monkeypatch.setattr(loader, "_has_shared", lambda size_bytes: room)
    random = torch.random.get_rng_state()
    alone, others = (list(batches(Drawn(), iter(CHOSEN), SHAPE, workers)) for workers in (0, 2))
    assert torch.equal(torch.random.get_rng_state(), random)
    assert [batch.dtype for batch in others] == [torch.uint8] * 4
    for batch, same, indices in zip(alone, others, CHOSEN, strict=True):
        assert torch.equal(batch, same) and torch.equal(batch, gather(Drawn(), indices))


def test_costly_images_are_read_elsewhere_and_others_here():
    assert workers_for(Drawn()) == min(len(os.sched_getaffinity(0)), loader.MOST_WORKERS)
    assert workers_for(InMemoryImages(np.zeros((2, *SHAPE), np.uint8), np.zeros(2, np.int64))) == 0
    assert pid_in(next(batches(Pids(), [[0]], SHAPE))) != os.getpid()
    assert pid_in(next(batches(Pids(), [[0]], SHAPE, workers=0))) == os.getpid()


def test_no_batches_are_none():
    assert list(batches(Drawn(), [], SHAPE, workers=2)) == []


def test_an_error_in_a_process_is_the_error_that_reading_here_has():
    found = batches(Drawn(damaged=3), [[0], [1, 3], [4]], SHAPE, workers=1)
    next(found)
    with pytest.raises(VerificationFailed, match="Image 3 is damaged") as caught:
        next(found)
    assert caught.value.remedy == "Mend it."


def gone(pid: int) -> bool:
    for _ in range(1000):
        if not Path(f"/proc/{pid}").exists():
            return True
        time.sleep(0.02)
    return False


def test_the_processes_end_with_the_iterator():
    found = batches(Pids(), ([0] for _ in count()), SHAPE, workers=1)
    pid = pid_in(next(found))
    found.close()
    assert gone(pid)


@pytest.mark.slow
def test_a_process_that_was_killed_is_told_by_the_batch_that_is_missing():
    handler = signal.getsignal(signal.SIGCHLD)
    found = batches(Pids(), ([0] for _ in count()), SHAPE, workers=1)
    os.kill(pid_in(next(found)), signal.SIGKILL)
    time.sleep(0.1)  # nothing is raised in the middle of what this process does
    assert signal.getsignal(signal.SIGCHLD) == handler
    with pytest.raises(ReaderLost, match="memory ran out"):
        list(found)


ENDLESS = """
import sys
from itertools import count
from tests.images.test_loader import SHAPE, Pids, batches, pid_in

found = batches(Pids(), ([0] for _ in count()), SHAPE, workers=1)
print(pid_in(next(found)), flush=True)
for _ in found:
    pass
"""


@pytest.mark.slow
def test_the_processes_end_when_this_one_is_killed():
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", ENDLESS], stdout=subprocess.PIPE, text=True, cwd=root) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    assert gone(pid)
