"""Stochastic gradient descent with momentum, weight decay and a limit on the gradient's norm."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler

from groupnl_deploy.training.recipe import Recipe


class Sgd:
    """Updates parameters by name. Its state is their momentum.

    Args:
        parameters: those that are learned.
        recipe: momentum, weight decay and on what it is, and the largest L2 norm of the whole gradient.
        factors: what the learning rate of each is multiplied by; 1 where none is given.
    """

    def __init__(
        self, parameters: Mapping[str, nn.Parameter], recipe: Recipe, factors: Mapping[str, float] | None = None
    ) -> None:
        self._parameters, self._clip_norm = dict(parameters), recipe.clip_norm
        groups: dict[tuple[float, float], list[nn.Parameter]] = {}
        for name, parameter in self._parameters.items():
            decayed = recipe.decay_vectors or parameter.dim() > 1
            kind = ((factors or {}).get(name, 1.0), recipe.weight_decay if decayed else 0.0)
            groups.setdefault(kind, []).append(parameter)
        self._factors = [factor for factor, _ in groups]
        grouped = [{"params": params, "weight_decay": decay} for (_, decay), params in groups.items()]
        self._sgd = torch.optim.SGD(grouped, recipe.lr, recipe.momentum)

    def step(self, rate: float, scaler: GradScaler) -> None:
        """Follow the gradients of a loss that was scaled by `scaler` at this learning rate, then forget them."""
        scaler.unscale_(self._sgd)
        if self._clip_norm is not None:
            nn.utils.clip_grad_norm_(self._parameters.values(), self._clip_norm)
        for group, factor in zip(self._sgd.param_groups, self._factors, strict=True):
            group["lr"] = rate * factor
        scaler.step(self._sgd)
        scaler.update()
        self._sgd.zero_grad()

    def state(self) -> dict[str, Tensor]:
        """The momentum of every parameter that has any, under "momentum." and its name."""
        found = {name: self._sgd.state[value].get("momentum_buffer") for name, value in self._parameters.items()}
        return {f"momentum.{name}": momentum for name, momentum in found.items() if momentum is not None}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Become the optimiser that gave this state; keys of others are left out of account."""
        for name, parameter in self._parameters.items():
            momentum = state.get(f"momentum.{name}")
            if momentum is not None:
                self._sgd.state[parameter]["momentum_buffer"] = torch.empty_like(parameter).copy_(momentum)
