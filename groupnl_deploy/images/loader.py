"""Batches of images, read by processes of their own where each image costs something, and the same bits in any case.

torch's DataLoader starts the processes, keeps a few batches ready and ends them: it is the field's standard, it
survives a parent that is killed, and its batches pass through shared memory without a copy.
"""

import contextlib
import itertools
import math
import multiprocessing
import shutil
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from groupnl_deploy.errors import GroupNLError
from groupnl_deploy.images.cores import usable_cores
from groupnl_deploy.images.dataset import LabelledImages, Pixels, gather
from groupnl_deploy.images.source import Shape
from groupnl_deploy.raised import Raised

MOST_WORKERS = 8
_READY = 2  # batches that each worker has waiting
_SHARED_MEMORY = Path("/dev/shm")
_LOST = "DataLoader worker"  # how torch begins what it says of a process that died


class ReaderLost(GroupNLError):
    """The system, or somebody, ended a process that read images."""


def batches(
    images: LabelledImages, chosen: Iterable[Sequence[int]], shape: Shape, workers: int | None = None
) -> Iterator[Tensor]:
    """uint8 (N, C, H, W) for the indices of each batch, in the order asked for.

    The processes end with the iterator: when it is used up, closed or forgotten, and when this process dies. No bit
    depends on how many there are, and no random generator is drawn from.

    Args:
        images: are decoded in this process where they say that it costs nothing (`workers_for`).
        chosen: the indices of each batch; asked for a few batches ahead.
        shape: (C, H, W) that each image must have.
        workers: how many processes read; 0 is this one alone, None as many as pay.

    Raises what reading an image raises, as if it were read here, and `ReaderLost` where a process was killed.
    """
    count = workers_for(images) if workers is None else workers
    if count == 0:
        return (gather(images, indices, shape) for indices in chosen)
    return _read_elsewhere(images, iter(chosen), shape, count)


def workers_for(images: LabelledImages) -> int:
    """How many processes read such images fastest: one a core where `images.costly` says that an image costs something.

    A process that may start none of its own, such as a worker of `multiprocessing`, reads by itself.
    """
    if not getattr(images, "costly", False) or multiprocessing.current_process().daemon:
        return 0
    return min(usable_cores(), MOST_WORKERS)


def _read_elsewhere(
    images: LabelledImages, chosen: Iterator[Sequence[int]], shape: Shape, workers: int
) -> Iterator[Tensor]:
    first = next(chosen, None)
    if first is None:
        return
    needed = len(first) * math.prod(shape) * (workers * _READY + 1)
    loader = DataLoader(
        _Batches(images, shape, shared=_has_shared(2 * needed)),
        batch_size=None,
        sampler=itertools.chain([first], chosen),
        num_workers=workers,
        prefetch_factor=_READY,
        collate_fn=_as_it_is,
        worker_init_fn=_leave_interrupts_to_the_parent,
        generator=torch.Generator(),  # or it would draw from the one that the training draws from
    )
    with _as_our_errors():
        for read in _started(loader):
            if isinstance(read, Raised):
                raise read.error()
            yield torch.as_tensor(read)


def _started(loader: "DataLoader[Any]") -> Iterator[Any]:
    """An iterator of the loader, without its handler of SIGCHLD.

    That would raise torch's own error in the middle of whatever this process does when a worker dies; without it, the
    next batch that is asked for tells.
    """
    before = signal.getsignal(signal.SIGCHLD)
    iterator = iter(loader)
    if threading.current_thread() is threading.main_thread() and before is not None:  # None: no handler of Python's
        signal.signal(signal.SIGCHLD, before)
    return iterator


@contextlib.contextmanager
def _as_our_errors() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        if not str(error).startswith(_LOST):
            raise
        raise ReaderLost(
            "A process that reads images was killed; most often memory ran out.",
            "Close other programs, or take smaller batches or images, and run the command again.",
        ) from error


def _has_shared(size_bytes: int) -> bool:
    """Whether shared memory has room. Containers often have 64 MB of it, and who writes beyond it is killed."""
    try:
        return shutil.disk_usage(_SHARED_MEMORY).free > size_bytes
    except OSError:
        return not _SHARED_MEMORY.exists()  # a system that keeps it elsewhere


class _Batches(Dataset[Any]):
    """A batch for a list of indices: a tensor travels in shared memory, an array by a pipe, an error in its parts."""

    def __init__(self, images: LabelledImages, shape: Shape, shared: bool) -> None:
        self._images, self._shape, self._shared = images, shape, shared

    def __getitem__(self, indices: Sequence[int]) -> Tensor | Pixels | Raised:
        try:
            batch = gather(self._images, indices, self._shape)
        except Exception as error:
            return Raised.of(error)
        return batch if self._shared else batch.numpy()


def _as_it_is(batch: Any) -> Any:
    return batch


def _leave_interrupts_to_the_parent(worker: int) -> None:
    """Ctrl-C reaches all processes of a terminal; the parent ends these, and they say nothing of their own.

    Errors of images travel. What else a worker meets is that the parent has left in the middle of a batch.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.excepthook = lambda *error: None
