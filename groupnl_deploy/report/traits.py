"""In what the rows of a report differ: each such thing is a column, and what all share is said once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from groupnl_deploy.models.knobs import KNOBS
from groupnl_deploy.models.spec import widths_label
from groupnl_deploy.report.identity import KNOB_NAMES, RUNTIME_SETTINGS, WAVES, Identity

# What the word of a preset settles: `ConvSpec.semantics`.
_SETTLED = WAVES | {"normalize"}
_SPEAK_FOR_THEMSELVES = {"network", "trained", "convolution", "semantics", "backend", "device", "board"}


def _applies(row: Identity) -> bool:
    return True


def _to_onnx(row: Identity) -> bool:
    return row.format == "onnx"


@dataclass(frozen=True)
class Trait:
    """One thing that runs differ in: `name` in JSON and CSV, a column's heading, and the value.

    Args:
        told: whether it is worth a word below the table when it is the same in every row.
        applies: to which rows; where it does not, its absence is no difference.
    """

    name: str
    heading: str
    told: bool = True
    applies: Callable[[Identity], bool] = _applies
    shorten: int | None = None

    def value(self, row: Identity) -> Any:
        """The field's value; None where it does not apply."""
        return getattr(row, self.name) if self.applies(row) else None

    def text(self, row: Identity) -> str:
        """The value in a table's cell."""
        return plain(self.value(row))[: self.shorten]

    def said(self, row: Identity) -> str:
        """The value in a sentence: “threads 1” and “idle 5 s”, but “standard”, which says itself what it is of."""
        if self.name in _SPEAK_FOR_THEMSELVES:
            return self.text(row)
        word, _, unit = self.in_a_sentence.removesuffix(")").partition(" (")
        return f"{word} {self.text(row)} {unit}".rstrip()

    @property
    def in_a_sentence(self) -> str:
        """The heading as it stands within a sentence."""
        return self.heading if self.heading[:2].isupper() else self.heading[0].lower() + self.heading[1:]

    def parts(self, row: Identity) -> dict[str, str]:
        """What is compared, part by part; empty where it does not apply."""
        return {"": plain(self.value(row))} if self.applies(row) else {}


@dataclass(frozen=True)
class KnobTrait(Trait):
    """A knob of the convolution or of the network."""

    def value(self, row: Identity) -> Any:
        """None where the convolution does not read it."""
        return row.knobs.get(self.name)

    def parts(self, row: Identity) -> dict[str, str]:
        """Empty where the convolution does not read it."""
        return {"": plain(self.value(row))} if self.name in row.knobs else {}


@dataclass(frozen=True)
class _OwnWidthsTrait(KnobTrait):
    """Too many to be told: how many, and a digest."""

    def text(self, row: Identity) -> str:
        return widths_label(value) if (value := self.value(row)) else _NONE

    def parts(self, row: Identity) -> dict[str, str]:
        return {"": self.text(row)} if self.name in row.knobs else {}


@dataclass(frozen=True)
class _CodeTrait(KnobTrait):
    """A user's own: the file, and the beginning of its digest."""

    def text(self, row: Identity) -> str:
        return f"{value['file']} #{value['sha256'][:8]}" if (value := self.value(row)) else _NONE

    def parts(self, row: Identity) -> dict[str, str]:
        return {"": self.text(row)} if self.name in row.knobs else {}


@dataclass(frozen=True)
class _VersionsTrait(Trait):
    """Libraries are compared one by one: which of them a backend has is the backend's difference."""

    def parts(self, row: Identity) -> dict[str, str]:
        return {said.rpartition(" ")[0]: said.rpartition(" ")[2] for said in row.versions.split(", ")}


_NONE = "–"


def plain(value: Any) -> str:
    """A value as people write it, and every digit of it."""
    if value is None or value == "":
        return _NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    if isinstance(value, list | tuple):
        return ("x" if all(isinstance(item, int) for item in value) else ",").join(map(plain, value))
    return str(value)


@dataclass(frozen=True)
class _WeightsTrait(Trait):
    """Trained or not, in words; nothing where nobody knows."""

    def value(self, row: Identity) -> Any:
        return {True: "trained", False: "untrained", None: None}[row.trained]


@dataclass(frozen=True)
class _QuantizedTrait(Trait):
    """Said of those that are."""

    def value(self, row: Identity) -> Any:
        return row.quantized or None


_HEADINGS = {"bn_eps": "BN eps", **{name: knob.heading for name, knob in KNOBS.items()}}


def _knob(name: str) -> Trait:
    if name == "widths":
        return _OwnWidthsTrait(name, "Widths")
    if name == "code":
        return _CodeTrait(name, "Code")
    heading = _HEADINGS.get(name, name.replace("_", " ").capitalize())
    return KnobTrait(name, heading, told=name == "padding" or (name in KNOBS and bool(KNOBS[name].label)))


def _setting(name: str) -> Trait:
    heading = name.replace("_", " ").capitalize()
    return Trait(name, heading, told=False, applies=lambda row: getattr(row, name) is not None)


def _native_trait(name: str, heading: str, told: bool = True, shorten: int | None = None) -> Trait:
    """One thing of what computed native operators."""
    return Trait(name, heading, told, lambda row: row.instructions is not None, shorten)


TRAITS: tuple[Trait, ...] = (
    Trait("network", "Model"),
    _WeightsTrait("trained", "Weights"),
    Trait("width", "Width"),
    Trait("convolution", "Conv"),
    Trait("semantics", "Semantics", applies=lambda row: row.semantics is not None),
    *map(_knob, KNOB_NAMES),
    Trait("seed", "Seed", told=False),
    Trait("input_shape", "Input", applies=lambda row: row.inputs is None),
    Trait("inputs", "Inputs", applies=lambda row: row.inputs is not None),
    Trait("classes", "Classes"),
    Trait("source", "Made from", told=False),
    _QuantizedTrait("quantized", "Quantized"),
    Trait("format", "Format"),
    Trait("level", "Level"),
    Trait("target", "Target", applies=_to_onnx),
    Trait("opset", "Opset", applies=_to_onnx),
    Trait("batch", "Batch"),
    Trait("form", "Form", told=False, applies=lambda row: row.format == "torch"),
    Trait("device", "Device"),
    Trait("backend", "Backend"),
    Trait("threads", "Threads"),
    *(_setting(name) for name in RUNTIME_SETTINGS),
    Trait("board", "Board"),
    Trait("governor", "Governor", told=False),
    _VersionsTrait("versions", "Versions"),
    _native_trait("instructions", "Instructions"),
    _native_trait("model_file", "File", told=False),
    _native_trait("library_sha256", "Library", told=False, shorten=12),
    Trait("system", "System", told=False),
    Trait("meter", "Read with", told=False, applies=lambda row: row.meter is not None),
    Trait("image_source", "Images from", told=False),
    Trait("images", "Images", told=False),
    Trait("idle_s", "Idle (s)", told=False),
    Trait("warmup_s", "Warm-up (s)", told=False),
    Trait("cool_to_c", "Cooled to (°C)"),
    Trait("min_seconds", "Window (s)", told=False),
    Trait("min_iterations", "Least inferences", told=False),
    Trait("groupnl", "groupnl", told=False),
    Trait("agent_sha256", "Agent", told=False, shorten=12),
)
"""What differs has a column of its own, in this order."""

LAST_RESORTS = (
    Trait("source_sha256", "Source", told=False, shorten=12),
    Trait("artifact_sha256", "Artifact", told=False, shorten=12),
    Trait("run", "Run", told=False),
    Trait("created_at", "When", told=False),
)
"""They always differ, so one has a column only where two rows would else be told apart by nothing."""


def differing(rows: Sequence[Identity]) -> tuple[Trait, ...]:
    """The traits that rows differ in, each of which a table of these rows must show.

    A trait that applies to some rows alone differs where two of those differ: that the others have none of it is said
    by what rules it out, such as the format or the convolution.
    """
    shown = [trait for trait in _traits(rows) if _differs(trait, rows)]
    for trait in LAST_RESORTS:
        alike: dict[tuple[str, ...], set[Any]] = {}
        for row in rows:
            alike.setdefault(tuple(one.text(row) for one in shown), set()).add(trait.value(row))
        if any(len(values) > 1 for values in alike.values()):
            shown.append(trait)
    return tuple(shown)


def shared(rows: Sequence[Identity]) -> str:
    """What is the same in every row and so has no column, as a sentence or two; empty without rows."""
    same = [trait for trait in _traits(rows)[1:] if trait.told and not _differs(trait, rows)]
    having = {trait.name: [row for row in rows if trait.parts(row) and trait.text(row) != _NONE] for trait in same}
    everywhere = [_said(trait, rows) for trait in same if rows and len(having[trait.name]) == len(rows)]
    partly = [_said(trait, found) for trait in same if 0 < len(found := having[trait.name]) < len(rows)]
    sentences = (("In every row", everywhere), ("Where it applies", partly))
    return " ".join(f"{where}: {', '.join(said)}." for where, said in sentences if said)


def _said(trait: Trait, rows: Sequence[Identity]) -> str:
    """The trait's name and its value, the parts of all rows put together."""
    parts = {part: value for row in rows for part, value in trait.parts(row).items()}
    return f"{trait.in_a_sentence} {', '.join(f'{part} {value}'.strip() for part, value in sorted(parts.items()))}"


def _traits(rows: Sequence[Identity]) -> tuple[Trait, ...]:
    """All of them, with the knobs that only another version's specifications have."""
    foreign = sorted({knob for row in rows for knob in row.knobs} - set(KNOB_NAMES))
    return (*TRAITS, *map(_knob, foreign))


def _differs(trait: Trait, rows: Sequence[Identity]) -> bool:
    having = [row for row in rows if trait.parts(row)]
    if trait.name in _SETTLED and all(row.semantics in ("released", "paper") for row in having):
        return False  # the word of the preset says it
    seen: dict[str, str] = {}
    return any(seen.setdefault(part, value) != value for row in having for part, value in trait.parts(row).items())
