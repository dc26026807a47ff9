"""Labelled images in the two forms that CIFAR comes in: records of bytes, and a pickle of Python 2's.

The pickle is read by a machine that builds arrays and plain values and runs nothing (`groupnl_deploy.pickles`).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from groupnl_deploy.errors import GroupNLError, UsageError, VerificationFailed
from groupnl_deploy.images.dataset import Labels, Pixels
from groupnl_deploy.pickles.arrays import array_of
from groupnl_deploy.pickles.inert import NumberArray
from groupnl_deploy.pickles.machine import LaterProtocol, TooMuch, UnknownName, read_pickle
from groupnl_deploy.pickles.names import ARRAYS
from groupnl_deploy.words import first_line

SIDE = 32
PIXEL_BYTES = 3 * SIDE * SIDE  # red, green and blue planes behind one another, each row by row


class NoRecords(ValueError):
    """Bytes that are none of the form, with what is wrong for a sentence."""


@dataclass(frozen=True, eq=False)
class Records:
    """Images of one file: uint8 (N, 3, 32, 32) over the file's own bytes, and int64 (N,)."""

    pixels: Pixels
    labels: Labels


def of_bytes(data: bytes, label_bytes: int) -> Records:
    """The binary form: some bytes of labels, of which the last is the class, and the pixels; again and again.

    Raises `NoRecords` for what is no whole number of records.
    """
    record = label_bytes + PIXEL_BYTES
    if not data or len(data) % record:
        raise NoRecords(f"its {len(data):,} bytes are no whole number of records of {record:,} bytes")
    rows = np.frombuffer(data, np.uint8).reshape(-1, record)
    return Records(_as_images(rows[:, label_bytes:]), rows[:, label_bytes - 1].astype(np.int64))


def of_pickle(data: bytes, label_key: str) -> Records:
    """The python form: a dictionary with an array of bytes, and a list of labels under this key.

    Raises `NoRecords`, and what `table_of` does.
    """
    table = table_of(data)
    array, labels = table.get("data"), table.get(label_key)
    if not isinstance(array, NumberArray) or not isinstance(labels, list):
        raise NoRecords(f"it has no “data” and “{label_key}”")
    pixels = array_of(array)
    if pixels.dtype != np.uint8 or pixels.shape != (len(labels), PIXEL_BYTES) or not labels:
        raise NoRecords(f"its images are {pixels.dtype} {pixels.shape} beside {len(labels):,} labels")
    if not all(type(label) is int and 0 <= label < 1 << 31 for label in labels):
        raise NoRecords("a label is no number of a class")
    return Records(_as_images(pixels), np.array(labels, np.int64))


def table_of(data: bytes) -> dict[Any, Any]:
    """The dictionary that a pickle holds. Raises `NoRecords` for another value, and what `read_pickle` does."""
    table = read_pickle(memoryview(data), ARRAYS).value
    if not isinstance(table, dict):
        raise NoRecords(f"it holds a {type(table).__name__} and no dictionary")
    return table


def unreadable(what: str, error: Exception, remedy: str) -> GroupNLError:
    """The error to raise for a file at which a reader of these stopped, with the file for the sentence."""
    if isinstance(error, UnknownName | LaterProtocol | TooMuch):
        wants = f"it wants {error.name}" if isinstance(error, UnknownName) else f"it has {error}"
        return UsageError(
            f"{what} is not as it was published: {wants}, where images and labels were expected. It was saved again by "
            "another program, or made to harm; nothing in it was executed.",
            remedy,
        )
    return VerificationFailed(f"{what} is cut short or damaged: {first_line(error)}.", remedy)


def _as_images(rows: Pixels) -> Pixels:
    return rows.reshape(-1, 3, SIDE, SIDE)
