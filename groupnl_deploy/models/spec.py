"""What a network is, as plain data: enough to build the same module again anywhere."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from groupnl_deploy.models.knobs import KNOBS, Knobs
from groupnl_deploy.models.methods import METHODS, require_method
from groupnl_deploy.models.refusal import InvalidSpec, require_choice, require_positive

Semantics = Literal["released", "paper"]
Padding = Literal["symmetric", "same"]
Widths = tuple[tuple[str, int], ...]

SCHEMA_VERSION = 3  # since 3 it says where code comes from that is the user's own
LARGEST_WIDTH = 32
LARGEST_EPS = 1.0


@dataclass(frozen=True)
class ConvSpec(Knobs):
    """How the replaceable convolutions of a network are made: a method, and its knobs.

    The defaults are those of the authors' released code, which differs from the paper (arXiv 2506.12335):

    ==========  =======================  ==============================
    knob        released code            paper (Algorithm 1, Table 13)
    ==========  =======================  ==============================
    normalize   L2 over the seed maps    none
    phi_sign    sin(ω·(s − φ))           sin(ω·(s + φ))
    phi_range   [1, 2] (see below)       [1, 5]
    ==========  =======================  ==============================

    The released code documents φ in [1, 5] but draws it from ω's range.

    Args:
        method: a word of `METHODS`, which says what else is read. "groupnl-sparse" is GroupNL whose seed
            convolution has gcd(c_in, c_seed) groups instead of one.
        ratio: r, output channels over seed channels; for "mono" the factor e, kernels over seed kernels.
        nl_groups: g, the groups the seed maps are split into, each with hyper-parameters of its own.
        nlf: the nonlinear transformation function (Table 13), a key of `layers.nlf.NLFS`.
        normalize: L2-normalise the seed maps over channels before anything is generated from them.
        phi_sign: −1 subtracts φ from the seed maps, +1 adds it. φ and ω are those of "sinusoidal" alone.
        omega_range: ω is drawn uniformly from here.
        phi_range: φ is drawn uniformly from here.
        bn_position: the BatchNorm of the layer stands behind the concatenation, or over the seed maps alone,
            before anything is generated from them.
        group_size: G, channels in each group of a "grouped" convolution (E2GC), or
        num_groups: g, the number of its groups (FgGC); one of the two.

    Raises `InvalidSpec` for a knob that is not at its default and that the method does not read: it would do nothing.
    """

    method: str

    def __post_init__(self) -> None:
        require_method(self.method)
        super().__post_init__()
        self._require_one_of()
        for knob in KNOBS.values():
            if getattr(self, knob.name) != knob.default:
                _require_knob(self.method, knob.name)

    def _require_one_of(self) -> None:
        choices = METHODS[self.method].one_of
        given = [name for name in choices if getattr(self, name) is not None]
        if choices and len(given) != 1:
            raise InvalidSpec(
                f"a {self.method} convolution needs either {' or '.join(choices)}{', not both' * bool(given)}",
                f"Give {' or '.join(f'{name} ({KNOBS[name].example})' for name in choices)}.",
                *choices,
            )

    @classmethod
    def preset(cls, method: str, semantics: Semantics = "released", **knobs: Any) -> "ConvSpec":
        """The authors' released code, or the paper as printed, with single knobs turned.

        Only GroupNL differs between the two. Raises `InvalidSpec` for a knob that the method does not have.
        """
        paper = require_method(method).paper if semantics == "paper" else None
        require_choice("semantics", semantics, get_args(Semantics))
        for name in knobs:
            _require_knob(method, name)
        if knobs.get("nlf", "sinusoidal") != "sinusoidal":
            _require_no_waves(knobs)
        return cls(method, **(dict(paper or {}) | knobs))

    @property
    def sparse(self) -> bool:
        """Whether the seed convolution is thinned by groups."""
        return self.method == "groupnl-sparse"

    @property
    def has_semantics(self) -> bool:
        """Whether the released code and the paper have it otherwise: it is GroupNL."""
        return METHODS[self.method].paper is not None

    @property
    def semantics(self) -> Literal["released", "paper", "custom"]:
        """The preset whose function these knobs describe; ratio, groups and sparsity belong to none."""
        knobs = {} if self.nlf == "sinusoidal" else {"nlf": self.nlf}
        if _function(self) == _function(ConvSpec.preset("groupnl", "released", **knobs)):
            return "released"
        if _function(self) == _function(ConvSpec.preset("groupnl", "paper", **knobs)):
            return "paper"
        return "custom"

    @property
    def label(self) -> str:
        """Short text for people, such as "groupnl-sparse r8 (released)" or "grouped G=32"."""
        method = METHODS[self.method]
        named = method.knobs if method.named_by is None else method.named_by
        turned = [(KNOBS[name], getattr(self, name)) for name in named]
        said = "".join(knob.label.format(value) for knob, value in turned if value != knob.default)
        return f"{self.method}{said}" + (f" ({self.semantics})" if self.has_semantics else "")


@dataclass(frozen=True)
class CodeOrigin:
    """Where the code of a network that is the user's own comes from: enough to know it again, and never a path.

    Args:
        file: the file's name without its folder, such as "net.py", or a module's such as "nets.small".
        function: in it, which makes the network.
        sha256: of the file, and of what it imports from beside it; see `groupnl_deploy.own_code`.
    """

    file: str
    function: str
    sha256: str

    def __post_init__(self) -> None:
        plain = self.file.isprintable() and not {"/", "\\"} & set(self.file) and self.function.isidentifier()
        if not plain or not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise InvalidSpec(
                f"code is {self.file!r}, {self.function!r}, {self.sha256!r}",
                "Give a file's name without its folder, a function in it, and a SHA-256.",
                "code",
            )

    def __str__(self) -> str:
        return f"{self.file}:{self.function}"


@dataclass(frozen=True)
class ModelSpec:
    """One network: a registered name, the convolutions inside it, its size, its input and its seed.

    Args:
        name: a name from `registry.list_models`, not an alias; with `code` that of its function.
        conv: what its replaceable convolutions are.
        width: factor on every channel count.
        num_classes: outputs of the last linear layer.
        input_shape: (channels, height, width) of one image.
        seed: what the initial weights and the GroupNL hyper-parameters are drawn from.
        padding: where the zeros around the maps of strided convolutions stand, see `padding.SamePad2d`; None is the
            network's own, `Network.padding`.
        bn_eps: ε of every BatchNorm, likewise.
        widths: convolutions of the plain network with other output channels than `width` gives them, by dotted name, as
            in a grown or pruned network; a mapping becomes pairs, sorted. See `widths`.
        code: of a network that the user wrote; None for those that are registered here.
        schema_version: version of this record on disk.
    """

    name: str
    conv: ConvSpec
    width: float = 1.0
    num_classes: int = 10
    input_shape: tuple[int, int, int] = (3, 32, 32)
    seed: int = 0
    padding: Padding | None = None
    bn_eps: float | None = None
    widths: Widths = ()
    code: CodeOrigin | None = None
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        if not 0 < self.width <= LARGEST_WIDTH:  # NaN is in no range
            remedy = f"Give a factor such as 0.25 or 1, at most {LARGEST_WIDTH}."
            raise InvalidSpec(f"width is {self.width}", remedy, "width")
        if not 0 <= self.seed < 2**63:
            raise InvalidSpec(f"seed is {self.seed}", "Give a whole number from 0 to 2^63 - 1.", "seed")
        require_positive("num_classes", self.num_classes)
        object.__setattr__(self, "widths", _sorted_widths(self.widths))
        if self.padding is not None:
            require_choice("padding", self.padding, get_args(Padding))
        if self.bn_eps is not None and not 0 < self.bn_eps <= LARGEST_EPS:
            remedy = f"Give a small number such as 0.001, at most {LARGEST_EPS:g}."
            raise InvalidSpec(f"bn_eps is {self.bn_eps}", remedy, "bn_eps")
        if len(self.input_shape) != 3:
            shape = f"input_shape is {self.input_shape}"
            raise InvalidSpec(shape, "Give (channels, height, width).", "input_shape")
        for axis, size in zip(("channels", "height", "width"), self.input_shape, strict=True):
            require_positive(f"input_shape {axis}", size)

    @property
    def label(self) -> str:
        """Short text for people, such as "resnet18_cifar x0.25 groupnl (released)"."""
        padding = f", {self.padding} padding" if self.padding else ""
        eps = f", BN eps {self.bn_eps:g}" if self.bn_eps else ""
        widths = f", {widths_label(self.widths)}" if self.widths else ""
        return f"{self.code or self.name} x{self.width:g} {self.conv.label}{padding}{eps}{widths}"


def widths_label(widths: Any) -> str:
    """Short text that is the same for the same widths alone, such as "12 own widths #3f2a9c1b"; in JSON's lists too."""
    digest = hashlib.sha256(json.dumps(widths, ensure_ascii=False).encode()).hexdigest()[:8]
    return f"{len(widths)} own width{'s' * (len(widths) != 1)} #{digest}"


def scaled(channels: int, width: float) -> int:
    """`channels` times the width factor, rounded. Raises `InvalidSpec` where none is left."""
    count = round(channels * width)
    if count < 1:
        raise InvalidSpec(f"width {width:g} leaves no channel of {channels}", "Choose a larger width.", "width")
    return count


def require_semantics(semantics: Semantics, method: str) -> None:
    """Raise `InvalidSpec` where "paper" is asked of a convolution that is the same in both: it would do nothing."""
    if semantics == "paper" and METHODS[method].paper is None:
        raise InvalidSpec(
            f"semantics is paper, which only GroupNL has, and the convolution is {method}",
            "Leave semantics out, or choose groupnl.",
            "semantics",
        )


def _sorted_widths(widths: Any) -> Widths:
    pairs = list(widths.items() if isinstance(widths, Mapping) else widths)
    for name, channels in pairs:
        require_positive(f"widths {name}", channels)
    twice = [name for name, _ in pairs if sum(name == other for other, _ in pairs) > 1]
    if twice:
        raise InvalidSpec(f"widths has {twice[0]} twice", "Give each convolution once.", "widths")
    return tuple(sorted((str(name), channels) for name, channels in pairs))


def _function(conv: ConvSpec) -> tuple[object, ...]:
    waves = (conv.phi_sign, conv.omega_range, conv.phi_range) if conv.nlf == "sinusoidal" else ()
    return conv.nlf, conv.normalize, *waves


def _require_knob(method: str, knob: str) -> None:
    if knob not in METHODS[method].knobs:
        owners = [owner.word for owner in METHODS.values() if knob in owner.knobs]
        raise InvalidSpec(
            f"{knob} is a knob of {', '.join(owners) or 'nothing'}, not of {method}",
            f"Leave {knob} out, or choose another method.",
            knob,
            "method",
        )


def _require_no_waves(knobs: dict[str, Any]) -> None:
    waves = sorted({"phi_sign", "phi_range", "omega_range"} & set(knobs))
    if waves:
        raise InvalidSpec(
            f"{' and '.join(waves)}: of the sinusoidal function alone, not of {knobs['nlf']}",
            f"Leave {' and '.join(waves)} out, or nlf at sinusoidal.",
            "nlf",
            *waves,
        )
