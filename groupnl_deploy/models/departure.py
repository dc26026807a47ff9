"""What was built where it is not what the name alone stands for, with its size beside the name's own.

A name says a convolution, a number of classes and an input: `gnl_resnet50` is sparse GroupNL at 224x224 in 1,000
classes, `resnet50` the standard network. Options, a data set or a command's default may say otherwise.
"""

from dataclasses import dataclass, replace

from groupnl_deploy.models.profile import Counts, profile
from groupnl_deploy.models.registry import entry_of, list_models, model_spec
from groupnl_deploy.models.spec import ModelSpec, widths_label

# What makes another network of a name. Its width is a factor that the user gives and the label shows.
_SMALL = 64  # pixels of a side: CIFAR has 32
_FIELDS = ("conv", "num_classes", "input_shape", "padding", "bn_eps", "widths")


@dataclass(frozen=True)
class Departure:
    """A network that differs from what its name stands for.

    Args:
        name: as the user wrote it, an alias perhaps.
        fields: of `ModelSpec`, those that differ.
        params: parameters of what was built, as the papers count them.
        flops: for one image, likewise.
        own_params: of what the name alone stands for.
        own_flops: likewise.
        sentences: all of that for people.
    """

    name: str
    fields: tuple[str, ...]
    params: int
    flops: int
    own_params: int
    own_flops: int
    sentences: tuple[str, ...]


def departure(name: str, spec: ModelSpec) -> Departure | None:
    """How the network of `spec` departs from its name; None where it does not, its width and seed aside.

    Raises `InvalidSpec` where it cannot be built or does not take its input.
    """
    own = replace(model_spec(name), width=1.0)
    different = tuple(field for field in _FIELDS if getattr(spec, field) != getattr(own, field))
    if not different:
        return None
    built, usual = profile(spec).total, profile(own).total
    shown = (*different, "width") if spec.width != own.width else different
    words, its_own = _described(spec, shown), _described(own, shown)
    first = f"{name} as {words}: {_size(built)}; the name alone is {its_own}: {_size(usual)}"
    advice = _advice(spec, built, usual) if own.conv.method == "standard" else None
    sentences = tuple(f"{sentence}." for sentence in (first, advice, _smaller(spec, own)) if sentence)
    return Departure(name, different, built.params, built.flops, usual.params, usual.flops, sentences)


def _described(spec: ModelSpec, fields: tuple[str, ...]) -> str:
    words = {
        "width": f"x{spec.width:g}",
        "conv": spec.conv.label,
        "num_classes": f"{spec.num_classes} classes",
        "input_shape": f"images of {'x'.join(map(str, spec.input_shape))}",
        "padding": f"{spec.padding or entry_of(spec.name).padding} padding",
        "bn_eps": f"BN eps {spec.bn_eps or entry_of(spec.name).bn_eps:g}",
        "widths": widths_label(spec.widths) if spec.widths else "no own widths",
    }
    return ", ".join(word for field, word in words.items() if field in fields)


def _size(counts: Counts) -> str:
    return f"{_millions(counts.params)} parameters, {_millions(counts.flops)} FLOPs"


def _advice(spec: ModelSpec, built: Counts, usual: Counts) -> str | None:
    """Dense GroupNL in place of thin convolutions makes a light network a heavy one; the papers' is sparse."""
    if spec.conv.method != "groupnl" or entry_of(spec.name).groupnl == "groupnl" or built.params <= usual.params:
        return None
    sparse = profile(replace(spec, conv=replace(spec.conv, method="groupnl-sparse"))).total
    return f"groupnl-sparse, the paper's for this network, has {_millions(sparse.params)} parameters"


def _smaller(spec: ModelSpec, own: ModelSpec) -> str | None:
    """A network for photographs reduces small images to a point long before its end; others are made for them."""
    small = f"{spec.name}_cifar"
    if small not in {network.name for network in list_models()} or _side(spec) > _SMALL or _side(own) <= _SMALL:
        return None
    return f"{small} is this network for small images, as in the papers' tables of CIFAR"


def _side(spec: ModelSpec) -> int:
    return max(spec.input_shape[1:])


def _millions(count: int) -> str:
    return f"{count / 1e6:.2f} M" if count >= 10_000 else str(count)
