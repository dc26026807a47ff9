"""What a pickle's instructions become here: plain values, and records that only say what the file wanted.

None of them is the class whose name the file gives, and none computes anything. None shows what is in it either: a
file can make that a text without end. Imports nothing slow.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Name:
    """Something of Python's or a library's that a pickle names; it is never looked up."""

    text: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Storage:
    """Where the numbers of a tensor lie: a piece of the file, by PyTorch's key.

    Args:
        key: of the piece.
        kind: PyTorch's word for it, as "FloatStorage".
        start: of these numbers in it, counted in numbers.
        count: how many.
    """

    key: str
    kind: str
    start: int
    count: int


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TensorView:
    """A tensor that can be read: a shape over a storage. Nothing has been read of it yet."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: str | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class OddTensor:
    """A tensor of a kind that no ordinary network has: sparse, quantized, without numbers."""

    kind: str


@dataclass(slots=True, eq=False, repr=False)
class Words:
    """Bytes that an old protocol keeps as text, one byte a character; `data` is made where they are used."""

    text: str
    made: bytearray | None = None

    @property
    def data(self) -> bytearray:
        """The bytes. Raises `ValueError` for text that is none."""
        if self.made is None:
            self.made = bytearray(self.text, "latin-1")
        return self.made


@dataclass(slots=True, eq=False, repr=False)
class NumberType:
    """NumPy's `dtype`: its word, as "f4", and its order of bytes."""

    word: str
    order: str = "|"


@dataclass(slots=True, eq=False, repr=False)
class NumberArray:
    """NumPy's `ndarray`: filled by the instruction that follows."""

    shape: tuple[int, ...] = ()
    type: NumberType | None = None
    by_columns: bool = False
    raw: Any = None


@dataclass(slots=True, eq=False, repr=False)
class Thing:
    """An object of a class on the list: its name, what it was made of and what was put into it."""

    name: str
    arguments: tuple[Any, ...] = ()
    state: Any = None
    items: dict[Any, Any] | None = None


def as_mapping(value: Any) -> Mapping[Any, Any] | None:
    """A dictionary, or what stands for an object that is one or has attributes; else None."""
    if isinstance(value, dict):
        return value
    if isinstance(value, Thing):
        if value.items:
            return value.items
        state = value.state
        if isinstance(state, dict):
            content = state.get("_content", state)  # omegaconf keeps its own in there
            return content if isinstance(content, dict) else None
    return None
