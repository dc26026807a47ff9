"""What every optimiser here has in common: groups of rates and decays, a limit on the gradient, a state by name."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler

from groupnl_deploy.training.recipe import Recipe

Groups = list[dict[str, Any]]


class Descent:
    """Updates parameters by name, by an optimiser of PyTorch's kind.

    Args:
        parameters: those that are learned.
        recipe: weight decay and on what it is, and the largest L2 norm of the whole gradient.
        factors: what the learning rate of each is multiplied by; 1 where none is given.
        make: the optimiser of groups of parameters, each with its weight decay.
        kept: what it keeps of a parameter, under our names.
    """

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        recipe: Recipe,
        factors: Mapping[str, float] | None,
        make: Callable[[Groups], torch.optim.Optimizer],
        kept: Mapping[str, str],
    ) -> None:
        self._parameters, self._clip_norm, self._kept = dict(parameters), recipe.clip_norm, kept
        groups: dict[tuple[float, float], list[nn.Parameter]] = {}
        for name, parameter in self._parameters.items():
            decayed = recipe.decay_vectors or parameter.dim() > 1
            kind = ((factors or {}).get(name, 1.0), recipe.weight_decay if decayed else 0.0)
            groups.setdefault(kind, []).append(parameter)
        self._factors = [factor for factor, _ in groups]
        self._optimiser = make([{"params": params, "weight_decay": decay} for (_, decay), params in groups.items()])

    def step(self, rate: float, scaler: GradScaler) -> None:
        """Follow the gradients of a loss that was scaled by `scaler` at this learning rate, then forget them."""
        scaler.unscale_(self._optimiser)
        if self._clip_norm is not None:
            nn.utils.clip_grad_norm_(self._parameters.values(), self._clip_norm)
        for group, factor in zip(self._optimiser.param_groups, self._factors, strict=True):
            group["lr"] = rate * factor
        scaler.step(self._optimiser)
        scaler.update()
        self._optimiser.zero_grad()

    def state(self) -> dict[str, Tensor]:
        """What is kept of every parameter, under a name such as "momentum." and the parameter's."""
        found = {
            f"{ours}.{name}": self._optimiser.state[parameter].get(theirs)
            for ours, theirs in self._kept.items()
            for name, parameter in self._parameters.items()
        }
        return {key: value for key, value in found.items() if value is not None}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Become the optimiser that gave this state; keys of others are left out of account."""
        for ours, theirs in self._kept.items():
            for name, parameter in self._parameters.items():
                value = state.get(f"{ours}.{name}")
                if value is not None:
                    self._optimiser.state[parameter][theirs] = _like(parameter, value)


def _like(parameter: Tensor, value: Tensor) -> Tensor:
    """A copy that lies as the parameter does, if it is of its shape; a count of steps lies on the CPU."""
    return torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape else value.detach().clone()
