"""Is a file the network that the user named? Its keys and shapes fit; its claims may say that it is another."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

from groupnl_deploy.errors import UsageError
from groupnl_deploy.models.registry import entry_of, network_of
from groupnl_deploy.models.spec import ModelSpec, Padding
from groupnl_deploy.training.claims import Argument, Claims
from groupnl_deploy.training.twins import Twin, twins_of

# Arguments of timm's constructors that have no part in what a trained network computes, and defaults of those that do.
_HARMLESS = {"num_classes", "in_chans", "pretrained", "img_size", "cache_dir", "scriptable", "zero_init_last"}
_HARMLESS |= {"bn_momentum", "checkpoint_path", "label_names", "label_descriptions", "pretrained_cfg"}
_DEFAULTS = {"global_pool": ("avg", "fast"), "output_stride": (32,), "padding": ("symmetric",), "bn_tf": (False,)}
_FREE = ("", None, False)
_TF_EPS = 1e-3


@dataclass(frozen=True)
class Numerics:
    """What two networks of the same keys may differ in and both can be built here."""

    padding: str
    bn_eps: float | None


def require_the_named(what: object, spec: ModelSpec, claims: Claims) -> None:
    """Raise `UsageError` where the file says that it is a twin of the network, or was built otherwise."""
    claim = claims.network
    if spec.code is None and claim is not None and claim.network != spec.name:
        twin = next((twin for twin in twins_of(spec.name) if twin.name == claim.network), None)
        if twin is not None and not (twin.known and _numerics(spec, twin.name) == _numerics(spec)):
            raise _other_network(what, spec, twin, f"{claim.who} says “{claim.text}”")
    for argument in claims.arguments:
        _require_built_so(what, spec, argument)


def undecided(spec: ModelSpec, claims: Claims) -> tuple[Twin, ...]:
    """The twins that the file may be as well, since nothing says which; none where something does and nothing weaker
    says otherwise.

    Of a network whose convolutions were replaced only those that can be built here: others have no such form.
    """
    if spec.code:  # nobody publishes weights of it
        return ()
    claim = claims.network
    family = {spec.name, *(twin.name for twin in twins_of(spec.name))}
    if claim is not None and claim.network in family:
        named = {other.network for other in claims.names}
        others = [twin for twin in twins_of(spec.name) if twin.name in named]
    else:
        others = [twin for twin in twins_of(spec.name) if twin.known or spec.conv.method == "standard"]
    return tuple(twin for twin in others if not (twin.known and _numerics(spec, twin.name) == _numerics(spec)))


def could_be(spec: ModelSpec, twin: Twin) -> str:
    """The sentence about one of them, without its full stop."""
    what = f"could also be {twin.name}, which has the same keys and shapes: {twin.why}"
    if twin.known:
        return f"{what}; if it is, say --model {twin.name}"
    return f"{what}; if it is, this checkpoint is not what it was, and groupnl cannot build that"


def function_of(spec: ModelSpec) -> Iterator[str]:
    """The sentence, without its full stop, on what GroupNL computes with its weights, which no key or shape says."""
    conv = spec.conv
    if not conv.has_semantics:
        return
    sign = f", phi_sign {conv.phi_sign:+d}" if conv.nlf == "sinusoidal" else ""
    normalised = "normalised" if conv.normalize else "not normalised"
    yield (
        f"no file says what GroupNL computes with its weights: here it is {conv.nlf}{sign}, its seeds {normalised} "
        f"({conv.semantics}); --semantics, --nlf, --normalize and --phi-sign say another"
    )


def _numerics(spec: ModelSpec, name: str | None = None) -> Numerics:
    """Of the spec, or of a network of this name as it comes."""
    entry = entry_of(name) if name else network_of(spec)
    if name:
        return Numerics(entry.padding, entry.bn_eps)
    return Numerics(spec.padding or entry.padding, spec.bn_eps or entry.bn_eps)


def _other_network(what: object, spec: ModelSpec, twin: Twin, said: str) -> UsageError:
    remedy = (
        f"Give --model {twin.name}."
        if twin.known
        else f"groupnl cannot build {twin.name}: take weights of {spec.name} itself, or fine-tune from these there."
    )
    return UsageError(
        f"{what} is {twin.name}, not {spec.name}: {said}. Keys and shapes of the two are the same, and it computes "
        f"something else: {twin.why}.",
        f"{remedy} If that name is wrong, save the state dict alone to a file of another name.",
    )


def _number(value: Any) -> float | None:
    """Of an option, which may be text; None for what is none."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _require_built_so(what: object, spec: ModelSpec, argument: Argument) -> None:
    name, value, own = argument.name, argument.value, _numerics(spec)
    remedy = f"groupnl cannot build it so: take weights of {spec.name} as it comes."
    if name == "bn_tf" and value is True:
        name, value = "bn_eps", _TF_EPS
    if name == "bn_eps":
        if _number(value) in (None, own.bn_eps):
            return
        remedy = f"Give --bn-eps {_number(value):g}."
    elif name == "pad_type":
        padding = str(value).lower() if value else "symmetric"  # as timm reads it
        if padding == own.padding:
            return
        remedy = f"Give --padding {padding}." if padding in get_args(Padding) else remedy
    elif name in _HARMLESS or name.startswith("drop") or value in _FREE or value in _DEFAULTS.get(name, ()):
        return
    raise UsageError(
        f"{what} is {spec.name} built otherwise: {argument.who} has {name}={str(value)[:60]}, which changes what it "
        "computes.",
        remedy,
    )
