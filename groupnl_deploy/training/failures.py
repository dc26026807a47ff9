"""What ends a training in the middle, told so that somebody can mend it: a loss that is no number, and no memory."""

from collections.abc import Sequence

import torch

from groupnl_deploy.errors import GroupNLError, TrainingDiverged, says_no_memory
from groupnl_deploy.images.dataset import LabelledImages
from groupnl_deploy.training.plan import Plan
from groupnl_deploy.training.state import TrainingJob
from groupnl_deploy.words import first_few

_NAMED = 8  # images


class OutOfMemory(GroupNLError):
    """A step needs more memory than there is."""


def batch_names(images: LabelledImages, indices: Sequence[int]) -> str:
    """The files of a batch, or the numbers of its images where they lie in none; "" for no images."""
    if not indices:
        return ""
    names = getattr(images, "names", None)
    named = [str(index) if names is None else str(names[index]) for index in indices]
    return f"{'images' if names is None else 'files'} {first_few(named, _NAMED)}"


def diverged(job: TrainingJob, loss: float, where: str, batch: str, kept: str | None) -> TrainingDiverged:
    """Of a loss that is no number.

    Args:
        job: the training.
        loss: what it became.
        where: in which step.
        batch: on which images, where that is known, else "".
        kept: where the last good state lies and of what it is, where one is kept.
    """
    on = f", on {batch}" if batch else ""
    return TrainingDiverged(
        f"The training of {job.spec.label} diverged: the loss became {loss} {where}{on}.",
        _gentler(job) + (f" The last good state, after {kept}, is kept." if kept else ""),
    )


def _gentler(job: TrainingJob) -> str:
    """What to change of a training that diverged."""
    recipe = job.recipe
    if recipe.clip_norm is None:
        return f"Limit the gradient, --set clip_norm=1, or learn more slowly, such as --lr {recipe.lr / 10:g}."
    released = ", or take GroupNL as released" if job.spec.conv.semantics == "paper" else ""
    return (
        f"Learn more slowly, such as --lr {recipe.lr / 10:g}, or limit the gradient more, such as "
        f"--set clip_norm={recipe.clip_norm / 10:g}{released}."
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there is no memory, of the CPU or a GPU."""
    return says_no_memory(error) or isinstance(error, torch.OutOfMemoryError)


def out_of_memory(job: TrainingJob, plan: Plan, fits: int | None) -> OutOfMemory:
    """Of a step for which there is no memory.

    Args:
        job: the training.
        plan: of its steps.
        fits: images at once for which there was enough when that was tried; None for none.
    """
    message = _no_memory(job, plan)
    if fits is None:
        return OutOfMemory(message, "Not even two images fit: take a narrower network or smaller images.")
    parts = -(-plan.batch_size // fits)
    return OutOfMemory(
        message,
        f"{fits} were tried and fit: --batch-size {fits}, or the same steps in parts, --accumulate {parts}.",
    )


def out_of_memory_together(job: TrainingJob, plan: Plan) -> OutOfMemory:
    """Of a step of several processes, in which no process can try alone what fits."""
    return OutOfMemory(
        _no_memory(job, plan),
        f"Take smaller batches, the same in parts (--accumulate {2 * plan.parts}), or fewer processes on a machine.",
    )


def _no_memory(job: TrainingJob, plan: Plan) -> str:
    at_once = -(-plan.batch_size // plan.parts)
    return f"There is no memory for {at_once} images of {job.spec.label} at once."
