"""ncnn's text of a network, read strictly before ncnn itself reads it: it trusts every count and name. Pure.

A line each: a magic number, how many layers and blobs there are, then each layer: its type, its name, how many blobs it
reads and writes, their names, and `key=value` for what it is told.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from device_agent.native_choice import release

MAGIC = "7767517"
INPUT = "Input"
OWN_LAYER = "GroupNL"
"""A layer of ours, which our library computes (`device_agent.ncnn_layers`)."""

OWN_NUMBERS = (
    *("seeds", "inputs", "channels", "nl_groups", "function", "activation", "normalize", "given", "epsilon"),
    *("height", "width", "stride_y", "stride_x", "dilation_y", "dilation_x"),
    *("pad_top", "pad_left", "pad_bottom", "pad_right"),
)
"""What its line tells, by key: 0 is `seeds`, and so on. `epsilon` alone is no whole number."""

_MOST = 1 << 20  # layers, blobs, or blobs of a layer: more than any network here, and fewer than would fill a memory
_LARGEST = 1 << 31  # of a number that sizes something
_NUMBERS = re.compile(r"-?\d+=[-+0-9.e,]+")
_FORMULA = re.compile(r'-?\d+="[-+0-9a-z*/(),]{0,200}"')  # of a size, from those of what it reads
_FIELDS = 4  # type, name, counts
# Of ncnn's releases on PyPI the first that reads a formula, and the first that knows 0n in one, the axis of images.
# Older ones refuse such a text or, worse, end the process.
_READS_FORMULAS, _READS_IMAGES = "1.0.20250428", "1.0.20261020"
_OF_IMAGES = re.compile(r"\dn")


class NotNcnn(ValueError):
    """The text is no network of ncnn's, and why."""


class NeedsNewerNcnn(NotNcnn):
    """The text is one that the ncnn that is here cannot read; `needed` is the first that can."""

    def __init__(self, here: str, needed: str) -> None:
        super().__init__(f"ncnn {here} is too old to read it, and it needs {needed} or newer")
        self.needed = needed


@dataclass(frozen=True)
class NcnnLayer:
    """One line: what it is, the blobs that it reads and writes, and the formulas that it is told for sizes."""

    kind: str
    name: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    formulas: tuple[str, ...] = ()


def read_param(data: bytes) -> tuple[NcnnLayer, ...]:
    """The layers of a file, in order. Raises `NotNcnn` for whatever a reader would trip over."""
    try:
        lines = data.decode("ascii").splitlines()
    except UnicodeDecodeError as error:
        raise NotNcnn("it is no text") from error
    if len(lines) < 2 or lines[0].strip() != MAGIC:
        raise NotNcnn("it does not begin with ncnn's magic number")
    layers, blobs = _counts(lines[1])
    found = tuple(_layer(line) for line in lines[2:] if line.strip())
    written = [name for layer in found for name in layer.writes]
    if len(found) != layers or len(written) != blobs:
        raise NotNcnn(f"it tells of {layers} layers and {blobs} blobs, and has {len(found)} and {len(written)}")
    _require_order(found)
    return found


def _counts(line: str) -> tuple[int, int]:
    words = line.split()
    if len(words) != 2 or not all(word.isdecimal() and 0 < int(word) <= _MOST for word in words):
        raise NotNcnn("its second line is not the numbers of layers and blobs")
    return int(words[0]), int(words[1])


def _layer(line: str) -> NcnnLayer:
    words = line.split()
    if len(words) < _FIELDS or not all(word.isdecimal() and int(word) <= _MOST for word in words[2:4]):
        raise NotNcnn(f"“{line[:60]}” is no layer")
    reads, writes = int(words[2]), int(words[3])
    names, values = words[_FIELDS : _FIELDS + reads + writes], words[_FIELDS + reads + writes :]
    if len(names) != reads + writes or any("=" in name for name in names):
        raise NotNcnn(f"{words[1]} does not name as many blobs as it says")
    if not all(_FORMULA.fullmatch(value) or (_NUMBERS.fullmatch(value) and _fits(value)) for value in values):
        raise NotNcnn(f"{words[1]} is told something that is no number")
    formulas = tuple(value for value in values if _FORMULA.fullmatch(value))
    return NcnnLayer(words[0], words[1], tuple(names[:reads]), tuple(names[reads:]), formulas)


def _fits(value: str) -> bool:
    try:
        # A whole number may be a size; another is a threshold, such as the largest float32.
        return all(abs(float(one)) < _LARGEST or not one.lstrip("-").isdecimal() for one in _numbers(value))
    except ValueError:
        return False


def _numbers(value: str) -> list[str]:
    return value.partition("=")[2].split(",")


def _require_order(layers: tuple[NcnnLayer, ...]) -> None:
    """Every blob is written once, before it is read, and the first is an input."""
    known: set[str] = set()
    for layer in layers:
        unknown = next((name for name in layer.reads if name not in known), None)
        if unknown is not None:
            raise NotNcnn(f"{layer.name} reads {unknown}, which nothing before it writes")
        if again := known.intersection(layer.writes):
            raise NotNcnn(f"{again.pop()} is written twice")
        known.update(layer.writes)
    if layers[0].kind != INPUT:
        raise NotNcnn("it has no input")


def require_reader(layers: tuple[NcnnLayer, ...], version: str) -> None:
    """Raise `NeedsNewerNcnn` where an ncnn of this version is too old for what the layers are told."""
    formulas = [formula for layer in layers for formula in layer.formulas]
    needed = _READS_IMAGES if any(map(_OF_IMAGES.search, formulas)) else _READS_FORMULAS
    if formulas and release(version) < release(needed):
        raise NeedsNewerNcnn(version, needed)


def inputs_of(layers: tuple[NcnnLayer, ...]) -> tuple[str, ...]:
    """The blobs that are given, by the numbers in their names: in0, in1, as pnnx calls them."""
    return _numbered(name for layer in layers if layer.kind == INPUT for name in layer.writes)


def outputs_of(layers: tuple[NcnnLayer, ...]) -> tuple[str, ...]:
    """The blobs that nothing reads, by the numbers in their names: out0, out1; they may be written in another order."""
    read = {name for layer in layers for name in layer.reads}
    return _numbered(name for layer in layers for name in layer.writes if name not in read)


def _numbered(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(names, key=lambda name: (len(name), name)))
