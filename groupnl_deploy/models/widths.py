"""Convolutions with widths of their own: a grown or a pruned network.

The plain network runs once, without values, and each layer is made to fit the channels that arrive. A convolution
writes as many channels as it is given, else as many as in the plain network. A depthwise convolution, a BatchNorm, a
gate and a linear layer follow. Nothing else changes: a shortcut stays, so what is added must be equally wide.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from groupnl_deploy.models.refusal import InvalidSpec

_SUMS = {"add", "sub"}
_EQUAL = "Give convolutions whose outputs meet in a sum the same width, those before a shortcut included."
_OTHER = "Choose other widths, or an input that the plain network takes."


class Gate(nn.Module):
    """A module that scales its input: the convolution `last` inside it writes as many channels as it is given."""

    last: ClassVar[str]


@dataclass(frozen=True)
class Width:
    """Of one layer: channels it takes, channels it writes, and groups; a linear layer and a BatchNorm have one."""

    taken: int
    written: int
    groups: int = 1

    @classmethod
    def of(cls, layer: nn.Module) -> "Width":
        """As it stands."""
        if isinstance(layer, nn.Conv2d):
            return cls(layer.in_channels, layer.out_channels, layer.groups)
        if isinstance(layer, nn.Linear):
            return cls(layer.in_features, layer.out_features)
        assert isinstance(layer, nn.BatchNorm2d)
        return cls(layer.num_features, layer.num_features)

    def resize(self, layer: nn.Module) -> nn.Module:
        """A new layer of this width, else as the given one; its weights are drawn as PyTorch draws them."""
        if isinstance(layer, nn.Conv2d):
            bias = layer.bias is not None
            return nn.Conv2d(self.taken, self.written, groups=self.groups, bias=bias, **geometry_arguments(layer))
        if isinstance(layer, nn.Linear):
            return nn.Linear(self.taken, self.written, layer.bias is not None)
        return nn.BatchNorm2d(self.taken)


def resize(network: nn.Module, sketch: nn.Module, widths: Mapping[str, int], input_shape: tuple[int, ...]) -> None:
    """Give convolutions of a plain network other widths, in place.

    Args:
        network: of ordinary convolutions.
        sketch: the same on the "meta" device, which is used up.
        widths: output channels by the convolution's dotted name.
        input_shape: of one image.

    Raises `InvalidSpec`, which names the layer, for a name that is no convolution's and for widths that do not fit.
    """
    _require_names(network, widths)
    for name, width in _Fitting(sketch.eval(), widths).of_an_image(input_shape).items():
        layer = network.get_submodule(name)
        if width != Width.of(layer):
            network.set_submodule(name, width.resize(layer))


def conv_widths(network: nn.Module) -> dict[str, int]:
    """The output channels of every ordinary convolution, by its dotted name."""
    return {name: module.out_channels for name, module in network.named_modules() if isinstance(module, nn.Conv2d)}


def geometry_arguments(conv: nn.Conv2d) -> dict[str, Any]:
    """What gives another `nn.Conv2d` the same kernel, stride, padding, dilation and padding mode."""
    return {name: getattr(conv, name) for name in ("kernel_size", "stride", "padding", "dilation", "padding_mode")}


def _require_names(network: nn.Module, widths: Mapping[str, int]) -> None:
    known = conv_widths(network)
    for name in widths:
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1, cutoff=0)
            remedy = f"Did you mean {nearest[0]}? `groupnl models show` lists all." if nearest else "Leave it out."
            raise InvalidSpec(f"widths has “{name}”, which is no convolution of the plain network", remedy, "widths")


def _hand_on(input: Tensor) -> Tensor:
    return input


class _Fitting(TorchFunctionMode):
    """Makes each layer fit as it is called, and sees what is added."""

    def __init__(self, sketch: nn.Module, widths: Mapping[str, int]) -> None:
        super().__init__()
        self._sketch, self._widths = sketch, widths
        self._gated: dict[str, int] = {}  # the last convolutions of gates that are being called
        self._inside: list[str] = []  # the modules that are being called, from the outermost
        self._found: dict[str, Width] = {}

    def of_an_image(self, input_shape: tuple[int, ...]) -> dict[str, Width]:
        """The width of every layer that has one."""
        for name, module in self._sketch.named_modules():
            module.register_forward_pre_hook(partial(self._enter, name))
            module.register_forward_hook(self._leave)
            if isinstance(module, nn.BatchNorm2d):  # it writes what it is given, and takes long without values
                module.forward = _hand_on  # type: ignore[method-assign]
        try:
            with torch.no_grad(), self:
                self._sketch(torch.empty(1, *input_shape, device="meta"))
        except InvalidSpec:
            raise
        except (RuntimeError, ValueError) as error:
            reason = str(error).strip().partition("\n")[0].rstrip(".")
            raise self._refusal(f"does not take what it is given: {reason}", _OTHER) from error
        return self._found

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "").strip("_").removeprefix("i").removeprefix("r") in _SUMS:
            added = [it.shape[1] for it in args if isinstance(it, Tensor) and it.dim() == 4]
            if len(set(added)) > 1:
                raise self._refusal(f"adds maps of {' and of '.join(map(str, added))} channels", _EQUAL)
        return func(*args, **(kwargs or {}))

    def _refusal(self, problem: str, remedy: str) -> InvalidSpec:
        return InvalidSpec(f"with these widths {self._inside[-1] or 'the network'} {problem}", remedy, "widths")

    def _enter(self, name: str, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self._inside.append(name)
        if isinstance(module, Gate):
            self._gated[f"{name}.{module.last}"] = inputs[0].shape[1]
        if isinstance(module, nn.Conv2d | nn.BatchNorm2d | nn.Linear):
            width = self._fitting(name, module, inputs[0].shape[-1 if isinstance(module, nn.Linear) else 1])
            if self._found.setdefault(name, width) != width:
                raise self._refusal("is called with different numbers of channels", _OTHER)
            self._refit(module, width)

    @staticmethod
    def _refit(module: nn.Module, width: Width) -> None:
        """In place, because it is just being called."""
        with torch.device("meta"):
            fitting = width.resize(module).eval()
        vars(module).update({name: value for name, value in vars(fitting).items() if "hook" not in name})

    def _leave(self, *called: Any) -> None:
        self._inside.pop()

    def _fitting(self, name: str, layer: nn.Module, taken: int) -> Width:
        plain = Width.of(layer)
        if not isinstance(layer, nn.Conv2d):
            return Width(taken, taken if isinstance(layer, nn.BatchNorm2d) else plain.written)
        if 1 < plain.groups == plain.taken == plain.written:
            if self._widths.get(name, taken) != taken:
                raise InvalidSpec(
                    f"{name} is a depthwise convolution of {taken} channels, and widths gives it {self._widths[name]}",
                    "Leave it out: it has as many as it is given.",
                    "widths",
                )
            return Width(taken, taken, taken)
        written = self._widths.get(name, self._gated.get(name, plain.written))
        if taken % plain.groups or written % plain.groups:
            raise self._refusal(
                f"has {plain.groups} groups, into which {taken} or {written} channels do not divide", _OTHER
            )
        return Width(taken, written, plain.groups)
