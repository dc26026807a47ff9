"""Entries that tools add to a state dict: counters that are dropped, and forms of weights that are refused."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from groupnl_deploy.errors import UsageError
from groupnl_deploy.training.foreign.words import listed

AVERAGED = "n_averaged"
_COUNTED = ("total_ops", "total_params")  # buffers that thop leaves in every module


@dataclass(frozen=True)
class _Form:
    """Weights that are kept as something else, from which a layer computes them.

    Args:
        ends: how keys end that only such weights have.
        what: was done to them.
        remedy: how they become plain again, in the program that has the network.
    """

    ends: re.Pattern[str]
    what: str
    remedy: str


_PLAIN_AGAIN = "There, for every such module: {call}; then save model.state_dict() again."
_QUANTIZED = "Import the weights from before that. A quantized network goes as ONNX: groupnl export --onnx FILE."
_FORMS = (
    _Form(
        re.compile(r"(^|\.)\w+_mask$"),
        "pruned by torch.nn.utils.prune, whose masks are not applied yet",
        _PLAIN_AGAIN.format(call='torch.nn.utils.prune.remove(module, "weight")'),
    ),
    _Form(
        re.compile(r"(^|\.)parametrizations\.\w+\."),
        "parametrised (weight or spectral norm, or another of torch.nn.utils.parametrize)",
        _PLAIN_AGAIN.format(call='torch.nn.utils.parametrize.remove_parametrizations(module, "weight")'),
    ),
    _Form(
        re.compile(r"(^|\.)weight_g$"),
        "normalised by torch.nn.utils.weight_norm",
        _PLAIN_AGAIN.format(call="torch.nn.utils.remove_weight_norm(module)"),
    ),
    _Form(
        re.compile(r"(^|\.)weight_u$"),
        "normalised by torch.nn.utils.spectral_norm",
        _PLAIN_AGAIN.format(call="torch.nn.utils.remove_spectral_norm(module)"),
    ),
    _Form(
        re.compile(r"(^|\.)(_packed_params(\._packed_params)?|zero_point|fake_quant_enabled|SCB)$"),
        "quantized",
        _QUANTIZED,
    ),
)


def require_plain_weights(path: Path, entries: Mapping[str, Any]) -> None:
    """Raise `UsageError` with the remedy for weights that are kept in another form, by the keys of that form."""
    for form in _FORMS:
        keys = [key for key in entries if isinstance(key, str) and form.ends.search(key)]
        if keys:
            raise UsageError(f"{path} has weights that are {form.what}: {listed(keys)}.", form.remedy)


def require_whole(path: Path, table: Mapping[Any, Any], tensors: Mapping[str, Tensor]) -> None:
    """Raise `UsageError` where DeepSpeed left empty tensors in place of weights that lie in other files."""
    empty = [key for key, tensor in tensors.items() if not tensor.numel()]
    if empty and "ds_version" in table:
        raise UsageError(
            f"{path} is one of the pieces in which DeepSpeed saves a checkpoint: of {listed(empty)} nothing is here.",
            "Put them together there, with zero_to_fp32.py, which DeepSpeed wrote into the folder of the checkpoint.",
        )


def without_counters(entries: Mapping[str, Any], count: Callable[[Any], int]) -> tuple[dict[str, Any], list[str]]:
    """(the entries but for those that tools count with, remarks).

    Args:
        entries: of a state dict.
        count: reads the one number of a tensor.
    """
    notes = []
    thop = [key for key in entries if key.rpartition(".")[2] in _COUNTED]
    if thop:
        notes.append(f"{len(thop)} buffers of thop's ({', '.join(_COUNTED)}) were left out")
    if AVERAGED in entries:
        times = count(entries[AVERAGED])
        notes.append(
            f"the weights are a mean of {times} by torch.optim.swa_utils.AveragedModel; their BatchNorm statistics are "
            "right where update_bn was run at its end"
        )
    dropped = {*thop, AVERAGED}
    return {key: value for key, value in entries.items() if key not in dropped}, notes
