"""The spec of a user's own network: what is asked of it, what its function has by itself, and what is assumed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from groupnl_deploy.errors import UsageError
from groupnl_deploy.models.replace import Outcomes
from groupnl_deploy.models.spec import ConvSpec, ModelSpec
from groupnl_deploy.own_code.load import OwnCode
from groupnl_deploy.own_code.network import not_one_way, tried

IMAGE, CLASSES = (3, 224, 224), 1000
"""Of a network of which nothing says for what images and classes it is."""


@dataclass(frozen=True)
class OwnNetwork:
    """A user's network.

    Args:
        spec: what builds it, in this process and wherever its code is named again.
        outcomes: what became of its convolutions.
        assumed: a sentence, without full stop, for what nobody said.
    """

    spec: ModelSpec
    outcomes: Outcomes
    assumed: tuple[str, ...]


def sketched(
    code: OwnCode,
    conv: ConvSpec,
    num_classes: int | None = None,
    input_shape: tuple[int, int, int] | None = None,
    **changes: Any,
) -> ModelSpec:
    """The spec as far as it is said or the function says it; nothing is tried."""
    own_classes = code.defaults.get("num_classes")
    classes = num_classes or (own_classes if isinstance(own_classes, int) else CLASSES)
    shape = input_shape or _own_shape(code.defaults)
    return ModelSpec(code.origin.function, conv, num_classes=classes, input_shape=shape, code=code.origin, **changes)


def own_network(
    code: OwnCode,
    conv: ConvSpec,
    num_classes: int | None = None,
    input_shape: tuple[int, int, int] | None = None,
    **changes: Any,
) -> OwnNetwork:
    """Try the network that the user's function makes, once, before minutes are spent on it.

    Args:
        code: the function.
        conv: what its convolutions become; the method "standard" leaves them.
        num_classes: what it must answer with; None is what its function makes by itself.
        input_shape: (C, H, W); None is its function's own, else `IMAGE`.
        changes: other fields of `ModelSpec`.

    Raises `UsageError` and `InvalidSpec`.
    """
    spec = sketched(code, conv, num_classes, input_shape, **changes)
    found, outcomes = tried(spec, code.folder)
    if found != spec.num_classes and (num_classes is not None or "num_classes" in code.takes):
        raise _other_classes(code, spec.num_classes, found)
    assumed = [] if input_shape else [f"nobody said for what images {code.origin} is; taken for {spec.input_shape}"]
    if num_classes is None and "num_classes" in code.takes and "num_classes" not in code.defaults:
        assumed.append(f"nobody said for how many classes {code.origin} is; taken for {found}")
    spec = replace(spec, num_classes=found)
    forked = not_one_way(spec)
    if forked is not None:
        assumed.append(f"it can be trained but not exported: {forked.rstrip('.')}")
    return OwnNetwork(spec, outcomes, tuple(assumed))


def _own_shape(defaults: Mapping[str, Any]) -> tuple[int, int, int]:
    """What the function has by itself, as far as that can be an image."""
    shape, channels = defaults.get("input_shape"), defaults.get("in_channels")
    if isinstance(shape, tuple) and len(shape) == 3 and all(isinstance(size, int) for size in shape):
        return shape
    return (channels, *IMAGE[1:]) if isinstance(channels, int) else IMAGE


def _other_classes(code: OwnCode, asked: int, found: int) -> UsageError:
    taken = "num_classes" in code.takes
    return UsageError(
        f"{code.origin} answers with {found} classes, and {asked} are asked for.",
        "Let its last layer have num_classes outputs."
        if taken
        else f"Let the function take num_classes, or let its last layer have {asked} outputs.",
    )
