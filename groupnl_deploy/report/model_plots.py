"""Pictures of networks and of what GroupNL's functions do to an image, as bytes of a picture file."""

import math
import re
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from groupnl_deploy.errors import UsageError
from groupnl_deploy.models.knobs import KNOBS
from groupnl_deploy.models.layers.nlf import NLF, NLFS
from groupnl_deploy.models.methods import CONVOLUTIONS, METHODS
from groupnl_deploy.models.profile import Counts, Profile, profile
from groupnl_deploy.models.refusal import InvalidSpec, Range
from groupnl_deploy.models.registry import model_spec
from groupnl_deploy.models.spec import ConvSpec, ModelSpec
from groupnl_deploy.report.pictures import picture_bytes
from groupnl_deploy.words import known_word

Maps = npt.NDArray[np.float32]

PAPER = "arXiv 2506.12335"

# Figure 3 of the paper: the input and its maps under 24 settings.
SETTINGS, GRID, SEED = 24, 5, 0
LONGEST_SIDE = 320  # pixels; a panel of the grid shows no more
SCALE_PERCENTILES = (1, 99)
SYMBOLS = {"periods": "ω", "shifts": "φ", "exponents": "η", "scales": "ε"}

LONGEST_LINE = 120  # characters of a caption as wide as the picture


@dataclass(frozen=True, eq=False)
class GreyImage:
    """An image as one seed map: float32 (H, W) of mean 0 and variance 1, and where it comes from."""

    pixels: Maps
    source: str


def read_image(word: str) -> GreyImage:
    """The image in a file, else scikit-learn's photograph of that name.

    Raises `UsageError` for what is neither, and for a file that holds no picture.
    """
    path = Path(word)
    if not path.exists() and not path.suffix and path.name == word:
        photos = _photographs()
        return _grey(photos[known_word("file or photograph", word, photos)], f"scikit-learn's photograph “{word}”")
    return _grey(_decoded(path), path.name)


def draw_maps(image: GreyImage, nlf: str, format: str = "png") -> bytes:
    """The paper's Fig. 3: an image and its maps under 24 settings of one nonlinear function.

    The settings are drawn uniformly with a fixed seed, sorted by the first hyper-parameter. The sinusoidal
    function is the paper's, sin(ω·(s + φ)) with φ in [1, 5] (Table 13).

    Args:
        image: the seed map s.
        nlf: a name of `NLFS`; any other is a `UsageError`.
        format: one of `report.pictures.PICTURE_FORMATS`.
    """
    function = NLFS[known_word("nonlinear function", nlf, NLFS)]
    settings = _settings(function)
    figure = Figure(figsize=(11, 11 * _aspect(image.pixels) + 2.2), layout="constrained")
    panels = figure.subplots(GRID, GRID).flat
    _panel(next(panels), image.pixels, "input s", "gray")
    for axes, values, pixels in zip(panels, settings, _maps(function, image.pixels, settings), strict=True):
        named = zip(function.ranges, values, strict=True)
        _panel(axes, pixels, "  ".join(f"{SYMBOLS.get(name, name)} {value:.2f}" for name, value in named), "viridis")
    figure.suptitle(f"{_formula(function)}: one input, {SETTINGS} settings ({nlf})", fontsize=16)
    figure.supxlabel(_caption(function, image), fontsize=10)
    return picture_bytes(figure, format)


def draw_stages(spec: ModelSpec, format: str = "png") -> bytes:
    """Parameters and FLOPs of every stage of a network, with each convolution where the papers have it.

    Args:
        spec: the network; its own convolution and knobs do not matter.
        format: one of `report.pictures.PICTURE_FORMATS`.
    """
    profiles, left_out = _profiles(spec)
    figure = Figure(figsize=(12, 8.5), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    stages = {method: _per_stage(counted) for method, counted in profiles.items()}
    names = list(next(iter(stages.values())))
    _bars(upper, names, stages, "Parameters", lambda counts: counts.params)
    _bars(lower, names, stages, "FLOPs for one image", lambda counts: counts.flops)
    labels = [f"{_method_label(method)}: {_totals(counted)}" for method, counted in profiles.items()]
    figure.legend(upper.containers, labels, loc="outside lower center", ncols=3, frameon=False, title="Whole network")
    figure.suptitle(f"{spec.name}: parameters and FLOPs per stage, by convolution", fontsize=16)
    upper.set_title(_counted_as(spec, left_out), fontsize=10)
    return picture_bytes(figure, format)


def _photographs() -> dict[str, npt.NDArray[np.uint8]]:
    from groupnl_deploy.images.photographs import NAMES, photographs

    return dict(zip(NAMES, photographs(), strict=True))


def _decoded(path: Path) -> npt.NDArray[Any]:
    """(H, W) or (H, W, 3). The whole file is decoded here, so that a damaged one is refused here."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as picture:
            upright = ImageOps.exif_transpose(picture)
            # Integers and floats of more than eight bits have no colours, and converting them would cut them off.
            return np.asarray(upright if upright.mode[0] in "IF" else upright.convert("RGB"))
    except FileNotFoundError as error:
        known = ", ".join(_photographs())
        raise UsageError(f"{path} does not exist.", f"Give a picture file, or one of the names {known}.") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or "not a picture that Pillow reads, or damaged"
        raise UsageError(f"{path} cannot be read: {reason.lower()}.", "Give a PNG or JPEG file.") from error


def _grey(pixels: npt.NDArray[Any], source: str) -> GreyImage:
    """Mean of the colours, small enough for a panel, mean 0 and variance 1: seed maps are of unit order."""
    grey = torch.tensor(pixels.astype(np.float32))
    grey = grey.mean(dim=2) if grey.ndim == 3 else grey
    factor = LONGEST_SIDE / max(grey.shape)
    if factor < 1:
        size = [max(1, round(side * factor)) for side in grey.shape]
        grey = torch.nn.functional.interpolate(grey[None, None], size, mode="bilinear", antialias=True)[0, 0]
    grey = (grey - grey.mean()) / grey.std(correction=0).clamp_min(1e-6)
    return GreyImage(grey.numpy(), source)


def _settings(nlf: NLF) -> list[tuple[float, ...]]:
    random = np.random.default_rng(SEED)
    drawn = [random.uniform(*bounds, size=SETTINGS) for bounds in _ranges(nlf).values()]
    return sorted(zip(*(values.tolist() for values in drawn), strict=True))


def _ranges(nlf: NLF) -> dict[str, Range]:
    """Where the paper draws hyper-parameters from: ω and φ are knobs of a spec, whose default is the released code."""
    paper = ConvSpec.preset("groupnl", "paper")
    knobs = {"periods": paper.omega_range, "shifts": paper.phi_range}
    return {name: knobs.get(name, bounds) for name, bounds in nlf.ranges.items()}


def _maps(nlf: NLF, pixels: Maps, settings: list[tuple[float, ...]]) -> Iterator[Maps]:
    seed_map = torch.from_numpy(pixels)
    for values in settings:
        yield nlf(seed_map, *(torch.tensor(value) for value in values), phi_sign=1).numpy()


def _panel(axes: Any, pixels: Maps, title: str, colours: str) -> None:
    low, high = np.percentile(pixels, SCALE_PERCENTILES)
    axes.imshow(pixels, cmap=colours, vmin=low, vmax=high, interpolation="nearest")
    axes.set_title(title, fontsize=11)
    axes.set_axis_off()


def _aspect(pixels: Maps) -> float:
    """Height over width, within what a page can show."""
    return float(np.clip(pixels.shape[0] / pixels.shape[1], 0.3, 2))


def _formula(nlf: NLF) -> str:
    """With raised exponents, which matplotlib sets between dollars."""
    return re.sub(r"(e|\|s\|)\^(\{[^}]*\}|\w)", lambda power: f"${power[0]}$", nlf.formula.replace("±", "+"))


def _caption(nlf: NLF, image: GreyImage) -> str:
    ranges = (f"{SYMBOLS.get(name, name)} in [{low:g}, {high:g}]" for name, (low, high) in _ranges(nlf).items())
    low, high = SCALE_PERCENTILES
    return (
        f"s: {image.source}, grey, mean 0, variance 1.  {', '.join(ranges)}, drawn uniformly with seed {SEED}.\n"
        f"Colours: every panel from its own {low}st to {high}th percentile.  After Fig. 3 and Table 13 of {PAPER}."
    )


def _profiles(spec: ModelSpec) -> tuple[dict[str, Profile], dict[str, str]]:
    """What each convolution's network costs, and why there is none of the others."""
    counted: dict[str, Profile] = {}
    left_out: dict[str, str] = {}
    for method in CONVOLUTIONS:
        try:
            counted[method] = profile(_with_method(spec, method))
        except InvalidSpec as error:
            left_out[method] = str(error)
    return counted, left_out


def _with_method(spec: ModelSpec, method: str) -> ModelSpec:
    knobs = dict(METHODS[method].sample)
    if spec.code:
        return replace(spec, conv=ConvSpec.preset(method, **knobs))
    return model_spec(spec.name, method, knobs=knobs)


def _per_stage(counted: Profile) -> dict[str, Counts]:
    """The counts of layers before the stages ("stem"), of every stage in order, and behind them ("head")."""
    rows: dict[str, list[Counts]] = {"stem": []}
    for layer in counted.layers:
        stage = _stage(layer.name, layer.output_shape)
        rows.setdefault(stage or ("head" if len(rows) > 1 else "stem"), []).append(layer.counts)
    return {stage: Counts.sum(counts) for stage, counts in rows.items() if counts}


def _stage(layer: str, output: tuple[int, ...]) -> str | None:
    """The stage a layer stands in; None for stem and head."""
    first, *rest = layer.split(".")
    if first == "features":  # VGG's are numbered one by one; those between two halvings are a stage
        return f"features\n{'x'.join(map(str, output[1:]))}"
    if first == "blocks":
        return f"blocks.{rest[0]}"
    return first if rest else None


def _bars(
    axes: Any,
    names: list[str],
    stages: dict[str, dict[str, Counts]],
    label: str,
    number: Callable[[Counts], int],
) -> None:
    width = 0.86 / len(stages)
    for index, (method, counts) in enumerate(stages.items()):
        places = [place + (index - (len(stages) - 1) / 2) * width for place in range(len(names))]
        heights = [number(counts[name]) if name in counts else 0 for name in names]
        axes.bar(places, heights, width, color=METHODS[method].colour, edgecolor="white", linewidth=0.4)
    axes.set_yscale("log")
    least = min(number(counts) for own in stages.values() for counts in own.values())
    axes.set_ylim(bottom=10 ** math.floor(math.log10(max(least / 2, 1))))  # so that the smallest bar shows
    axes.set_ylabel(f"{label} (log scale)", fontsize=11)
    axes.set_xticks(range(len(names)), names)
    axes.tick_params(axis="x", length=0, labelbottom=True)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _method_label(method: str) -> str:
    """With what a sample of it was given, such as "grouped, G = 8"."""
    said = (
        KNOBS[name].label.strip().replace("=", " = ").format(value) for name, value in METHODS[method].sample.items()
    )
    return ", ".join((method, *said))


def _totals(counted: Profile) -> str:
    return f"{_short(counted.total.params)} params, {_short(counted.total.flops)} FLOPs"


def _short(number: int) -> str:
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return str(number)


def _counted_as(spec: ModelSpec, left_out: dict[str, str]) -> str:
    shape = "x".join(map(str, spec.input_shape))
    lines = [
        f"{shape} input, {spec.num_classes} classes. Convolutions placed and counted as in {PAPER}:",
        "a FLOP is one multiply-accumulate, and frozen hyper-parameters are parameters.",
    ]
    for method, reason in left_out.items():
        lines += textwrap.wrap(f"Left out: {_method_label(method)} ({reason}).", LONGEST_LINE)
    return "\n".join(lines)
