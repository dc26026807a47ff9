"""How many threads PyTorch computes with while a network is trained or evaluated."""

import contextlib
from collections.abc import Iterator

import torch

EVERY_CORE = 0
"""As many threads as PyTorch takes by itself, usually one a core."""


@contextlib.contextmanager
def computing_threads(count: int) -> Iterator[None]:
    """Let PyTorch compute with `count` threads inside the block, and with as many as before behind it.

    The number of threads decides in which order a sum is added up, so it is part of what a training's bits depend on.
    `EVERY_CORE` leaves the number as it is.
    """
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(count or before)
        yield
    finally:
        torch.set_num_threads(before)
