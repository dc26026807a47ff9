"""Where a network asks for the value of something that its input decides, and so takes one way of several.

A tracer records one run, and with it one branch, one number of rounds of a loop, one number that was taken out of a
tensor. It warns of every such place; but it warns of sizes as well, which are what they are whatever the image shows.
Here the network runs once more with an input that is followed: whatever is computed from it is known by its type.
"""

import contextlib
import linecache
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.jit._trace import TracerWarning

from exporters.errors import ExportFailed

Place = tuple[str, int]
"""A file and a line."""

# What turns a tensor's value into a number or a truth of Python.
_ASKING = frozenset({"__bool__", "__int__", "__float__", "__index__", "__complex__", "item", "tolist", "numpy"})
_LONGEST_LINE = 80
_TORCH = str(Path(torch.__file__).parent)


def _places_asked(model: nn.Module, example: torch.Tensor) -> list[Place]:
    """Where values were asked for that are computed from the input; what happened before it failed, where it did."""
    asked: list[Place] = []

    class Followed(torch.Tensor):
        """A tensor that is computed from the input: PyTorch gives every result the type of its arguments."""

        @classmethod
        def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if getattr(func, "__name__", "") in _ASKING and isinstance(args[0], Followed):
                asked.append(_caller())
            return super().__torch_function__(func, types, args, kwargs or {})  # type: ignore[no-untyped-call]

    with torch.no_grad(), contextlib.suppress(Exception):  # it has run before, and is not judged here
        model(example.as_subclass(Followed))
    return asked


def _caller() -> Place:
    """The nearest line that is neither PyTorch's nor of this file."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_code.co_filename.startswith((_TORCH, __file__)):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


def asked_in_trace(model: nn.Module, example: torch.Tensor) -> list[Place]:
    """Where PyTorch's tracer sees a value being asked for; nothing where it cannot follow the network at all."""
    with warnings.catch_warnings(record=True) as said, contextlib.suppress(Exception):
        warnings.simplefilter("always")
        torch.jit.trace(model, example, check_trace=False)  # type: ignore[no-untyped-call]
    return [(one.filename, one.lineno) for one in said if issubclass(one.category, TracerWarning)]


def require_one_way(model: nn.Module, example: torch.Tensor, warned: Iterable[Place]) -> None:
    """Raise `ExportFailed` where one of the places that a tracer warned of asks for what the input decides.

    Args:
        model: in evaluation mode.
        example: an input.
        warned: where the tracer saw a value being asked for.
    """
    places = set(warned)
    if not places:
        return
    found = next((place for place in _places_asked(model, example) if place in places), None)
    if found is not None:
        file, line = Path(found[0]).name, linecache.getline(*found).strip()[:_LONGEST_LINE]
        raise ExportFailed(
            f"What the network computes depends on the image at {file}, line {found[1]} ({line}), and a graph holds "
            "one way alone, the one that was taken when it was recorded.",
            "Write both ways as tensors and choose by torch.where, or put a check behind "
            "`if not torch.jit.is_tracing()`.",
        )
