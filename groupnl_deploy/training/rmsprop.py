"""RMSprop as TensorFlow has it, by timm: ε under the root, squares that begin at 1, the rate inside the momentum."""

from collections.abc import Mapping

from torch import nn

from groupnl_deploy.training.descent import Descent
from groupnl_deploy.training.from_timm import timm_module
from groupnl_deploy.training.recipe import Recipe


class RmspropTf(Descent):
    """Updates parameters by name. Its state are their momentum and the means of squared gradients. Args as `Descent`'s.

    Raises `UsageError` where timm is not there.
    """

    def __init__(
        self, parameters: Mapping[str, nn.Parameter], recipe: Recipe, factors: Mapping[str, float] | None = None
    ) -> None:
        make = timm_module("timm.optim").RMSpropTF
        super().__init__(
            parameters,
            recipe,
            factors,
            lambda groups: make(
                groups,
                recipe.lr,
                alpha=recipe.square_decay,
                eps=recipe.optimiser_eps,
                momentum=recipe.momentum,
                lr_in_momentum=True,
            ),
            {"momentum": "momentum_buffer", "square": "square_avg", "steps": "step"},
        )
