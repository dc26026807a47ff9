"""Stochastic gradient descent with momentum, weight decay and a limit on the gradient's norm."""

from collections.abc import Mapping

import torch
from torch import nn

from groupnl_deploy.training.descent import Descent
from groupnl_deploy.training.recipe import Recipe


class Sgd(Descent):
    """Updates parameters by name. Its state is their momentum. Args as `Descent`'s."""

    def __init__(
        self, parameters: Mapping[str, nn.Parameter], recipe: Recipe, factors: Mapping[str, float] | None = None
    ) -> None:
        super().__init__(
            parameters,
            recipe,
            factors,
            lambda groups: torch.optim.SGD(groups, recipe.lr, recipe.momentum, nesterov=recipe.nesterov),
            {"momentum": "momentum_buffer"},
        )
