"""Libraries that draw from generators of the whole process, made to draw from one seed, and nothing left of it."""

import contextlib
import hashlib
import random
from collections.abc import Iterator

import numpy as np
import torch
from torch import Generator

_SEEDS = 2**32  # NumPy takes no larger ones
_SEED_BYTES = 8


@contextlib.contextmanager
def drawing_from(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Inside, Python, NumPy and PyTorch draw as after this seed; afterwards they go on as before.

    timm's RandAugment draws from Python and NumPy, its mixup from NumPy, its erasing from Python and PyTorch.

    Args:
        seed: of all three.
        device: whose numbers PyTorch draws as well, beside the CPU's.
    """
    python, numpy_ = random.getstate(), np.random.get_state()
    cards = [device] if device is not None and device.type == "cuda" else []
    with torch.random.fork_rng(devices=cards):
        try:
            random.seed(seed)
            np.random.seed(seed % _SEEDS)
            torch.default_generator.manual_seed(seed)
            for card in cards:
                with torch.cuda.device(card):
                    torch.cuda.manual_seed(seed)
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy_)


def drawn_seed(generator: Generator) -> int:
    """A seed for `drawing_from`: one draw from a generator."""
    return int(torch.randint(_SEEDS, (), generator=generator))


def seed_of(*parts: int) -> int:
    """A seed of what is random at one place of a training, such as an epoch, a step and a part of its batch.

    So a training that goes on needs no generator's state, and no process has to know what another one has drawn. The
    same numbers, from 0 on, give the same seed; others, or more of them, another one.
    """
    text = " ".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:_SEED_BYTES]) >> 1  # PyTorch takes 63 bits
