"""A network that learns: everything that a step changes, on whatever it is computed."""

import contextlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from groupnl_deploy.images.dataset import Statistics
from groupnl_deploy.images.preprocessing import as_input
from groupnl_deploy.images.source import Shape
from groupnl_deploy.training.failures import is_out_of_memory
from groupnl_deploy.training.method import augmentation_of, loss_of, mixing_of, optimiser_of
from groupnl_deploy.training.ranks import Ranks
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.stages import learning_factors

Part = Callable[[], tuple[Tensor, Tensor]]
"""Gives pixels, uint8 (N, C, H', W'), and labels, int64 (N,), of a part of a batch when its turn comes."""

_Tensors = tuple[Tensor, ...] | list[Tensor]
_DISTRIBUTED = inspect.signature(nn.parallel.DistributedDataParallel).parameters
_BUFFERS_TRAVEL = "forward_sync_buffers" if "forward_sync_buffers" in _DISTRIBUTED else "broadcast_buffers"
_MODEL, _AVERAGE, _SCALE = "model.", "average.", "scale."
_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Learner:
    """A network, its optimiser, the scale of its loss and the average of its weights.

    Args:
        model: the network, whose parameters that shall not learn are frozen already.
        recipe: how it learns.
        num_classes: of the images.
        shape: (C, H, W) that it takes.
        ranks: the processes that compute a step together.
        data_parallel: let this one process compute on all GPUs (`torch.nn.DataParallel`), as the paper compares.
        own: the network is the user's own code, and may have parameters that no output depends on.
    """

    def __init__(
        self,
        model: nn.Module,
        recipe: Recipe,
        num_classes: int,
        shape: Shape,
        ranks: Ranks,
        data_parallel: bool = False,
        own: bool = False,
    ) -> None:
        self._ranks, self._recipe = ranks, recipe
        # Not on a CPU, though it trains a fifth faster there: PyTorch 2.13's backward writes past its buffers in that
        # layout where a batch is odd and a layer narrow (8 channels, batch 29: heap corrupted).
        last = recipe.channels_last and ranks.device.type == "cuda"
        self._format = torch.channels_last if last else torch.contiguous_format
        self.model: nn.Module = model.to(device=ranks.device)
        self.model.to(memory_format=self._format)  # type: ignore[call-overload]  # which torch documents
        learnable = {name: value for name, value in model.named_parameters() if value.requires_grad}
        factors = learning_factors(model, recipe.lr_decay_by_depth)
        self._optimiser = optimiser_of(recipe, learnable, factors)
        self._augment = augmentation_of(recipe, shape)
        self._mix, self._loss = mixing_of(recipe, num_classes), loss_of(recipe)
        self._scaler = GradScaler(ranks.device.type, enabled=recipe.precision == "fp16")
        self._average = None if recipe.ema_decay is None else _average_of(model, recipe.ema_decay)
        self._forward = _wrapped(model, recipe, ranks, data_parallel, own)

    @property
    def tested(self) -> nn.Module:
        """The network that is tested and kept: the average where there is one."""
        return self.model if self._average is None else self._average.module

    def learn(self, parts: Sequence[Part], seeds: Sequence[int], statistics: Statistics, rate: float) -> float:
        """One step. Returns the mean loss of its parts, which is no number where the training has diverged.

        Args:
            parts: of a batch.
            seeds: of everything random in each part.
            statistics: how pixels become inputs.
            rate: the learning rate.
        """
        total = 0.0
        for number, (part, seed) in enumerate(zip(parts, seeds, strict=True), start=1):
            with contextlib.nullcontext() if number == len(parts) else self._unsynchronised():
                total += self._backward(*part(), seed, statistics, 1 / len(parts))
        self._optimiser.step(rate, self._scaler)
        if self._average is not None:
            self._average.update_parameters(self.model)
        return total / len(parts)

    def _backward(self, images: Tensor, labels: Tensor, seed: int, statistics: Statistics, share: float) -> float:
        torch.manual_seed(seed)  # of layers that draw; on every device
        generator = torch.default_generator
        inputs = as_input(self._augment(images, generator).to(self._ranks.device), *statistics)
        inputs, targets = self._mix(inputs, labels.to(self._ranks.device), generator)
        inputs = inputs.contiguous(memory_format=self._format)
        with self._precision():
            logits = self._forward(inputs)
        loss: Tensor = self._loss(logits.float(), targets)
        torch.autograd.backward(self._scaler.scale(loss * share))
        return loss.item()

    def most_that_fit(self, images: Tensor, labels: Tensor, statistics: Statistics) -> int | None:
        """How many of a part's images there is memory for, by halving and trying; None where not for two."""
        count = len(images) // 2
        while count >= 2:
            try:
                self._backward(images[:count], labels[:count], 0, statistics, 1.0)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                count //= 2
            else:
                return count
        return None

    def _precision(self) -> torch.autocast:
        dtype = _TYPES[self._recipe.precision]
        return torch.autocast(self._ranks.device.type, dtype, enabled=dtype is not torch.float32)

    def _unsynchronised(self) -> contextlib.AbstractContextManager[None]:
        """The gradients of a step travel once, with its last part."""
        if self._ranks.size == 1:
            return contextlib.nullcontext()
        waiting: contextlib.AbstractContextManager[None] = self._forward.no_sync()  # type: ignore[operator]
        return waiting

    def state(self) -> dict[str, Tensor]:
        """Copies, on the CPU, of all that the next step depends on."""
        tensors = {f"{_MODEL}{key}": value for key, value in self.model.state_dict().items()}
        tensors |= self._optimiser.state()
        if self._average is not None:
            tensors |= {f"{_AVERAGE}{key}": value for key, value in self._average.state_dict().items()}
        if self._scaler.is_enabled():
            scale = self._scaler.state_dict()
            tensors |= {f"{_SCALE}{key}": torch.tensor(scale[key], dtype=torch.float64) for key in _SCALE_KEYS}
        return copied(tensors)

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Become the learner that gave this state."""
        self.model.load_state_dict(_below(_MODEL, state))
        self._optimiser.restore(state)
        if self._average is not None:
            self._average.load_state_dict(_below(_AVERAGE, state))
        scale = _below(_SCALE, state)
        if scale and self._scaler.is_enabled():
            self._scaler.load_state_dict(
                self._scaler.state_dict() | {key: _SCALE_KEYS[key](value.item()) for key, value in scale.items()}
            )


_SCALE_KEYS: dict[str, Callable[[float], float]] = {"scale": float, "_growth_tracker": int}
"""Of GradScaler's state, what changes; the others are its settings."""


def copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """On the CPU, as they are now."""
    return {key: value.detach().to("cpu", copy=True) for key, value in tensors.items()}


def _below(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


def _average_of(model: nn.Module, decay: float) -> AveragedModel:
    """The first step's weights, then `decay` of what it was and the rest of what the weights are; so of statistics.

    Whole numbers, such as counts and indices, are as they are now.
    """
    average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]

    def averaging(averages: _Tensors, now: _Tensors, updates: Tensor | int) -> None:
        if averages[0].is_floating_point():  # those of one call are of one type
            average(averages, now, updates)
        else:
            for kept, value in zip(averages, now, strict=True):
                kept.copy_(value)

    return AveragedModel(model, multi_avg_fn=averaging, use_buffers=True)


def _wrapped(model: nn.Module, recipe: Recipe, ranks: Ranks, data_parallel: bool, own: bool) -> nn.Module:
    """What a step calls in place of the network; its parameters are the network's own.

    Statistics of batches do not travel: those of the first process are kept.
    """
    network = cast(nn.Module, torch.compile(model)) if recipe.compile else model
    if data_parallel:
        return nn.DataParallel(network)
    if ranks.size == 1:
        return network
    places = [ranks.device.index] if ranks.device.type == "cuda" else None
    model.load_state_dict(ranks.from_first(model.state_dict()))
    # They have the first one's state already, and DDP's own sending knows no buffers of some types.
    options: dict[str, Any] = {_BUFFERS_TRAVEL: False, "init_sync": False, "find_unused_parameters": own}
    return nn.parallel.DistributedDataParallel(network, device_ids=places, **options)
