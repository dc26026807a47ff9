"""Whether what a user's function made is a network, and what it answers: tried once, before minutes are spent on it."""

from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from exporters.data_dependence import asked_in_trace, require_one_way
from exporters.errors import ExportFailed
from groupnl_deploy.errors import UsageError
from groupnl_deploy.models.construct import construct_telling
from groupnl_deploy.models.registry import network_of
from groupnl_deploy.models.replace import Outcomes
from groupnl_deploy.models.spec import CodeOrigin, ModelSpec
from groupnl_deploy.own_code.blame import users_code

_IMAGES = 2
_WRAPPERS = (nn.DataParallel, nn.parallel.DistributedDataParallel, torch.jit.ScriptModule)


def require_network(made: Any, origin: CodeOrigin) -> nn.Module:
    """What a function made, if it is a network of float32 parameters on the CPU. Raises `UsageError`."""
    if not isinstance(made, nn.Module):
        what = "nothing" if made is None else f"a {type(made).__name__}"
        raise UsageError(f"{origin} returns {what}, not an nn.Module.", "Let it return the network.")
    if isinstance(made, _WRAPPERS) or hasattr(made, "_orig_mod"):
        raise UsageError(
            f"{origin} returns a {type(made).__name__}, which wraps or compiles a network.",
            "Let it return the nn.Module itself.",
        )
    tensors = [*made.named_parameters(), *made.named_buffers()]
    for name, tensor in tensors:
        if is_lazy(tensor):
            raise UsageError(
                f"{name} of {origin} has no shape before the first image: its layer is a lazy one.",
                "Write the layer with its input channels, nn.Conv2d in place of nn.LazyConv2d.",
            )
        if tensor.device.type not in ("cpu", "meta"):
            raise UsageError(
                f"{name} of {origin} is on {tensor.device}.", "Let the function make the network on the CPU."
            )
        if tensor.is_floating_point() and tensor.dtype != torch.float32:
            kind = str(tensor.dtype).removeprefix("torch.")
            raise UsageError(f"{name} of {origin} is {kind}.", "Let the function return it in float32: net.float().")
    if next(made.parameters(), None) is None:
        raise UsageError(f"{origin} has no parameters.", "Register its layers as attributes of the nn.Module.")
    return made


def tried(spec: ModelSpec, folder: Path) -> tuple[int, Outcomes]:
    """(how many classes the network answers with, what became of its convolutions).

    Args:
        spec: of a user's network whose code is loaded.
        folder: where its code lies.

    Raises `UsageError` where it does not take its images or does not answer (N, classes), and where the function makes
    different networks of one seed.
    """
    entry = network_of(spec)
    network, outcomes = construct_telling(entry, spec)
    again, _ = construct_telling(entry, spec)
    first, second = ({key: value.shape for key, value in it.state_dict().items()} for it in (network, again))
    if first != second:
        changed = sorted(key for key in first.keys() | second.keys() if first.get(key) != second.get(key))
        raise UsageError(
            f"{spec.code} makes another network each time it is called: {changed[0]} has another shape.",
            "Let its shapes depend on its arguments alone; weights may be random, drawn by torch.",
        )
    return _answered(network.eval(), spec, folder), outcomes


def not_one_way(spec: ModelSpec) -> str | None:
    """Why a user's network has no graph because it branches on its images; None where it does not."""
    network, _ = construct_telling(network_of(spec), spec)
    example = torch.zeros(1, *spec.input_shape)
    try:
        require_one_way(network.eval(), example, asked_in_trace(network, example))
    except ExportFailed as error:
        return error.message
    return None


def _answered(network: nn.Module, spec: ModelSpec, folder: Path) -> int:
    shape = "x".join(map(str, spec.input_shape))
    refused = users_code(f"{spec.code} does not take images of {shape}", folder, "choose another --input")
    with refused, torch.random.fork_rng(devices=[]), torch.no_grad():
        answer = network(torch.zeros(_IMAGES, *spec.input_shape))
    if not isinstance(answer, torch.Tensor):
        raise UsageError(
            f"{spec.code} answers with a {type(answer).__name__}.", "Let forward return the logits alone, (N, classes)."
        )
    if answer.dim() != 2 or answer.shape[0] != _IMAGES or not answer.shape[1]:
        raise UsageError(
            f"{spec.code} answers {_IMAGES} images of {shape} with {tuple(answer.shape)}.",
            "Let forward return the logits, (N, classes).",
        )
    return int(answer.shape[1])
