"""Which images a step is made of, in which part and on which process, and what each draws its randomness from. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from groupnl_deploy.training.drawing import seed_of


@dataclass(frozen=True)
class Plan:
    """How the images of an epoch become steps.

    A step has a batch of each process, and a batch has parts that are computed one after the other. Part i of process
    r is the same, with the same draws, as part r of a batch that one process computes in as many parts.

    Args:
        images: in an epoch.
        batch_size: images a step of one process.
        parts: of each batch.
        processes: that compute a step together.
    """

    images: int
    batch_size: int
    parts: int = 1
    processes: int = 1

    @property
    def step_images(self) -> int:
        """Images of a whole step, of all processes."""
        return self.batch_size * self.processes

    @property
    def all_parts(self) -> int:
        """Of a step, over all processes."""
        return self.parts * self.processes

    @property
    def steps(self) -> int:
        """In an epoch. A last step that has not two images for each part is left out: one has no batch statistics."""
        whole, rest = divmod(self.images, self.step_images)
        return whole + (rest >= 2 * self.all_parts)

    def steps_done(self, images: int) -> int:
        """How many of an epoch's steps were done when so many of its images were."""
        return min(self.steps, -(-images // self.step_images))

    def images_done(self, steps: int) -> int:
        """The other way round."""
        return min(self.images, steps * self.step_images)

    def indices(self, order: Tensor, step: int, part: int) -> list[int]:
        """The images of one part of a step, by their place among `all_parts`."""
        of_step = order[step * self.step_images : (step + 1) * self.step_images]
        return [int(index) for index in torch.tensor_split(of_step, self.all_parts)[part].tolist()]

    def of_process(self, rank: int) -> Iterator[int]:
        """The parts of a step that a process computes, in their order."""
        return (part * self.processes + rank for part in range(self.parts))


def order_of(seed: int, epoch: int, images: int) -> Tensor:
    """The shuffled indices of an epoch, counted from 0."""
    return torch.randperm(images, generator=torch.Generator().manual_seed(seed_of(seed, epoch)))
