"""What an artifact says that is no network to be asked, but a step of a training to be measured.

Standard library only.
"""

from dataclasses import dataclass
from typing import Literal, get_args

StepKind = Literal["train", "optimise", "score"]
StepOptimiser = Literal["sgd", "adamw", "rmsprop"]
STEP_OPTIMISERS: tuple[StepOptimiser, ...] = get_args(StepOptimiser)
STEP_INPUTS = ("images", "labels")


@dataclass(frozen=True)
class TrainingStep:
    """A step on a batch: of a network that is trained, or of one with all candidates for growth.

    Args:
        kind: "train" lets all weights learn, "optimise" the candidates (GEARnn's step A), "score" adds up their slopes
            (step B).
        optimiser: of "train".
        k_new: candidates for new channels of each layer; 0 for "train".
        bundles: numbers of those that grow, as the network's wiring counts them; none for "train".

    Raises `ValueError` for what contradicts itself.
    """

    kind: StepKind
    optimiser: StepOptimiser = "sgd"
    k_new: int = 0
    bundles: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if (self.kind == "train") != (not self.bundles) or self.k_new < 0 or (self.kind == "train" and self.k_new):
            raise ValueError(f"{self} is no step: candidates belong to growth, and growth has some")

    @property
    def called(self) -> str:
        """As labels have it."""
        return {"train": "training step", "optimise": "growth, step A", "score": "growth, step B"}[self.kind]
