"""Networks that users wrote themselves: what makes each, by where its code comes from.

Nothing is imported here, and no code is looked for: whoever was told by the user which file to run fills the table.
Imports nothing slow.
"""

from typing import TYPE_CHECKING, Protocol

from groupnl_deploy.models.networks import Network
from groupnl_deploy.models.refusal import InvalidSpec
from groupnl_deploy.models.spec import CodeOrigin, ModelSpec

if TYPE_CHECKING:
    from torch import nn


class NetworkBuilder(Protocol):
    """Makes a user's network of standard convolutions."""

    def __call__(self, spec: ModelSpec) -> "nn.Module": ...


class CodeNotLoaded(InvalidSpec):
    """A network's code was not named by the user, or is not what it was. `origin` is what the record says of it."""

    def __init__(self, problem: str, remedy: str, origin: CodeOrigin) -> None:
        super().__init__(problem, remedy)
        self.origin = origin


class CodeChanged(CodeNotLoaded):
    """The code that the user named is not what the network was made by."""


_builders: dict[CodeOrigin, NetworkBuilder] = {}


def provide(origin: CodeOrigin, build: NetworkBuilder) -> None:
    """Networks of this origin can be built in this process from now on."""
    _builders[origin] = build


def builder_of(origin: CodeOrigin) -> NetworkBuilder:
    """What makes the network. Raises `CodeNotLoaded` where nobody provided it, `CodeChanged` for another version."""
    if origin in _builders:
        return _builders[origin]
    loaded = [one for one in _builders if (one.file, one.function) == (origin.file, origin.function)]
    if loaded:
        raise CodeChanged(
            f"{origin.file} has changed: this network was made by the code {origin.sha256[:12]}, and what was named is "
            f"{loaded[-1].sha256[:12]}",
            "Name the file as it was then, or train again with what it is now.",
            origin,
        )
    raise CodeNotLoaded(
        f"this network is made by code of your own, {origin}, and a record does not say which code to run",
        f"Name the code again: --module {origin}.",
        origin,
    )


def own_network(spec: ModelSpec) -> Network:
    """The record of a user's network: nothing of it is known but what the spec says."""
    return Network(
        spec.name,
        "a network of your own",
        build="",
        placement="kernels",
        input_shape=spec.input_shape,
        num_classes=spec.num_classes,
        bn_eps=None,
    )
