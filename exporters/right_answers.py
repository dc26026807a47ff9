"""What an exported model is judged against: right answers to real inputs, output by output.

Beside them stands what the source in single precision is off by. That is rounding alone, and nobody can ask an exported
model to round less.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from device_agent.manifest import Amplifier

Array = npt.NDArray[Any]
Tensors = Mapping[str, Array]
"""One run: an array for each input, or each output, by its name."""
Runs = Sequence[Array] | Array
"""An array for each run, of one output; several rows are as many runs."""


@dataclass(frozen=True)
class Answers:
    """The right answers of one output.

    Args:
        values: one array for each run; in double precision, or whole numbers and truth values as they are.
        alone: how many of the runs are of one sample; what is behind them is of several at once.
        spread: the standard deviation of the answers to single samples.
        eager_error: max |Δ| of the source in single precision; 0 for what is not rounded.
        single: for what is not rounded, the source's own answers in single precision: a number that rounding decides
            may come out either way.
        dtype: of the source's own answers, as NumPy calls it.
        apart: mean |Δ| between two ways to compute it, of the sample where it is largest; asked of quantized graphs.
    """

    values: tuple[Array, ...]
    alone: int
    spread: float
    eager_error: float
    single: tuple[Array, ...] = ()
    dtype: str = "float32"
    apart: float = 0.0

    @property
    def rows(self) -> Array:
        """(M, …): the answers of all runs, one below the other."""
        return np.concatenate(self.values)

    @property
    def is_exact(self) -> bool:
        """Whether it has whole numbers or truth values, which are right or wrong and never nearly right."""
        return self.values[0].dtype.kind in "biu"

    @property
    def is_scores(self) -> bool:
        """Whether a sample's answer is one number for each of several classes, of which the largest counts."""
        shape = self.values[0].shape
        return not self.is_exact and len(shape) == 2 and shape[0] == 1 and shape[1] > 1


@dataclass(frozen=True)
class Reference:
    """What is asked, and the right answers to it.

    Args:
        samples: inputs for one answer each.
        batches: how many of them are computed at once: first each alone, then the last so many.
        outputs: the right answers by output, in the graph's order.
        computed: in double precision; or, where nothing computes the source so, as it is in single precision.
        quantized: whether its numbers are rounded to whole steps on the way, which processors do differently.
        amplifier: where rounding grows, if it decides what is allowed.
        wider: the same on more samples, for what looks wrong though it is within the tolerance; computed when it is
            asked for.
    """

    samples: tuple[Tensors, ...]
    batches: tuple[int, ...]
    outputs: Mapping[str, Answers]
    computed: Literal["float64", "float32"] = "float64"
    quantized: bool = False
    amplifier: Amplifier | None = None
    wider: Callable[[], "Reference"] | None = None

    @property
    def main(self) -> Answers:
        """Those of the first output; a checkpoint's network has no other."""
        return next(iter(self.outputs.values()))

    @property
    def runs(self) -> Iterator[Tensors]:
        """What is computed at once, one after the other."""
        return runs_of(self.samples, self.batches)


def runs_of(samples: Sequence[Tensors], batches: tuple[int, ...]) -> Iterator[Tensors]:
    """Each sample alone, and for every other number in `batches` so many at once, from the last ones back."""
    for batch in batches:
        if batch == 1:
            yield from samples
        else:
            last = samples[-batch:]
            yield _joined([last[index % len(last)] for index in range(batch)])


def _joined(samples: list[Tensors]) -> Tensors:
    return {name: np.concatenate([sample[name] for sample in samples]) for name in samples[0]}


def samples_of(name: str, rows: Array) -> tuple[Tensors, ...]:
    """(N, …) → N samples of one input."""
    return tuple({name: rows[index : index + 1]} for index in range(len(rows)))


def spread_of(values: Runs) -> float:
    """The standard deviation over all numbers of some answers."""
    return float(np.concatenate([value.ravel() for value in values]).std())


def most_off(right: Runs, found: Runs) -> float:
    """max |Δ| of answers of the same shapes; NaN where a number is none."""
    pairs = zip(right, found, strict=True)
    return float(np.max([np.abs(one.astype(np.float64) - two).max() for one, two in pairs if one.size], initial=0.0))


def worst_mean(right: Runs, found: Runs) -> float:
    """The largest mean |Δ| of a run."""
    pairs = zip(right, found, strict=True)
    return float(np.max([np.abs(one.astype(np.float64) - two).mean() for one, two in pairs if one.size], initial=0.0))
