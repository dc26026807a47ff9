"""The options that say what a network's convolutions and BatchNorms are: spelled once, shared by all that take them."""

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal, TypeVar, get_args

import typer

from device_agent.strict import to_dict
from groupnl_deploy.cli import console
from groupnl_deploy.cli.option_groups import with_option_groups
from groupnl_deploy.errors import UsageError
from groupnl_deploy.models.spec import (
    BnPosition,
    ConvSpec,
    InvalidSpec,
    Method,
    ModelSpec,
    Nonlinearity,
    Padding,
    Range,
    Semantics,
    require_semantics,
)
from groupnl_deploy.words import known_word

F = TypeVar("F", bound=Callable[..., Any])

# "depthwise" is a layer for rules of one's own; over a whole network it would be another network.
CONV_WORDS: tuple[Method, ...] = tuple(method for method in get_args(Method) if method != "depthwise")


@dataclass(frozen=True, kw_only=True)
class ConvOptions:
    """What the user said of the convolutions; None is what was left unsaid and stays as the papers have it."""

    conv: Annotated[
        str | None,
        typer.Option(
            help="standard, mono, ghost, sinefm, groupnl, groupnl-sparse or grouped. "
            "Left out: what the name says (gnl_resnet50 is groupnl-sparse); for a plain name standard in show and "
            "import, the paper's GroupNL in init and train."
        ),
    ] = None
    semantics: Annotated[str, typer.Option(help="GroupNL as released (the authors' code) or paper (its text).")] = (
        "released"
    )
    ratio: Annotated[
        int | None, typer.Option(help="r, output over seed channels (2); for mono its factor at 64 channels.")
    ] = None
    nl_groups: Annotated[int | None, typer.Option(help="g, GroupNL's groups of seed channels (4).")] = None
    nlf: Annotated[
        str | None,
        typer.Option(help="GroupNL's function: sinusoidal, monomial, gaussian, laplace or laplace-literal."),
    ] = None
    normalize: Annotated[
        bool | None, typer.Option("--normalize/--no-normalize", help="L2-normalise the seed maps; released: yes.")
    ] = None
    phi_sign: Annotated[
        str | None, typer.Option(help="+ for sin(ω(s + φ)), the paper's; - for sin(ω(s - φ)), the released code's.")
    ] = None
    phi_range: Annotated[str | None, typer.Option(help="φ is drawn from here, such as 1,5.")] = None
    omega_range: Annotated[str | None, typer.Option(help="ω is drawn from here, such as 1,2.")] = None
    bn_position: Annotated[
        str | None,
        typer.Option(help="concat: BatchNorm behind the concat; seeds: over the seeds, before generation."),
    ] = None
    group_size: Annotated[int | None, typer.Option(help="G of grouped: channels in each group (E2GC).")] = None
    num_groups: Annotated[int | None, typer.Option(help="g of grouped: a fixed number of groups (FgGC).")] = None
    padding: Annotated[
        str | None,
        typer.Option(help="symmetric, or same as in TensorFlow; left out: the name's own (tf_ names are same)."),
    ] = None
    bn_eps: Annotated[
        float | None, typer.Option(help="The epsilon of every BatchNorm; left out: the name's own (1e-5; tf_ 1e-3).")
    ] = None

    def check(self) -> None:
        """Raise `UsageError` for an unknown word, before anything slow is imported."""
        for kind, word, known in (
            ("convolution", self.conv, CONV_WORDS),
            ("semantics", self.semantics, get_args(Semantics)),
            ("nonlinear function", self.nlf, get_args(Nonlinearity)),
            ("position of the BatchNorm", self.bn_position, get_args(BnPosition)),
            ("padding", self.padding, get_args(Padding)),
        ):
            if word is not None:
                known_word(kind, word, known)
        if self.conv is not None:
            ConvSpec.preset(self.conv, self.semantics, **self.knobs())  # type: ignore[arg-type]

    def knobs(self) -> dict[str, Any]:
        """The fields of `ConvSpec` that the user named."""
        said = {field.name: getattr(self, field.name) for field in fields(self)}
        others = (*_WORDS, *_OF_MODEL)
        knobs = {name: value for name, value in said.items() if name not in others and value is not None}
        return {name: _PARSERS.get(name, _as_is)(name, value) for name, value in knobs.items()}

    def spec(self, name: str, otherwise: Literal["standard", "groupnl"], **changes: Any) -> ModelSpec:
        """The network's spec; see `registry.model_spec`."""
        from groupnl_deploy.models.registry import model_spec

        self.check()
        changes |= {name: getattr(self, name) for name in _OF_MODEL if getattr(self, name) is not None}
        spec = model_spec(
            name,
            self.conv,  # type: ignore[arg-type]
            self.semantics,  # type: ignore[arg-type]
            otherwise=otherwise,
            knobs=self.knobs(),
            **changes,
        )
        require_semantics(self.semantics, spec.conv.method)  # type: ignore[arg-type]
        return spec


def tell_departure(name: str, spec: ModelSpec, silent: bool = False) -> dict[str, Any]:
    """Say on stderr what was built where the name alone stands for something else; for JSON the same as one key.

    Args:
        name: as the user wrote it.
        spec: what was built.
        silent: say nothing, where a document is all that the command writes.
    """
    from groupnl_deploy.models.departure import departure

    found = departure(name, spec)
    if found is None:
        return {}
    for sentence in found.sentences if not silent else ():
        console.say(f"Note: {sentence}")
    return {"departure": to_dict(found)}


def with_conv_options(command: F) -> F:
    """`with_option_groups`, for a command that takes `ConvOptions`: an `InvalidSpec` that leaves it names options."""

    @functools.wraps(command)
    def naming(**kwargs: Any) -> Any:
        try:
            return command(**kwargs)
        except InvalidSpec as error:
            raise _naming_options(error) from error

    return with_option_groups(naming)  # type: ignore[return-value]


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
_WORDS = ("conv", "semantics")
_OF_MODEL = ("padding", "bn_eps")  # fields of `ModelSpec`, not of `ConvSpec`


def _as_is(name: str, value: Any) -> Any:
    return value


def _sign(name: str, value: str) -> int:
    signs = {"+": 1, "+1": 1, "1": 1, "-": -1, "-1": -1}
    if value not in signs:
        raise UsageError(f"--phi-sign is “{value}”; it is + or -.", "Write --phi-sign=+ or --phi-sign=-.")
    return signs[value]


def _range(name: str, value: str) -> Range:
    option = _option(name)
    try:
        low, high = (float(part) for part in value.split(","))
    except ValueError as error:
        raise UsageError(f"{option} is “{value}”; it is two numbers.", f"Write {option} 1,5.") from error
    return low, high


_PARSERS: dict[str, Callable[[str, Any], Any]] = {"phi_sign": _sign, "phi_range": _range, "omega_range": _range}
