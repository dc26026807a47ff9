"""What can be turned on a convolution. Imports nothing slow.

`Knobs` is the one place of a knob: its name, type, default and words for people. From it derive the fields of a
`ConvSpec`, the options of the command line, the keys of a campaign file and the columns of a report. To add one: a
field here, and its name in the record of each method that reads it (`methods`).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from groupnl_deploy.models.refusal import InvalidSpec, Range, require_choice, require_positive, require_range

Nonlinearity = Literal["sinusoidal", "monomial", "gaussian", "laplace", "laplace-literal"]
BnPosition = Literal["concat", "seeds"]
Sign = Literal[1, -1]
T = TypeVar("T")

_SIGNS = {"+": 1, "+1": 1, "1": 1, "-": -1, "-1": -1}


@dataclass(frozen=True)
class Knob:
    """One knob: what it is called, what it may be, and what people are told of it.

    Args:
        name: of the field, and of the key of a campaign file; the option has dashes.
        type: without None, which says that it is left out.
        default: where nothing is said.
        about: one line of help.
        kind: of a word, what it is a word for, such as "nonlinear function".
        heading: of its column in a report.
        label: how a value other than the default stands in the name of a network, such as " r{}"; "" for not at all.
        example: its symbol and a value, such as "G, such as 16", for remedies.
    """

    name: str
    type: Any
    default: Any
    about: str
    kind: str
    heading: str
    label: str
    example: str

    @property
    def words(self) -> tuple[str, ...]:
        """What a knob of words can be; nothing for the others."""
        choices = get_args(self.type) if get_origin(self.type) is Literal else ()
        return tuple(choice for choice in choices if isinstance(choice, str))

    @property
    def option(self) -> type[int] | type[bool] | type[str]:
        """What the command line reads before `parse`: whole numbers, flags, and text for everything else."""
        return self.type if self.type in (int, bool) else str

    def parse(self, said: Any) -> Any:
        """The value of what the command line read. Raises `InvalidSpec` for text that is no such value."""
        if self.type == Range:
            return _range(self.name, said)
        return _sign(self.name, said) if self.type == Sign else said

    def require(self, value: Any) -> None:
        """Raise `InvalidSpec` for what the knob cannot be."""
        if value is None and self.default is None:
            return
        if self.type is int:
            require_positive(self.name, value)
        elif self.type == Range:
            require_range(self.name, value)
        elif get_origin(self.type) is Literal:
            require_choice(self.name, value, get_args(self.type))


def _told(about: str, *, kind: str = "word", heading: str = "", label: str = "", example: str = "") -> dict[str, str]:
    """What people are told of a knob; see `Knob`."""
    return {"about": about, "kind": kind, "heading": heading, "label": label, "example": example}


_NLFS = get_args(Nonlinearity)


@dataclass(frozen=True, kw_only=True)
class Knobs:
    """Everything that can be turned on a convolution; which of it a method reads is in `methods`.

    The defaults are those of the authors' released code. Raises `InvalidSpec` for what a knob cannot be.
    """

    ratio: int = field(
        default=2,
        metadata=_told("r, output over seed channels (2); for mono its factor at 64 channels.", label=" r{}"),
    )
    nl_groups: int = field(
        default=4, metadata=_told("g, GroupNL's groups of seed channels (4).", label=" g{}", heading="NL groups")
    )
    nlf: Nonlinearity = field(
        default="sinusoidal",
        metadata=_told(
            f"GroupNL's function: {', '.join(_NLFS[:-1])} or {_NLFS[-1]}.",
            kind="nonlinear function",
            heading="NLF",
            label=" {}",
        ),
    )
    normalize: bool = field(default=True, metadata=_told("L2-normalise the seed maps; released: yes."))
    phi_sign: Sign = field(
        default=-1, metadata=_told("+ for sin(ω(s + φ)), the paper's; - for sin(ω(s - φ)), the released code's.")
    )
    omega_range: Range = field(default=(1.0, 2.0), metadata=_told("ω is drawn from here, such as 1,2."))
    phi_range: Range = field(default=(1.0, 2.0), metadata=_told("φ is drawn from here, such as 1,5."))
    bn_position: BnPosition = field(
        default="concat",
        metadata=_told(
            "concat: BatchNorm behind the concat; seeds: over the seeds, before generation.",
            kind="position of the BatchNorm",
            heading="BN position",
        ),
    )
    group_size: int | None = field(
        default=None,
        metadata=_told("G of grouped: channels in each group (E2GC).", label=" G={}", example="G, such as 16"),
    )
    num_groups: int | None = field(
        default=None,
        metadata=_told("g of grouped: a fixed number of groups (FgGC).", label=" g={}", example="g, such as 4"),
    )

    def __post_init__(self) -> None:
        for knob in KNOBS.values():
            knob.require(getattr(self, knob.name))


def _knobs() -> Iterator[Knob]:
    hints = get_type_hints(Knobs)
    for one in fields(Knobs):
        hint = hints[one.name]
        kinds = [kind for kind in get_args(hint) if kind is not NoneType] if isinstance(hint, UnionType) else [hint]
        words = {**one.metadata, "heading": one.metadata["heading"] or one.name.replace("_", " ").capitalize()}
        yield Knob(one.name, kinds[0], one.default, **words)


KNOBS: Mapping[str, Knob] = {knob.name: knob for knob in _knobs()}
"""Every knob by its name, in the order of `Knobs`."""


def with_knobs(hint: Callable[[Knob], Any]) -> Callable[[type[T]], type[T]]:
    """Give a class that is going to be a dataclass a field for every knob, None where nothing is said.

    Args:
        hint: the type of a knob's field, None included.
    """

    def give(cls: type[T]) -> type[T]:
        cls.__annotations__ = cls.__annotations__ | {knob.name: hint(knob) for knob in KNOBS.values()}
        for knob in KNOBS.values():
            setattr(cls, knob.name, None)
        return cls

    return give


def turned(holder: object) -> dict[str, Any]:
    """The knobs of a class made `with_knobs` of which something is said."""
    return {name: value for name in KNOBS if (value := getattr(holder, name)) is not None}


def _sign(name: str, text: str) -> int:
    if text not in _SIGNS:
        raise InvalidSpec(f"{name} is “{text}”; it is + or -", f"Write {name}=+ or {name}=-.", name)
    return _SIGNS[text]


def _range(name: str, text: str) -> Range:
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError as error:
        raise InvalidSpec(f"{name} is “{text}”; it is two numbers", f"Write {name} 1,5.", name) from error
    return low, high
