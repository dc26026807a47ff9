"""How images become inputs of an imported network: as the user says, else the file, else assumed aloud."""

from dataclasses import dataclass, replace

from device_agent.manifest import View
from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.dataset import PerChannel
from groupnl_deploy.images.preprocessing import preprocessing
from groupnl_deploy.models.registry import model_spec, network_of
from groupnl_deploy.models.spec import ModelSpec
from groupnl_deploy.training.claims import Claims, ImageFact

_USER = "you"
# What a mean or std may be where pixels are from 0 to 1; a std of 1/255 feeds a network whole pixels.
_RANGES = {"mean": (-1.0, 1.0), "std": (1e-4, 5.0)}


@dataclass(frozen=True)
class ImageOptions:
    """What the user said; None is what was left unsaid.

    Args:
        mean: of pixels from 0 to 1, per channel or one for all.
        std: likewise.
        input_shape: (C, H, W) of one image.
    """

    mean: PerChannel | None = None
    std: PerChannel | None = None
    input_shape: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class Preparation:
    """The decision, the remarks on where it comes from, and the sentences on what nobody said.

    Args:
        mean: of pixels from 0 to 1, per channel.
        std: likewise.
        spec: the network with its input.
        notes: where what the user did not say comes from.
        assumed: what nobody said.
        assumed_statistics: whether mean and std are of that kind.
        view: what of a photograph the network is shown; None where nobody says so.
    """

    mean: PerChannel
    std: PerChannel
    spec: ModelSpec
    notes: tuple[str, ...]
    assumed: tuple[str, ...]
    assumed_statistics: bool
    view: View | None


def prepare(spec: ModelSpec, options: ImageOptions, claims: Claims, channels_taken: int | None = None) -> Preparation:
    """Decide on mean, std and input shape of an imported network.

    Args:
        spec: the network as named.
        options: what the user said.
        claims: what the file says.
        channels_taken: of images, by the weights of the first layer, where those alone differ from the network's.

    Raises `UsageError` for a mean or std of the user's that has neither one number nor as many as channels, or that
    is of pixels from 0 to 255.
    """
    shape = _shape(spec, options, claims, channels_taken)
    channels = shape.value[0]
    own, (usual_mean, usual_std) = network_of(spec), preprocessing(None, channels)
    whose = f"timm's for {spec.name}" if own.mean else "ImageNet's"
    mean = statistics_of("mean", options.mean, claims.mean, channels) or _assumed(own.mean or usual_mean, channels)
    std = statistics_of("std", options.std, claims.std, channels) or _assumed(own.std or usual_std, channels)
    facts = {"mean": mean, "std": std, "input": shape}
    unsaid = [_unsaid(name, fact, whose) for name, fact in facts.items() if not fact.who]
    return Preparation(
        mean.value,
        std.value,
        replace(spec, input_shape=shape.value),
        tuple(_found(facts, claims)),
        (_sentence(unsaid),) if unsaid else (),
        not mean.who and not std.who,
        None if claims.view is None else claims.view.value,
    )


def _shape(spec: ModelSpec, options: ImageOptions, claims: Claims, channels_taken: int | None) -> ImageFact:
    if options.input_shape is not None or spec.input_shape != model_spec(spec.name).input_shape:
        return ImageFact(_USER, options.input_shape or spec.input_shape)
    said = claims.input_shape or ImageFact("", spec.input_shape)
    if channels_taken in (None, said.value[0]):
        return said
    return ImageFact("its first layer", (channels_taken, *said.value[1:]))


def statistics_of(name: str, said: PerChannel | None, claimed: ImageFact | None, channels: int) -> ImageFact | None:
    """A mean or std as the user says it, else as the file does; None where neither does.

    Raises `UsageError` for numbers of another count than channels, or that are of pixels from 0 to 255.
    """
    if said is not None:
        _require_unit_pixels(name, said)
        if len(said) not in (1, channels):
            raise UsageError(
                f"--{name} has {len(said)} numbers, and the network takes {channels} channels.",
                f"Give one number for all channels or {channels}, as --{name} {','.join(['0.5'] * channels)}.",
            )
        return ImageFact(_USER, _spread(said, channels))
    if claimed is not None and len(claimed.value) in (1, channels):
        return ImageFact(claimed.who, _spread(claimed.value, channels))
    return None


def _require_unit_pixels(name: str, said: PerChannel) -> None:
    """Raise `UsageError` for numbers that are no mean or std of pixels from 0 to 1, as those of pixels to 255."""
    low, high = _RANGES[name]
    if all(low <= value <= high for value in said):
        return
    of_bytes = max(said) > high and all(low <= value / 255 <= high for value in said)
    divided = ",".join(f"{value / 255:.6g}" for value in said)
    raise UsageError(
        f"--{name} {','.join(f'{value:g}' for value in said)} is none of pixels from 0 to 1.",
        f"If it is of pixels from 0 to 255, write --{name} {divided}." if of_bytes else f"Write --{name} 0.5.",
    )


def _assumed(values: PerChannel, channels: int) -> ImageFact:
    usual = values if len(values) == channels else (sum(values) / len(values),) * channels
    return ImageFact("", usual)


def _spread(values: PerChannel, channels: int) -> PerChannel:
    return values * channels if len(values) == 1 else values


def _found(facts: dict[str, ImageFact], claims: Claims) -> list[str]:
    """Where what the user did not say comes from."""
    speakers: dict[str, None] = dict.fromkeys(fact.who for fact in facts.values() if fact.who not in ("", _USER))
    notes = []
    for who in speakers:
        said = [f"{name} {text_of(fact.value)}" for name, fact in facts.items() if fact.who == who]
        notes.append(f"{', '.join(said)}: so {who} says")
    if claims.preparation is not None:
        done = f"{claims.preparation.who} also says {claims.preparation.value}"
        by = (
            "photographs of a data set are shown so here"
            if claims.view
            else "crop and resize images so before they come"
        )
        notes.append(f"{done}: {by}")
    return notes


def _unsaid(name: str, fact: ImageFact, whose: str) -> str:
    owner = "the network's usual one" if name == "input" else whose
    return f"{name} {text_of(fact.value)} ({owner}; --{name} says another)"


def _sentence(unsaid: list[str]) -> str:
    return f"nothing says how its images were prepared, so this was assumed: {'; '.join(unsaid)}"


def text_of(value: tuple[float, ...]) -> str:
    """As one writes it behind an option; one number where all are the same, unless it is a shape."""
    plain = [f"{number:g}" for number in value]
    shape = all(isinstance(number, int) for number in value)
    return plain[0] if len(set(plain)) == 1 and not shape else ",".join(plain)
