"""Where in a network rounding grows: single beside double precision, module by module."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from device_agent.manifest import ROUNDING, Amplifier

# Relative to the spread of a module's output: a hundred and sixty roundings of float32. Ordinary layers stay below a
# tenth of it, and a network whose outputs are off by its tolerance has passed it before.
LARGE = 1e-5
WHOLE = "the network itself"
# Numbers of a tensor that are looked at, evenly spaced: whole maps of every layer would fill the memory.
_MOST = 1 << 14

Sample = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Seen:
    """One call of a module: some numbers of its first input and of its output."""

    module: str
    before: Sample
    after: Sample


class Network(Protocol):
    """A module, or what works like one."""

    def __call__(self, images: torch.Tensor, /) -> Any:
        """The outputs."""

    def named_modules(self) -> Iterator[tuple[str, nn.Module]]:
        """As of `nn.Module`."""


def find_amplifier(single: Network, double: Network, image: torch.Tensor) -> Amplifier:
    """The first module whose output is off by more than `LARGE`; else the one that multiplies the error most.

    Modules count in the order in which they end, so that a layer comes before the block around it.

    Args:
        single: the network.
        double: its copy in double precision.
        image: (1, C, H, W) in single precision.
    """
    pairs = list(zip(_watched(single, image), _watched(double, image.double()), strict=False))
    found = [
        Amplifier(one.module, _off(one.before, two.before), _off(one.after, two.after))
        for one, two in pairs
        if one.module == two.module  # a network that chooses its way by its numbers may take another one
    ]
    large = (step for step in found if step.after > LARGE)
    return next(large, None) or max(found, key=lambda step: _own_gain(step, found))


def _own_gain(step: Amplifier, steps: list[Amplifier]) -> float:
    """By how much the error grows in a module itself: beyond its input and the modules inside."""
    prefix = "" if step.module == WHOLE else f"{step.module}."
    inside = [other.after for other in steps if other is not step and other.module.startswith(prefix)]
    return step.after / max(step.before, *inside, ROUNDING)


def where_it_fails(model: Network, images: torch.Tensor) -> str | None:
    """The innermost module that is at work when the network fails; "" for the network itself, None if it does not."""
    open_: list[str] = []

    def enter(name: str) -> Callable[..., None]:
        return lambda *_: open_.append(name)

    def leave(*_: Any) -> None:
        open_.pop()

    handles = [module.register_forward_pre_hook(enter(name)) for name, module in model.named_modules()]
    handles += [module.register_forward_hook(leave) for _, module in model.named_modules()]
    try:
        with torch.inference_mode():
            model(images)
    except Exception:  # the one that is being explained
        return open_[-1] if open_ else ""
    finally:
        for handle in handles:
            handle.remove()
    return None


def _watched(model: Network, image: torch.Tensor) -> list[_Seen]:
    seen: list[_Seen] = []
    with _hooks(model, seen):
        model(image)
    return seen


@contextmanager
def _hooks(model: Network, seen: list[_Seen]) -> Iterator[None]:
    """Watch all modules; an input is looked at before a module works, as one that works in place changes it."""
    waiting: list[Sample | None] = []

    def enter(_: nn.Module, inputs: Any) -> None:
        readable = inputs and isinstance(inputs[0], torch.Tensor)
        waiting.append(_sample(inputs[0]) if readable else None)

    def leave(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def look(_: nn.Module, inputs: Any, output: Any) -> None:
            before = waiting.pop()
            if before is not None and isinstance(output, torch.Tensor):
                seen.append(_Seen(name, before, _sample(output)))

        return look

    modules = [(name or WHOLE, module) for name, module in model.named_modules()]
    handles = [module.register_forward_pre_hook(enter) for _, module in modules]
    handles += [module.register_forward_hook(leave(name)) for name, module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _sample(tensor: torch.Tensor) -> Sample:
    flat = tensor.reshape(-1)
    numbers: Sample = flat[:: max(1, len(flat) // _MOST)].double().numpy().copy()
    return numbers


def _off(single: Sample, double: Sample) -> float:
    """Root mean square of the difference, over the spread."""
    spread = double.std() or np.abs(double).max() or 1.0
    return float(np.nan_to_num(np.sqrt(np.mean((single - double) ** 2)) / spread))
