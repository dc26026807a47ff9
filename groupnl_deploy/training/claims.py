"""What a file of weights says of itself, and what lies beside it: its network, how it was built, its images.

Nothing here is trusted further than to refuse or to ask: a claim that contradicts what the user named is an error,
and what nobody claims is said to be assumed. Pure but for reading timm's `config.json`.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from device_agent.manifest import View
from groupnl_deploy.training.twins import Published, is_digest_of, is_name, network_in, published_as

CONFIG_FILE = "config.json"
LARGEST_CONFIG_BYTES = 1 << 20
CHANNELS = 3
# Keys under which files and configurations name their network.
_NAME_KEYS = ("architecture", "arch", "model", "model_name")
# Under which trainings keep their options: timm, Lightning, and what is usual elsewhere.
_OPTION_KEYS = ("args", "hyper_parameters", "hparams", "config", "opt", "meta")
# timm's dictionaries of image facts.
_IMAGE_KEYS = ("pretrained_cfg", "default_cfg")


@dataclass(frozen=True)
class Claim:
    """Somebody names the network: who, in which words, and which network of ours or twin that is, if any."""

    who: str
    text: str
    network: str | None


@dataclass(frozen=True)
class Argument:
    """An argument of the network's constructor, and who says so."""

    who: str
    name: str
    value: Any


@dataclass(frozen=True)
class ImageFact:
    """Something about the images: its value and who says so."""

    who: str
    value: Any


@dataclass(frozen=True)
class Claims:
    """Everything that was found, the strongest first.

    Args:
        names: of the network.
        arguments: of its constructor, where they are not its defaults.
        mean: per channel, the first that is a mean of so many channels; None where nobody says.
        std: likewise.
        input_shape: (C, H, W).
        preparation: how images are cropped and resized before, for people.
        view: the same, where it is a `View`.
    """

    names: tuple[Claim, ...] = ()
    arguments: tuple[Argument, ...] = ()
    mean: ImageFact | None = None
    std: ImageFact | None = None
    input_shape: ImageFact | None = None
    preparation: ImageFact | None = None
    view: ImageFact | None = None

    @property
    def network(self) -> Claim | None:
        """The strongest claim that names a network that is known."""
        return next((claim for claim in self.names if claim.network), None)


@dataclass(frozen=True)
class _Source:
    """One speaker: its words for the network, its dictionaries."""

    who: str
    names: tuple[str, ...] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict)
    images: Mapping[str, Any] = field(default_factory=dict)


def gather(path: Path, said: Mapping[str, Any], sha256: str) -> Claims:
    """All claims about a file of weights.

    Args:
        path: of the file; its name, its folder's and a `config.json` of timm's beside it speak too.
        said: what the file holds besides weights: its own keys, `args` and the like (the options of a training) and
            `metadata` (of a safetensors file), as plain values.
        sha256: of the file.
    """
    sources = [*_configuration(path), *_inside(said), _Source("its file name", (path.name,)), *_folders(path)]
    texts = [text for source in sources for text in source.names]
    row = published_as(sha256, *texts)
    if row is not None:  # a name may be that of what the file began as, so its own words count before timm's list
        published, exact = _as_published(row, sha256), is_digest_of(sha256, row)
        sources = [published, *sources] if exact else [*sources, published]
    return Claims(
        tuple(Claim(source.who, text, network_in(text)) for source in sources for text in source.names),
        tuple(Argument(s.who, name, value) for s in sources for name, value in s.arguments.items()),
        mean=_first(sources, "mean", _statistics),
        std=_first(sources, "std", _deviations),
        input_shape=_first(sources, "input_size", _shape),
        preparation=_first(sources, "crop_pct", _preparation),
        view=_first(sources, "crop_pct", _view),
    )


def _as_published(row: Published, sha256: str) -> _Source:
    exact = is_digest_of(sha256, row)
    who = f"its digest, which is that of timm's {row.name}" if exact else f"timm's list of {row.name}"
    images: dict[str, Any] = {"mean": row.mean, "std": row.std, "input_size": row.input_shape}
    images |= {"crop_pct": row.crop_pct, "interpolation": row.interpolation}
    return _Source(who, (row.network,) if exact else (), images=images)


def _configuration(path: Path) -> Iterator[_Source]:
    """timm's `config.json`, which lies beside the weights in a folder of the Hugging Face hub."""
    beside = path.parent / CONFIG_FILE
    try:
        if beside.stat().st_size > LARGEST_CONFIG_BYTES:
            return
        config = json.loads(beside.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return
    if isinstance(config, dict) and ("architecture" in config or "pretrained_cfg" in config):
        yield _source(f"{CONFIG_FILE} beside it", config)


def _inside(said: Mapping[str, Any]) -> Iterator[_Source]:
    metadata = said.get("metadata")
    if isinstance(metadata, Mapping):  # text alone: what is a list there is JSON
        yield _source("its metadata", {key: _from_text(value) for key, value in metadata.items()})
    yield _source("the file", said)
    for key in _OPTION_KEYS:
        options = said.get(key)
        if isinstance(options, Mapping):
            yield _source("the record of its training's options", options)


def _source(who: str, table: Mapping[str, Any]) -> _Source:
    images: dict[str, Any] = dict(table)
    for key in _IMAGE_KEYS:
        if isinstance(table.get(key), Mapping):
            images |= table[key]
    names = [table.get(key) for key in _NAME_KEYS] + [images.get("architecture"), images.get("hf_hub_id")]
    unique = dict.fromkeys(text for text in names if isinstance(text, str) and text.isprintable())
    return _Source(who, tuple(unique), _arguments(table), _of_unit_pixels(images))


def _of_unit_pixels(images: dict[str, Any]) -> dict[str, Any]:
    """Mean and std of pixels from 0 to 1, where they are of pixels from 0 to 255: no mean of the former is over 1."""
    mean, std = _statistics(images.get("mean"), images), _statistics(images.get("std"), images)
    if mean is None or max(mean) <= 1:
        return images
    scaled = {"mean": mean, "std": std}
    return images | {key: [value / 255 for value in values] for key, values in scaled.items() if values}


def _arguments(table: Mapping[str, Any]) -> dict[str, Any]:
    """Of the constructor: under their own key, or options of a training with the same meaning."""
    found: dict[str, Any] = {}
    for key in ("model_args", "model_kwargs"):
        if isinstance(table.get(key), Mapping):
            found |= {str(name): value for name, value in table[key].items()}
    direct = {name: table.get(name) for name in ("bn_eps", "bn_tf")}
    direct["global_pool"] = table.get("global_pool", table.get("gp"))
    found |= {name: value for name, value in direct.items() if value is not None}
    return {name: value for name, value in found.items() if value is not None}


def _folders(path: Path) -> Iterator[_Source]:
    """The folder's name, and that of a model in the hub's cache (models--timm--resnet50.a1_in1k)."""
    parts = path.absolute().parent.parts
    for part in reversed(parts[-3:]):
        if part.startswith("models--"):
            yield _Source("the folder it lies in", (part.rpartition("--")[2],))
            return
    # A name with timm's tag, as resnet50.a1_in1k, or a name alone; other folders may be called anything.
    if parts and ("." in parts[-1] or is_name(parts[-1])):
        yield _Source("the folder it lies in", (parts[-1],))


def _first(sources: list[_Source], key: str, read: Any) -> ImageFact | None:
    for source in sources:
        value = read(source.images.get(key), source.images)
        if value is not None:
            return ImageFact(source.who, value)
    return None


def _statistics(value: Any, table: Mapping[str, Any]) -> tuple[float, ...] | None:
    """One finite number a channel; one alone stands for all of them."""
    numbers = value if isinstance(value, list | tuple) else [value]
    plain = all(isinstance(number, int | float) and not isinstance(number, bool) for number in numbers)
    if not numbers or not plain or not all(map(math.isfinite, numbers)):
        return None
    return tuple(float(number) for number in numbers)


def _deviations(value: Any, table: Mapping[str, Any]) -> tuple[float, ...] | None:
    found = _statistics(value, table)
    return found if found and all(number > 0 for number in found) else None


def _shape(value: Any, table: Mapping[str, Any]) -> tuple[int, int, int] | None:
    """(C, H, W), from `input_size` or timm's option `img_size`."""
    if value is None and type(table.get("img_size")) is int:
        value = (CHANNELS, table["img_size"], table["img_size"])
    if not isinstance(value, list | tuple) or len(value) != 3:
        return None
    if not all(type(size) is int and 0 < size <= 1 << 16 for size in value):
        return None
    return (value[0], value[1], value[2])


def _preparation(value: Any, table: Mapping[str, Any]) -> str | None:
    known = {key: table.get(key) for key in ("crop_pct", "interpolation", "crop_mode")}
    said = [f"{key} {known[key]}" for key in known if isinstance(known[key], str | float | int) and known[key] != ""]
    return ", ".join(said) if any(known[key] for key in ("crop_pct", "interpolation")) else None


def _view(value: Any, table: Mapping[str, Any]) -> View | None:
    """Of a crop in the middle, by an interpolation that is known here."""
    if type(value) not in (int, float) or table.get("crop_mode") not in (None, "", "center"):
        return None
    try:
        return View(float(value), table.get("interpolation"))  # type: ignore[arg-type]  # it refuses other words
    except ValueError:
        return None


def _from_text(value: Any) -> Any:
    if isinstance(value, str) and (value[:1] in ("[", "{") or _is_number(value)):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
