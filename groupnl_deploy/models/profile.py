"""Parameters, operations, gradients and traffic of a network, layer by layer, without computing anything.

The network runs once on PyTorch's "meta" device, where tensors have shapes and no values: milliseconds and no
memory, whatever its size. What each layer costs is in `counting`.
"""

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from groupnl_deploy.models.counting import Operations, Shape, rule_for, weights_of
from groupnl_deploy.models.refusal import InvalidSpec
from groupnl_deploy.models.registry import create_model
from groupnl_deploy.models.sketch import sketch
from groupnl_deploy.models.spec import ModelSpec

GPUS = 8  # of the paper's measurements (arXiv 2506.12335, "Communication Cost & Epoch Time")
FLOAT_BYTES = 4
# What these write has the shape of what they read. Without values their own forward would take most of the time.
_SHAPES_STAY = (nn.BatchNorm1d, nn.BatchNorm2d, nn.ReLU, nn.ReLU6, nn.SiLU, nn.Sigmoid, nn.Hardswish, nn.Hardsigmoid)


@dataclass(frozen=True)
class Counts:
    """Everything that is counted of a layer or a network.

    "The paper" is GroupNL's, arXiv 2506.12335. Bytes are those of float32.

    Args:
        params: parameters, the frozen hyper-parameters of GroupNL included as in the paper's tables.
        learnable_params: those with a gradient.
        weight_params: weights of convolutions and linear layers alone: no bias, no BatchNorm, no hyper-parameters (as
            the E2GC paper counts, arXiv 2006.15100, Tables III and IV).
        flops: for one image, in the paper's convention (see `counting`).
        macs: for one image, of convolutions and linear layers alone, without bias (also E2GC's).
        gradient_count: G, the numbers that a step of training exchanges: as many as learnable_params
            (section 3.3, Eq. 12 to 15).
        gradient_bytes: 4·G.
        traffic_count: numbers sent in one data-parallel step, all N GPUs together: 2·(N − 1)·G. DistributedDataParallel
            sends 2·(N − 1) / N·G from each GPU; with DataParallel the main one and the others send (N − 1)·G each way
            (section 3.3).
        traffic_bytes: 4·traffic_count.
        activation_bytes: size of the layer's output for one image; a network's is the sum over all of its counted
            layers, that is what they write, not how much of it must be held at one time.
    """

    params: int = 0
    learnable_params: int = 0
    weight_params: int = 0
    flops: int = 0
    macs: int = 0
    gradient_count: int = 0
    gradient_bytes: int = 0
    traffic_count: int = 0
    traffic_bytes: int = 0
    activation_bytes: int = 0

    @classmethod
    def sum(cls, counts: "Iterable[Counts]") -> "Counts":
        """Field by field."""
        rows = tuple(counts)
        return cls(**{field.name: sum(getattr(row, field.name) for row in rows) for field in fields(cls)})


@dataclass(frozen=True)
class LayerProfile:
    """One counted layer.

    Args:
        name: its dotted name in the network; its class where it is the network itself.
        kind: its class, such as "GroupNLConv2d".
        output_shape: of what it writes for one image, such as (C, H, W) or (classes,); () where it is never called.
            A layer that is called several times shows the last shape and counts every call.
        counts: its own.
    """

    name: str
    kind: str
    output_shape: Shape
    counts: Counts


@dataclass(frozen=True)
class Profile:
    """The layers that have parameters or a counting rule, in the network's order, and their sum.

    `uncounted` are the classes, in a user's own network, of layers with parameters whose operations no rule counts.
    """

    layers: tuple[LayerProfile, ...]
    total: Counts
    uncounted: tuple[str, ...] = ()


def profile(spec: ModelSpec, gpus: int = GPUS) -> Profile:
    """Count the network that `spec` describes, without making its weights.

    Args:
        spec: the network; the input's size is `spec.input_shape`.
        gpus: N of the traffic.

    Raises `InvalidSpec` where the network cannot be built or does not take that input, and for N below one.
    """
    if spec.code:  # a stranger's may look at values while it is built
        return _profile(_without_values(create_model(spec)), spec.input_shape, gpus, all_known=False)
    return _profile(sketch(spec), spec.input_shape, gpus)


def profile_network(network: nn.Module, input_shape: Shape, gpus: int = GPUS) -> Profile:
    """Count any network of known layers; it stays as it is, wherever its weights are.

    Composites that `counting` has no rule for are counted by what is inside them: products and means written out in
    their own forward pass are not seen. Parameters used in several places count once, where they come first.

    Args:
        network: its forward pass takes one tensor.
        input_shape: of one image, without the batch axis.
        gpus: N of the traffic.

    Raises `InvalidSpec` for a module with parameters and no rule, for an input that does not fit, and for N below one.
    """
    return _profile(_without_values(network), input_shape, gpus)


def _profile(network: nn.Module, input_shape: Shape, gpus: int, all_known: bool = True) -> Profile:
    """Count a network without values, which is changed: only its shapes are right from then on.

    Of layers without a rule only the parameters are counted, unless `all_known`, which refuses them.
    """
    if gpus < 1:
        raise InvalidSpec(f"gpus is {gpus}", "Give at least one.", "gpus")
    _count_shapes_alone(network)
    layers = list(_counted_layers(network, all_known))
    outputs = _output_shapes(network, [layer for _, layer in layers], input_shape)
    counted: set[int] = set()
    rows = []
    for name, layer in layers:
        shapes = outputs[id(layer)]
        counts = _counts(layer, shapes, _new_parameters(layer, counted), gpus)
        kind = type(layer).__name__
        rows.append(LayerProfile(name or kind, kind, shapes[-1] if shapes else (), counts))
    uncounted = dict.fromkeys(type(layer).__name__ for _, layer in layers if rule_for(layer) is None)
    return Profile(tuple(rows), Counts.sum(row.counts for row in rows), tuple(uncounted))


def _without_values(network: nn.Module) -> nn.Module:
    """A copy whose parameters and buffers have no values; shared ones stay shared."""
    memo: dict[int, Any] = {
        id(value): nn.Parameter(torch.empty_like(value, device="meta"), requires_grad=value.requires_grad)
        for value in network.parameters()
    }
    memo |= {id(value): torch.empty_like(value, device="meta") for value in network.buffers()}
    return copy.deepcopy(network, memo)


def _count_shapes_alone(network: nn.Module) -> None:
    network.eval()  # in training mode BatchNorm refuses a single pixel
    for module in network.modules():
        if type(module) in _SHAPES_STAY:
            module.forward = _hand_on


def _hand_on(maps: Tensor) -> Tensor:
    return maps


def _counted_layers(network: nn.Module, all_known: bool) -> Iterator[tuple[str, nn.Module]]:
    """The outermost modules with a rule, and those with parameters of their own that no rule would see.

    Raises `InvalidSpec` for the latter where all must be known.
    """
    owner: str | None = None
    for name, module in network.named_modules():
        if owner is not None and f"{name}.".startswith(owner):
            continue
        if rule_for(module) is not None:
            owner = f"{name}." if name else ""
            yield name, module
        elif next(module.parameters(recurse=False), None) is not None:
            kind = type(module).__name__
            if not all_known:
                yield name, module
                continue
            raise InvalidSpec(
                f"{name or 'the network'} is a {kind}, and no rule says how to count a {kind}",
                "Derive it from Counted of groupnl_deploy/models/counting.py, or add its class to RULES there.",
            )


def _output_shapes(network: nn.Module, layers: Iterable[nn.Module], input_shape: Shape) -> dict[int, list[Shape]]:
    """For the id of each layer the shapes it writes for one image, one for every call."""
    shapes: dict[int, list[Shape]] = {id(layer): [] for layer in layers}

    def record(layer: nn.Module, inputs: object, output: object) -> None:
        if isinstance(output, Tensor):  # a stranger's layer may answer with several
            shapes[id(layer)].append(tuple(output.shape[1:]))

    for layer in layers:
        layer.register_forward_hook(record)
    dtype = next((value.dtype for value in network.parameters()), torch.float32)
    try:
        with torch.no_grad():
            network(torch.empty(1, *input_shape, dtype=dtype, device="meta"))
    except RuntimeError as error:
        reason = str(error).strip().partition("\n")[0]
        raise InvalidSpec(
            f"the network does not take an input of {input_shape}: {reason.rstrip('.')}",
            "Choose another input_shape, mostly a larger one.",
            "input_shape",
        ) from error
    return shapes


def _new_parameters(layer: nn.Module, counted: set[int]) -> list[nn.Parameter]:
    inner = rule_for(layer) is not None  # else what is inside it is counted by itself
    new = [parameter for parameter in layer.parameters(recurse=inner) if id(parameter) not in counted]
    counted |= {id(parameter) for parameter in new}
    return new


def ring_traffic(gradients: int, gpus: int) -> int:
    """Numbers that all GPUs together send in one data-parallel step, by ring all-reduce (arXiv 2506.12335, 4.2.4)."""
    return 2 * (gpus - 1) * gradients


def _counts(layer: nn.Module, shapes: list[Shape], parameters: list[nn.Parameter], gpus: int) -> Counts:
    rule = rule_for(layer)
    calls: list[Operations] = [rule(layer, shape) for shape in shapes] if rule else []
    gradients = sum(parameter.numel() for parameter in parameters if parameter.requires_grad)
    weights = weights_of(layer)
    traffic = ring_traffic(gradients, gpus)
    return Counts(
        params=sum(parameter.numel() for parameter in parameters),
        learnable_params=gradients,
        weight_params=sum(parameter.numel() for parameter in parameters if id(parameter) in weights),
        flops=sum(call.flops for call in calls),
        macs=sum(call.macs for call in calls),
        gradient_count=gradients,
        gradient_bytes=FLOAT_BYTES * gradients,
        traffic_count=traffic,
        traffic_bytes=FLOAT_BYTES * traffic,
        activation_bytes=FLOAT_BYTES * sum(torch.Size(shape).numel() for shape in shapes),
    )
