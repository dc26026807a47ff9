"""What a network is, as plain data: enough to build the same module again anywhere."""

import math
from dataclasses import dataclass, replace
from typing import Literal, get_args

Method = Literal["standard", "groupnl"]
Semantics = Literal["released", "paper"]
Nonlinearity = Literal["sinusoidal"]
Range = tuple[float, float]

SCHEMA_VERSION = 1
LARGEST_WIDTH = 32


class InvalidSpec(ValueError):
    """A number or word in a spec, or a combination of them, describes no network."""


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
        method: "standard" is an ordinary convolution and leaves every other field unused.
        ratio: r, output channels over seed channels.
        nl_groups: g, the groups the seed maps are split into, each with hyper-parameters of its own.
        sparse: the seed convolution has gcd(c_in, c_seed) groups instead of one.
        nlf: the nonlinear transformation function.
        normalize: L2-normalise the seed maps over channels before anything is generated from them.
        phi_sign: −1 subtracts φ from the seed maps, +1 adds it.
        omega_range: ω is drawn uniformly from here.
        phi_range: φ is drawn uniformly from here.
    """

    method: Method
    ratio: int = 2
    nl_groups: int = 4
    sparse: bool = False
    nlf: Nonlinearity = "sinusoidal"
    normalize: bool = True
    phi_sign: Literal[1, -1] = -1
    omega_range: Range = (1.0, 2.0)
    phi_range: Range = (1.0, 2.0)

    def __post_init__(self) -> None:
        _require_choice("method", self.method, get_args(Method))
        _require_choice("nlf", self.nlf, get_args(Nonlinearity))
        _require_choice("phi_sign", self.phi_sign, (1, -1))
        _require_positive("ratio", self.ratio)
        _require_positive("nl_groups", self.nl_groups)
        _require_range("omega_range", self.omega_range)
        _require_range("phi_range", self.phi_range)

    @classmethod
    def preset(cls, method: Method, semantics: Semantics = "released") -> "ConvSpec":
        """The authors' released code, or the paper as printed. A standard convolution is the same in both."""
        _require_choice("semantics", semantics, get_args(Semantics))
        released = cls(method)
        if method == "standard" or semantics == "released":
            return released
        return replace(released, normalize=False, phi_sign=1, phi_range=(1.0, 5.0))

    @property
    def semantics(self) -> Literal["released", "paper", "custom"]:
        """The preset whose function these knobs describe; ratio, groups and sparsity belong to none."""
        if _function(self) == _function(ConvSpec.preset("groupnl", "released")):
            return "released"
        if _function(self) == _function(ConvSpec.preset("groupnl", "paper")):
            return "paper"
        return "custom"


@dataclass(frozen=True)
class ModelSpec:
    """One network: a registered name, the convolutions inside it, its size, its input and its seed.

    Args:
        name: a name from `registry.list_models`.
        conv: what its replaceable convolutions are.
        width: factor on every channel count.
        num_classes: outputs of the last linear layer.
        input_shape: (channels, height, width) of one image.
        seed: what the initial weights and the GroupNL hyper-parameters are drawn from.
        schema_version: version of this record on disk.
    """

    name: str
    conv: ConvSpec
    width: float = 1.0
    num_classes: int = 10
    input_shape: tuple[int, int, int] = (3, 32, 32)
    seed: int = 0
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        if not 0 < self.width <= LARGEST_WIDTH:  # NaN is in no range
            raise InvalidSpec(f"width is {self.width}; it must be a factor such as 0.25 or 1, at most {LARGEST_WIDTH}")
        if not 0 <= self.seed < 2**63:
            raise InvalidSpec(f"seed is {self.seed}; it must be a whole number from 0 to 2^63 - 1")
        _require_positive("num_classes", self.num_classes)
        if len(self.input_shape) != 3:
            raise InvalidSpec(f"input_shape is {self.input_shape}; it must be (channels, height, width)")
        for axis, size in zip(("channels", "height", "width"), self.input_shape, strict=True):
            _require_positive(f"input_shape {axis}", size)

    @property
    def label(self) -> str:
        """Short text for people, such as "resnet18_cifar x0.25 groupnl (released)"."""
        size = f"{self.name} x{self.width:g}"
        if self.conv.method == "standard":
            return f"{size} standard"
        ratio = "" if self.conv.ratio == 2 else f" r{self.conv.ratio}"
        sparse = "-sparse" if self.conv.sparse else ""
        return f"{size} {self.conv.method}{sparse}{ratio} ({self.conv.semantics})"


def _function(conv: ConvSpec) -> tuple[object, ...]:
    return conv.nlf, conv.normalize, conv.phi_sign, conv.omega_range, conv.phi_range


def _require_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    if value not in choices:
        raise InvalidSpec(f"{name} is {value!r}; it must be one of {', '.join(map(repr, choices))}")


def _require_positive(name: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidSpec(f"{name} is {value!r}; it must be a whole number of at least 1")


def _require_range(name: str, value: Range) -> None:
    if len(value) != 2 or not all(map(math.isfinite, value)) or value[0] > value[1]:
        raise InvalidSpec(f"{name} is {value!r}; it must be two finite numbers, the smaller one first")
