"""How a pickle names things, and what the names of NumPy's arrays become. Closed lists are made of these.

A builder gets the arguments that the file gives and returns a value of `inert` or a plain one. It copies nothing that
the file did not pay for with as many bytes: what it goes over it tells to `spend`.
"""

import struct
from collections.abc import Callable, Mapping
from typing import Any

from groupnl_deploy.pickles.inert import NumberArray, NumberType, Thing, Words

Spend = Callable[[int], None]
Builder = Callable[[tuple[Any, ...], Spend], Any]

Names = Mapping[str, Builder | None]
"""The names that a pickle may use, and the record of ours that each becomes when it is called; None: by nobody."""

MOST_AXES = 64
LONGEST_SCALAR = 1024  # bytes
# Python 2's modules, and those that Python and NumPy have renamed since.
_RENAMED = {
    "__builtin__": "builtins",
    "copy_reg": "copyreg",
    "pathlib._local": "pathlib",
    "numpy._core.multiarray": "numpy.core.multiarray",
}
_PYTHON_2 = {
    "builtins.long": "builtins.int",
    "builtins.unicode": "builtins.str",
    "builtins.xrange": "builtins.range",
}
_NUMBERS = {"f8": "d", "f4": "f", "f2": "e", "i8": "q", "i4": "i", "i2": "h", "i1": "b"}
_NUMBERS |= {"u8": "Q", "u4": "I", "u2": "H", "u1": "B", "b1": "?"}


def modern(module: str, name: str) -> str:
    """The one spelling of a name, whichever version of Python or NumPy wrote it."""
    dotted = f"{_RENAMED.get(module, module)}.{name}"
    return _PYTHON_2.get(dotted, dotted)


def filled(made: Any, state: Any) -> None:
    """Put the state of an object into its record. Raises `ValueError` or `TypeError` for one that has none."""
    if isinstance(made, NumberArray):
        _, shape, kind, by_columns, raw = state
        if not isinstance(kind, NumberType):
            raise ValueError("an array of no type")
        made.shape, made.type, made.by_columns, made.raw = shape_in(shape), kind, bool(by_columns), raw
    elif isinstance(made, NumberType):
        made.order = state[1] if isinstance(state, tuple) and state[1] in ("<", ">", "=", "|") else "?"
    elif isinstance(made, Thing):
        made.state = state
    else:
        raise ValueError("it gives a state to what has none")


def shape_in(value: Any) -> tuple[int, ...]:
    """A shape or a stride as it stands in a file."""
    plain = isinstance(value, tuple | list) and len(value) <= MOST_AXES
    if not plain or not all(type(size) is int and 0 <= size < 1 << 62 for size in value):
        raise ValueError("a tensor of no shape")
    return tuple(value)


def _encoded(arguments: tuple[Any, ...], spend: Spend) -> Words:
    text, codec = arguments
    if not isinstance(text, str) or codec not in ("latin1", "latin-1"):
        raise ValueError("text in a code that no pickle uses for bytes")
    return Words(text)


def _number_type(arguments: tuple[Any, ...], spend: Spend) -> NumberType:
    word = arguments[0] if arguments else ""
    return NumberType(word if isinstance(word, str) else "")


def _number(arguments: tuple[Any, ...], spend: Spend) -> Any:
    """A NumPy number or text: a plain one where it is one, else None."""
    kind, raw = (*arguments, None)[:2]
    code = _NUMBERS.get(kind.word.lstrip("<>=|")) if isinstance(kind, NumberType) else None
    data = raw.data if isinstance(raw, Words) and len(raw.text) <= LONGEST_SCALAR else raw
    if isinstance(kind, NumberType) and kind.word.startswith("U") and isinstance(data, bytes | bytearray):
        spend(len(data) // 4)
        return data.decode("utf-32-be" if kind.order == ">" else "utf-32-le").rstrip("\0")
    if code is None or not isinstance(data, bytes | bytearray) or len(data) != struct.calcsize(f"={code}"):
        return None
    return struct.unpack(f"{'>' if kind.order == '>' else '<'}{code}", data)[0]


def values(module: str, *names: str) -> dict[str, Builder | None]:
    """Names that stand for themselves and are called by nobody."""
    return {f"{module}.{name}": None for name in names}


ARRAYS: Names = {
    "numpy.dtype": _number_type,
    "numpy.core.multiarray._reconstruct": lambda arguments, spend: NumberArray(),
    **values("numpy", "ndarray"),
}
"""The three that an array of numbers needs."""
SCALARS: Names = {"numpy.core.multiarray.scalar": _number}
BYTES: Names = {"_codecs.encode": _encoded}
"""How Python 3 writes bytes in protocols 0 to 2."""
