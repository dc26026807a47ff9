"""AdamW (arXiv 1711.05101): the weight decay stands apart from the gradient, and is times the learning rate."""

from collections.abc import Mapping

import torch
from torch import nn

from groupnl_deploy.training.descent import Descent
from groupnl_deploy.training.recipe import Recipe


class AdamW(Descent):
    """Updates parameters by name. Its state are the means of gradients and of their squares. Args as `Descent`'s."""

    def __init__(
        self, parameters: Mapping[str, nn.Parameter], recipe: Recipe, factors: Mapping[str, float] | None = None
    ) -> None:
        betas = recipe.momentum, recipe.square_decay
        super().__init__(
            parameters,
            recipe,
            factors,
            lambda groups: torch.optim.AdamW(groups, recipe.lr, betas, recipe.optimiser_eps),
            {"momentum": "exp_avg", "square": "exp_avg_sq", "steps": "step"},
        )
