"""Images of several files behind one another, each of which stays where it is in memory."""

import bisect
import functools
import itertools
from dataclasses import dataclass

import numpy as np

from groupnl_deploy.images.dataset import Labels, Pixels
from groupnl_deploy.images.in_memory import InMemoryImages


@dataclass(frozen=True, eq=False)
class JoinedImages:
    """`LabelledImages` of parts, one after the other."""

    parts: tuple[InMemoryImages, ...]

    @functools.cached_property
    def labels(self) -> Labels:
        """int64 (N,)."""
        labels = np.concatenate([part.labels for part in self.parts])
        labels.setflags(write=False)
        return labels

    @functools.cached_property
    def _ends(self) -> list[int]:
        return list(itertools.accumulate(map(len, self.parts)))

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, index: int) -> Pixels:
        if not 0 <= index < len(self):
            raise IndexError(index)
        which = bisect.bisect_right(self._ends, index)
        return self.parts[which][index - self._ends[which]]
