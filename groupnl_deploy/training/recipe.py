"""How a network is trained, as plain data."""

import math
from dataclasses import dataclass, replace

from groupnl_deploy.errors import InvalidSetting

MOST_THREADS = 1024


class InvalidRecipe(InvalidSetting, ValueError):
    """A number in a recipe trains nothing; a `ValueError` too, so that strict decoding names its place."""


@dataclass(frozen=True)
class Recipe:
    """SGD with momentum, a linear warm-up, then a cosine to zero; gradients clipped; images shifted at random.

    With the defaults ResNet-18 at width 0.25 read 98.3 to 99.7 % of the test digits, over three seeds of the
    standard net and of GroupNL's two semantics. The batch is small because steps, not images, are what so
    short a training lacks.

    Args:
        epochs: passes over the training images.
        batch_size: images a step.
        lr: the learning rate after the warm-up.
        momentum: of SGD.
        weight_decay: L2 penalty of SGD, on every learnable parameter.
        clip_norm: largest L2 norm of the whole gradient, None for no limit. Without a limit GroupNL nets of
            the paper's semantics (seed maps not normalised) diverge to NaN.
        warmup_epochs: the learning rate rises linearly over this many epochs.
        max_shift_pixels: each training image moves by up to this many pixels in both directions. There is
            no mirroring: a mirrored digit is no digit.
        seed: of shuffling and shifting. The network's own seed is in its spec.
        threads: that PyTorch computes with. Their number decides the order in which sums are added up, and so the last
            bits of every weight. As a part of the recipe it keeps the weights from depending on how many cores there
            are and what else they compute. 0 is as many as PyTorch takes by itself; then they do depend on it.
    """

    epochs: int = 5
    batch_size: int = 32
    lr: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 5e-4
    clip_norm: float | None = 1.0
    warmup_epochs: float = 0.5
    max_shift_pixels: int = 1
    seed: int = 0
    threads: int = 1

    def __post_init__(self) -> None:
        _require(self.epochs >= 1, "epochs", self.epochs, "at least 1")
        _require(self.batch_size >= 2, "batch_size", self.batch_size, "at least 2, for batch normalisation")
        _require(_positive(self.lr), "lr", self.lr, "a positive number")
        _require(0 <= self.momentum < 1, "momentum", self.momentum, "at least 0 and below 1")
        _require(_zero_or_more(self.weight_decay), "weight_decay", self.weight_decay, "at least 0")
        _require(self.clip_norm is None or _positive(self.clip_norm), "clip_norm", self.clip_norm, "a positive number")
        _require(_zero_or_more(self.warmup_epochs), "warmup_epochs", self.warmup_epochs, "at least 0")
        _require(self.max_shift_pixels >= 0, "max_shift_pixels", self.max_shift_pixels, "at least 0")
        _require(0 <= self.threads <= MOST_THREADS, "threads", self.threads, f"between 0 and {MOST_THREADS:,}")

    @classmethod
    def with_defaults(cls, epochs: int | None, seed: int = 0, threads: int = 1) -> "Recipe":
        """The default recipe with this seed, so many threads and, unless None, this many epochs."""
        recipe = cls(seed=seed, threads=threads)
        return recipe if epochs is None else replace(recipe, epochs=epochs)


def _positive(value: float) -> bool:
    return math.isfinite(value) and value > 0


def _zero_or_more(value: float) -> bool:
    return math.isfinite(value) and value >= 0


def _require(holds: bool, name: str, value: float | None, wanted: str) -> None:
    if not holds:
        raise InvalidRecipe(f"The recipe's {name} is {value}.", f"It must be {wanted}.", name)
