"""Weights in files of other programs: training checkpoints of many kinds, bare state dicts, safetensors.

A pickle is a program, so none is run: `machine` obeys the instructions that build values, and what a file may name is
the closed list of `names`, each a record of ours that computes nothing.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from groupnl_deploy.errors import UsageError, VerificationFailed
from groupnl_deploy.pickles.inert import NumberArray, OddTensor, TensorView, as_mapping
from groupnl_deploy.pickles.machine import LONGEST_WORD
from groupnl_deploy.training.checkpoint import ImportedFrom
from groupnl_deploy.training.foreign.choice import Chosen, Wish, choose
from groupnl_deploy.training.foreign.content import Content, read_legacy, read_zip
from groupnl_deploy.training.foreign.extras import AVERAGED, require_plain_weights, require_whole, without_counters
from groupnl_deploy.training.foreign.kinds import FORMATS, WeightsKind, kind_of
from groupnl_deploy.training.foreign.prefixes import Ways, without_prefix
from groupnl_deploy.training.foreign.refusals import DAMAGED, refusal
from groupnl_deploy.training.foreign.said import plain_values
from groupnl_deploy.training.foreign.tensors import array_of, tensor_of
from groupnl_deploy.workspace import file_sha256

LONGEST_TEXT, LARGEST_EPOCH = 100, 1 << 31


@dataclass(frozen=True, eq=False)
class ForeignWeights:
    """What was taken from a file.

    Args:
        tensors: by the network's own keys, without what wrappers put before them.
        origin: the file, and what is kept of what it says of itself.
        notes: remarks for people.
        said: all that it holds besides tensors, as plain values: its own keys, the options of its training under
            `args`, a safetensors file's under `metadata`.
    """

    tensors: dict[str, Tensor]
    origin: ImportedFrom
    notes: tuple[str, ...]
    said: Mapping[str, Any]


def read_foreign(path: Path, *, ways: Ways = (), ema: bool = False, take: str | None = None) -> ForeignWeights:
    """The weights in a file, found by its content whatever its name; nothing in it is executed.

    Args:
        path: the file.
        ways: in which the keys of the network that is looked for may be; without them only usual names are found.
        ema: take the moving average of the weights that trainings keep beside them.
        take: the name of the state dict, or of the part of it, to take.

    Raises `UsageError` for what is no such file, for one that wants more than tensors, and where several may be meant;
    `VerificationFailed` for a damaged one.
    """
    kind = kind_of(path)
    content = _read(path, kind)
    table = as_mapping(content.value)
    if table is None:
        what = type(content.value).__name__
        raise UsageError(f"{path} holds a {what}, not a dictionary of weights.", FORMATS)
    chosen = choose(path, table, ways, Wish(ema, take))
    require_plain_weights(path, chosen.entries)
    reader = _Reader(path, content)
    entries, counted = without_counters(chosen.entries, partial(reader.count, AVERAGED))
    entries, notes = without_prefix(path, entries, ways, ema)
    tensors = {key: reader.tensor(key, value) for key, value in entries.items()}
    require_whole(path, table, tensors)
    return ForeignWeights(
        tensors,
        _origin(path, table, chosen, ema),
        (*chosen.notes, *counted, *notes),
        _said(path, kind, table),
    )


def _read(path: Path, kind: WeightsKind) -> Content:
    if kind == "safetensors":
        return Content(_read_safetensors(path), memoryview(b""), {})
    try:
        return read_zip(path) if kind == "zip" else read_legacy(path)
    # The reader meets bytes that anybody may have written; what it stumbles over is not to be foreseen.
    except Exception as error:
        raise refusal(path, kind, error) from error


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        tensors: dict[str, Tensor] = safetensors.torch.load_file(path)
    except (safetensors.SafetensorError, ValueError, KeyError, AttributeError) as error:
        raise VerificationFailed(f"{path} is truncated or damaged: {error}.", DAMAGED) from error
    if any(len(key) > LONGEST_WORD for key in tensors):
        raise VerificationFailed(f"{path} has keys that no network has, of over {LONGEST_WORD} letters.", DAMAGED)
    return tensors


@dataclass(frozen=True, eq=False)
class _Reader:
    """Tensors out of a file's records."""

    path: Path
    content: Content

    def tensor(self, key: str, value: Any) -> Tensor:
        """Raises `UsageError` for tensors of kinds that no network here has, `VerificationFailed` for damaged ones."""
        if isinstance(value, OddTensor):
            raise UsageError(
                f"{self.path} has weights that are no ordinary floats ({value.kind}): {key}.",
                "Import the weights from before they were quantized or converted.",
            )
        try:
            if isinstance(value, TensorView):
                return tensor_of(value, self.content)
            return array_of(value) if isinstance(value, NumberArray) else value
        except Exception as error:  # as in `_read`
            raise VerificationFailed(f"{self.path} is truncated or damaged at {key}: {error}.", DAMAGED) from error

    def count(self, key: str, value: Any) -> int:
        """The whole number that a counter has. Raises as `tensor`."""
        number = self.tensor(key, value)
        if number.numel() != 1 or number.is_complex() or not math.isfinite(number.item()):
            raise VerificationFailed(f"{self.path} is truncated or damaged at {key}: it is no number.", DAMAGED)
        return int(number.item())


def _origin(path: Path, table: Mapping[Any, Any], chosen: Chosen, ema: bool) -> ImportedFrom:
    arch, epoch, metric = (table.get(key) for key in ("arch", "epoch", "metric"))
    # A file may hold anything under these keys: what could not be written to JSON is left out.
    return ImportedFrom(
        file=path.name.encode("utf-8", "replace").decode("utf-8"),
        sha256=file_sha256(path),
        weights="ema" if ema or chosen.average else "raw",
        key=_printable(chosen.where) or None,
        arch=_printable(arch),
        epoch=epoch if type(epoch) is int and 0 <= epoch < LARGEST_EPOCH else None,
        metric=metric if isinstance(metric, float) and math.isfinite(metric) else None,
    )


def _printable(text: Any) -> str | None:
    return text if isinstance(text, str) and text.isprintable() and len(text) <= LONGEST_TEXT else None


def _said(path: Path, kind: WeightsKind, table: Mapping[Any, Any]) -> dict[str, Any]:
    if kind != "safetensors":
        return plain_values(table)
    with safetensors.safe_open(path, "pt") as opened:
        return {"metadata": opened.metadata() or {}}
