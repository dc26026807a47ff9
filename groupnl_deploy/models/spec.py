"""What a network is, as plain data: enough to build the same module again anywhere."""

import math
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

Method = Literal["standard", "depthwise", "mono", "ghost", "sinefm", "groupnl", "groupnl-sparse", "grouped"]
Semantics = Literal["released", "paper"]
Nonlinearity = Literal["sinusoidal", "monomial", "gaussian", "laplace", "laplace-literal"]
BnPosition = Literal["concat", "seeds"]
Padding = Literal["symmetric", "same"]
Range = tuple[float, float]

SCHEMA_VERSION = 2
LARGEST_WIDTH = 32
LARGEST_EPS = 1.0

_GROUPNL_KNOBS = frozenset(
    {"ratio", "nl_groups", "nlf", "normalize", "phi_sign", "omega_range", "phi_range", "bn_position"}
)
# Which fields of a `ConvSpec` a method reads. A knob that would do nothing is refused, not ignored.
KNOBS: dict[Method, frozenset[str]] = {
    "standard": frozenset(),
    "depthwise": frozenset(),
    "mono": frozenset({"ratio"}),
    "ghost": frozenset({"ratio"}),
    "sinefm": frozenset({"ratio"}),
    "groupnl": _GROUPNL_KNOBS,
    "groupnl-sparse": _GROUPNL_KNOBS,
    "grouped": frozenset({"group_size", "num_groups"}),
}

_PAPER: dict[str, Any] = {"normalize": False, "phi_sign": 1, "phi_range": (1.0, 5.0)}


class InvalidSpec(ValueError):
    """A number or word in a spec, or a combination of them, describes no network.

    As text it is both sentences in one, for whoever quotes it inside another.

    Args:
        problem: what is wrong; no capital and no full stop, because the name of a layer or a field may come first.
        remedy: what to do, as a sentence.
        fields: the words of both that are names of fields; whoever has other names for them can say those.
    """

    def __init__(self, problem: str, remedy: str, *fields: str) -> None:
        super().__init__(f"{problem}; {remedy[0].lower()}{remedy[1:].rstrip('.')}")
        self.problem, self.remedy, self.fields = problem, remedy, fields


@dataclass(frozen=True)
class ConvSpec:
    """How the replaceable convolutions of a network are made.

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
        method: "standard" and "depthwise" are ordinary convolutions; "groupnl-sparse" is GroupNL whose seed
            convolution has gcd(c_in, c_seed) groups instead of one; "grouped" is a group convolution. `KNOBS`
            says which of the other fields a method reads.
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

    method: Method
    ratio: int = 2
    nl_groups: int = 4
    nlf: Nonlinearity = "sinusoidal"
    normalize: bool = True
    phi_sign: Literal[1, -1] = -1
    omega_range: Range = (1.0, 2.0)
    phi_range: Range = (1.0, 2.0)
    bn_position: BnPosition = "concat"
    group_size: int | None = None
    num_groups: int | None = None

    def __post_init__(self) -> None:
        require_choice("method", self.method, get_args(Method))
        require_choice("nlf", self.nlf, get_args(Nonlinearity))
        require_choice("phi_sign", self.phi_sign, (1, -1))
        require_choice("bn_position", self.bn_position, get_args(BnPosition))
        for name in ("ratio", "nl_groups", "group_size", "num_groups"):
            if getattr(self, name) is not None:
                _require_positive(name, getattr(self, name))
        _require_range("omega_range", self.omega_range)
        _require_range("phi_range", self.phi_range)
        if self.method == "grouped" and (self.group_size is None) == (self.num_groups is None):
            raise InvalidSpec(
                f"a grouped convolution needs either group_size or num_groups{', not both' * bool(self.group_size)}",
                "Give group_size (G, such as 16) or num_groups (g, such as 4).",
                "group_size",
                "num_groups",
            )
        for knob in fields(self):
            if knob.name != "method" and getattr(self, knob.name) != knob.default:
                _require_knob(self.method, knob.name)

    @classmethod
    def preset(cls, method: Method, semantics: Semantics = "released", **knobs: Any) -> "ConvSpec":
        """The authors' released code, or the paper as printed, with single knobs turned.

        Only GroupNL differs between the two. Raises `InvalidSpec` for a knob that the method does not have.
        """
        require_choice("method", method, get_args(Method))
        require_choice("semantics", semantics, get_args(Semantics))
        for knob in knobs:
            _require_knob(method, knob)
        if knobs.get("nlf", "sinusoidal") != "sinusoidal":
            _require_no_waves(knobs)
        paper = semantics == "paper" and method.startswith("groupnl")
        return cls(method, **((_PAPER if paper else {}) | knobs))

    @property
    def sparse(self) -> bool:
        """Whether the seed convolution is thinned by groups."""
        return self.method == "groupnl-sparse"

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
        if self.method == "grouped":
            return f"grouped G={self.group_size}" if self.group_size else f"grouped g={self.num_groups}"
        ratio = "" if self.ratio == 2 or self.method == "mono" else f" r{self.ratio}"
        if not self.method.startswith("groupnl"):
            return f"{self.method}{ratio}"
        groups = "" if self.nl_groups == 4 else f" g{self.nl_groups}"
        nlf = "" if self.nlf == "sinusoidal" else f" {self.nlf}"
        return f"{self.method}{ratio}{groups}{nlf} ({self.semantics})"


@dataclass(frozen=True)
class ModelSpec:
    """One network: a registered name, the convolutions inside it, its size, its input and its seed.

    Args:
        name: a name from `registry.list_models`, not an alias.
        conv: what its replaceable convolutions are.
        width: factor on every channel count.
        num_classes: outputs of the last linear layer.
        input_shape: (channels, height, width) of one image.
        seed: what the initial weights and the GroupNL hyper-parameters are drawn from.
        padding: where the zeros around the maps of strided convolutions stand, see `padding.SamePad2d`; None is the
            network's own, `ModelEntry.padding`.
        bn_eps: ε of every BatchNorm, likewise.
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
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        if not 0 < self.width <= LARGEST_WIDTH:  # NaN is in no range
            remedy = f"Give a factor such as 0.25 or 1, at most {LARGEST_WIDTH}."
            raise InvalidSpec(f"width is {self.width}", remedy, "width")
        if not 0 <= self.seed < 2**63:
            raise InvalidSpec(f"seed is {self.seed}", "Give a whole number from 0 to 2^63 - 1.", "seed")
        _require_positive("num_classes", self.num_classes)
        if self.padding is not None:
            require_choice("padding", self.padding, get_args(Padding))
        if self.bn_eps is not None and not 0 < self.bn_eps <= LARGEST_EPS:
            remedy = f"Give a small number such as 0.001, at most {LARGEST_EPS:g}."
            raise InvalidSpec(f"bn_eps is {self.bn_eps}", remedy, "bn_eps")
        if len(self.input_shape) != 3:
            shape = f"input_shape is {self.input_shape}"
            raise InvalidSpec(shape, "Give (channels, height, width).", "input_shape")
        for axis, size in zip(("channels", "height", "width"), self.input_shape, strict=True):
            _require_positive(f"input_shape {axis}", size)

    @property
    def label(self) -> str:
        """Short text for people, such as "resnet18_cifar x0.25 groupnl (released)"."""
        padding = f", {self.padding} padding" if self.padding else ""
        eps = f", BN eps {self.bn_eps:g}" if self.bn_eps else ""
        return f"{self.name} x{self.width:g} {self.conv.label}{padding}{eps}"


def scaled(channels: int, width: float) -> int:
    """`channels` times the width factor, rounded. Raises `InvalidSpec` where none is left."""
    count = round(channels * width)
    if count < 1:
        raise InvalidSpec(f"width {width:g} leaves no channel of {channels}", "Choose a larger width.", "width")
    return count


def require_semantics(semantics: Semantics, method: Method) -> None:
    """Raise `InvalidSpec` where "paper" is asked of a convolution that is the same in both: it would do nothing."""
    if semantics == "paper" and not method.startswith("groupnl"):
        raise InvalidSpec(
            f"semantics is paper, which only GroupNL has, and the convolution is {method}",
            "Leave semantics out, or choose groupnl.",
            "semantics",
        )


def require_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    """Raise `InvalidSpec` for a value of the field `name` that is none of these."""
    if value not in choices:
        raise InvalidSpec(f"{name} is {value!r}", f"Give one of {', '.join(map(repr, choices))}.", name)


def _function(conv: ConvSpec) -> tuple[object, ...]:
    waves = (conv.phi_sign, conv.omega_range, conv.phi_range) if conv.nlf == "sinusoidal" else ()
    return conv.nlf, conv.normalize, *waves


def _require_knob(method: Method, knob: str) -> None:
    if knob not in KNOBS[method]:
        owners = [name for name in KNOBS if knob in KNOBS[name]]
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


def _require_positive(name: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidSpec(f"{name} is {value!r}", "Give a whole number of at least 1.", name)


def _require_range(name: str, value: Range) -> None:
    if len(value) != 2 or not all(map(math.isfinite, value)) or value[0] > value[1]:
        raise InvalidSpec(f"{name} is {value!r}", "Give two finite numbers, the smaller one first.", name)
