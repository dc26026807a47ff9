"""Where and how a training is run: what no weight is meant to depend on, as plain data. Imports nothing slow."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from groupnl_deploy.errors import InvalidSetting
from groupnl_deploy.words import known_word

ComputeWord = Literal["auto", "cpu", "cuda"]
COMPUTES: tuple[ComputeWord, ...] = get_args(ComputeWord)
USUAL_SECONDS = 300.0


@dataclass(frozen=True, kw_only=True)
class Running:
    """How a training is run.

    Args:
        compute: "cpu", or "cuda" for a GPU; "auto" is a GPU where there is one.
        save_seconds: the state is saved in the middle of an epoch where so many have passed.
        save_steps: and after so many steps; None leaves that to the seconds.
        resume: go on from a state, and refuse to begin where there is none of this training.
        best: keep the weights that were best on the test images beside the last ones.
        data_parallel: one process computes on all GPUs (`torch.nn.DataParallel`), as the paper compares.
        tensorboard: the folder whose folder of the checkpoint's name gets the curves for TensorBoard.
    """

    compute: ComputeWord = "auto"
    save_seconds: float = USUAL_SECONDS
    save_steps: int | None = None
    resume: bool = False
    best: bool = False
    data_parallel: bool = False
    tensorboard: Path | None = None

    def __post_init__(self) -> None:
        known_word("processor", self.compute, COMPUTES)
        if self.save_seconds < 0:
            raise InvalidSetting(
                "{save_seconds} is below 0.", "Give seconds, such as {save_seconds} 300.", "save_seconds"
            )
        if self.save_steps is not None and self.save_steps < 1:
            raise InvalidSetting("{save_steps} is below 1.", "Give steps, such as {save_steps} 1000.", "save_steps")
