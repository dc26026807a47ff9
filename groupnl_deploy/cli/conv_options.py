"""The options that say what a network's convolutions and BatchNorms are: spelled once, shared by all that take them."""

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import typer

from device_agent.strict import to_dict
from groupnl_deploy.cli import console
from groupnl_deploy.cli.option_groups import with_option_groups
from groupnl_deploy.models.knobs import KNOBS, Knob, turned, with_knobs
from groupnl_deploy.models.methods import CONVOLUTIONS
from groupnl_deploy.models.refusal import InvalidSpec
from groupnl_deploy.models.registry import model_spec
from groupnl_deploy.models.spec import ConvSpec, ModelSpec, Padding, Semantics, require_semantics
from groupnl_deploy.words import known_word

if TYPE_CHECKING:
    from groupnl_deploy.own_code.spec import OwnNetwork

SEMANTICS: tuple[Semantics, ...] = get_args(Semantics)


def _option_of(knob: Knob) -> Any:
    """The option of a knob, left out unless it is given."""
    return Annotated[knob.option | None, typer.Option(help=knob.about)]


@dataclass(frozen=True, kw_only=True)
@with_knobs(_option_of)
class ConvOptions:
    """What the user said of the convolutions; None is what was left unsaid and stays as the papers have it.

    Every knob of `Knobs` is a field as well.
    """

    conv: Annotated[
        str | None,
        typer.Option(
            help=f"{', '.join(CONVOLUTIONS[:-1])} or {CONVOLUTIONS[-1]}. "
            "Left out: what the name says (gnl_resnet50 is groupnl-sparse); for a plain name standard in show and "
            "import, the paper's GroupNL in init and train; for --module standard, which leaves it as it is."
        ),
    ] = None
    semantics: Annotated[str, typer.Option(help="GroupNL as released (the authors' code) or paper (its text).")] = (
        "released"
    )
    padding: Annotated[
        str | None,
        typer.Option(help="symmetric, or same as in TensorFlow; left out: the name's own (tf_ names are same)."),
    ] = None
    bn_eps: Annotated[
        float | None, typer.Option(help="The epsilon of every BatchNorm; left out: the name's own (1e-5; tf_ 1e-3).")
    ] = None

    def check(self) -> None:
        """Raise `UsageError` for an unknown word, before anything slow is imported."""
        words = [
            ("convolution", self.conv, CONVOLUTIONS),
            ("semantics", self.semantics, SEMANTICS),
            *((knob.kind, getattr(self, name), knob.words) for name, knob in KNOBS.items() if knob.words),
            ("padding", self.padding, get_args(Padding)),
        ]
        for kind, word, known in words:
            if word is not None:
                known_word(kind, word, known)
        if self.conv is not None:
            ConvSpec.preset(self.conv, self._semantics(), **self.knobs())

    def _semantics(self) -> Semantics:
        return known_word("semantics", self.semantics, SEMANTICS)

    def knobs(self) -> dict[str, Any]:
        """The knobs that the user named."""
        return {name: KNOBS[name].parse(value) for name, value in turned(self).items()}

    def spec(self, name: str, otherwise: Literal["standard", "groupnl"], **changes: Any) -> ModelSpec:
        """The network's spec; see `registry.model_spec`."""
        self.check()
        changes |= self.of_model()
        semantics = self._semantics()
        spec = model_spec(name, self.conv, semantics, otherwise=otherwise, knobs=self.knobs(), **changes)
        require_semantics(semantics, spec.conv.method)
        return spec

    def own(self, module: str, **asked: Any) -> "OwnNetwork":
        """The network of the user's own that `--module` names; see `own_code.spec.own_network`."""
        conv = self.own_conv()
        from groupnl_deploy.own_code.load import load_code
        from groupnl_deploy.own_code.spec import own_network

        return own_network(load_code(module), conv, **asked, **self.of_model())

    def own_conv(self) -> ConvSpec:
        """What the convolutions of a network of the user's own become: nothing, unless they say so."""
        self.check()
        semantics = self._semantics()
        conv = ConvSpec.preset(self.conv or "standard", semantics, **self.knobs())
        require_semantics(semantics, conv.method)
        return conv

    def of_model(self) -> dict[str, Any]:
        """The fields of `ModelSpec` that the user named."""
        return {name: getattr(self, name) for name in _OF_MODEL if getattr(self, name) is not None}


def tell_departure(name: str, spec: ModelSpec, silent: bool = False) -> dict[str, Any]:
    """Say on stderr what was built where the name alone stands for something else; for JSON the same as one key.

    Args:
        name: as the user wrote it.
        spec: what was built.
        silent: say nothing, where a document is all that the command writes.
    """
    if spec.code:  # its name stands for nothing else
        return {}
    from groupnl_deploy.models.departure import departure

    found = departure(name, spec)
    if found is None:
        return {}
    for sentence in found.sentences if not silent else ():
        console.say(f"Note: {sentence}")
    return {"departure": to_dict(found)}


def with_conv_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`with_option_groups`, for a command that takes `ConvOptions`: an `InvalidSpec` that leaves it names options."""

    @functools.wraps(command)
    def naming(**kwargs: Any) -> Any:
        try:
            return command(**kwargs)
        except InvalidSpec as error:
            if not error.fields:
                raise
            raise _naming_options(error) from error

    return with_option_groups(naming)


def _naming_options(error: InvalidSpec) -> InvalidSpec:
    problem, remedy = error.problem, error.remedy
    for field in error.fields:
        name = re.compile(rf"\b{re.escape(field)}\b")
        problem, remedy = name.sub(_option(field), problem), name.sub(_option(field), remedy)
    return InvalidSpec(problem, remedy)


def _option(field: str) -> str:
    """What a user calls a field of `ConvSpec` or `ModelSpec`."""
    return _OPTIONS.get(field, f"--{field.replace('_', '-')}")


# Of fields whose options have other names.
_OPTIONS = {
    "method": "--conv",
    "num_classes": "--classes",
    "input_shape": "--size",
    "input_shape height": "--size",
    "input_shape width": "--size",
}
_OF_MODEL = ("padding", "bn_eps")  # fields of `ModelSpec`, not of `ConvSpec`
