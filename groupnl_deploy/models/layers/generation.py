"""From seed maps to a GroupNL layer's output: the same maps in three forms, for tracing, learning and inference."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from groupnl_deploy.models.layers.nlf import NLF


def joined(seed_maps: Tensor, hyper_parameters: Sequence[Tensor], nlf: NLF, phi_sign: int) -> Tensor:
    """cat(s, y_gen) of (N, c_seed, H, W), in operations that any tracer or gradient follows.

    The generated maps stand by group, then copy, then channel in the block (arXiv 2506.12335, Eq. 10 and 11).
    Returns (N, (1 + γ)·c_seed, H, W), of the type that `_kept_type` says.

    Args:
        seed_maps: s.
        hyper_parameters: of `nlf`, each (1, g, γ, 1, 1, 1).
        nlf: the function.
        phi_sign: 1 or −1.
    """
    generated = nlf(in_blocks(seed_maps, hyper_parameters[0].shape[1]), *hyper_parameters, phi_sign=phi_sign)
    kept = _kept_type(seed_maps, hyper_parameters)
    if generated.dtype is not kept:  # asked, so that no trace has a node for nothing
        generated = generated.to(kept)
    return torch.cat((seed_maps, generated.flatten(1, 3)), dim=1)


def learnably_joined(seed_maps: Tensor, hyper_parameters: Sequence[Tensor], nlf: NLF, phi_sign: int) -> Tensor:
    """As `joined`, with gradients for the seed maps alone (not twice), less memory and fewer passes over it."""
    output: Tensor = _Joined.apply(seed_maps, nlf, phi_sign, *hyper_parameters)  # type: ignore[no-untyped-call]
    return output


def output_buffer(seed_maps: Tensor, hyper_parameters: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """An output with nothing in it yet, and the view of it that the seed maps belong in."""
    batch, channels, height, width = seed_maps.shape
    shape = batch, (1 + hyper_parameters[0].shape[2]) * channels, height, width
    kept, layout = _kept_type(seed_maps, hyper_parameters), _layout_behind(seed_maps)
    output = torch.empty(shape, dtype=kept, device=seed_maps.device, memory_format=layout)
    return output, output[:, :channels]


def _kept_type(seed_maps: Tensor, hyper_parameters: Sequence[Tensor]) -> torch.dtype:
    """Of the output. Under autocast the seed maps are of half precision and the hyper-parameters of single precision.

    Maps of fp16 stay so: in single precision all that follows would take twice the memory. Those of bf16 do not: most
    generated maps are a large constant and a small rest, which is what BatchNorm leaves of them, and with eight bits
    that rest is rounded to a few steps. The function itself is computed in single precision either way.
    """
    if seed_maps.dtype is torch.float16:
        return seed_maps.dtype
    return torch.promote_types(seed_maps.dtype, hyper_parameters[0].dtype)


def _layout_behind(seed_maps: Tensor) -> torch.memory_format:
    """Channels last on a card, where the seed maps are. On a CPU backward passes go wrong in it (`Learner`)."""
    last = seed_maps.device.type == "cuda" and seed_maps.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last else torch.contiguous_format


def generate_into(output: Tensor, hyper_parameters: Sequence[Tensor], nlf: NLF, phi_sign: int) -> None:
    """Fill in the generated maps of an output whose seed maps are there. Without gradients."""
    groups, copies = hyper_parameters[0].shape[1:3]
    channels = output.shape[1] // (1 + copies)
    generated, seed_maps = in_copies(output[:, channels:], groups, copies), in_blocks(output[:, :channels], groups)
    if output.dtype is hyper_parameters[0].dtype:
        nlf(seed_maps, *hyper_parameters, phi_sign=phi_sign, out=generated)
        return
    wide = torch.empty_like(generated, dtype=hyper_parameters[0].dtype)
    generated.copy_(nlf(seed_maps, *hyper_parameters, phi_sign=phi_sign, out=wide))


class _Joined(torch.autograd.Function):
    """Keeps the seed maps for the backward pass, and neither arguments nor results of the function.

    What autograd would keep of the plain form has the size of all generated maps; to compute the slopes from
    the seed maps again takes less time than to write and read it.
    """

    @staticmethod
    def forward(ctx: Any, seed_maps: Tensor, nlf: NLF, phi_sign: int, *hyper_parameters: Tensor) -> Tensor:
        # With a `setup_context` of its own, which only torch.func needs, every call takes 0.1 ms longer.
        ctx.nlf, ctx.phi_sign = nlf, phi_sign
        ctx.save_for_backward(seed_maps, *hyper_parameters)
        output, seeds = output_buffer(seed_maps, hyper_parameters)
        seeds.copy_(seed_maps)
        generate_into(output, hyper_parameters, nlf, phi_sign)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        seed_maps, *hyper_parameters = ctx.saved_tensors
        groups, copies = hyper_parameters[0].shape[1:3]
        slopes = ctx.nlf.slope(in_blocks(seed_maps, groups), *hyper_parameters, phi_sign=ctx.phi_sign)
        slopes.mul_(in_copies(gradient[:, seed_maps.shape[1] :], groups, copies))
        total = slopes.sum(dim=2) if slopes.shape[2] > 1 else slopes
        total = total.reshape(seed_maps.shape).add_(gradient[:, : seed_maps.shape[1]])
        return total.to(seed_maps.dtype), None, None, *(None for _ in hyper_parameters)


def in_blocks(seed_maps: Tensor, groups: int) -> Tensor:
    """(N, c_seed, H, W) → (N, g, 1, c_seed / g, H, W), a view.

    Broadcasting over the copy axis reads every seed map once and writes no copy of it, and a block of channels
    shares its hyper-parameters, so that the innermost loop runs over c_seed / g maps.
    """
    batch, channels, height, width = seed_maps.shape
    return seed_maps.view(batch, groups, 1, channels // groups, height, width)


def in_copies(generated: Tensor, groups: int, copies: int) -> Tensor:
    """(N, γ·c_seed, H, W) → (N, g, γ, c_seed / g, H, W), a view."""
    batch, channels, height, width = generated.shape
    return generated.view(batch, groups, copies, channels // (groups * copies), height, width)
