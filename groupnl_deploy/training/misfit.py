"""A file whose keys are not the network's: every key that is wrong, or the one thing that explains them all."""

from collections.abc import Mapping
from pathlib import Path

import torch

from groupnl_deploy.errors import UsageError
from groupnl_deploy.models.spec import ModelSpec
from groupnl_deploy.training.foreign.prefixes import shares_of
from groupnl_deploy.training.foreign.torchvision import NETWORKS, is_torchvisions
from groupnl_deploy.training.impossible import COUNTER, some
from groupnl_deploy.training.resemblance import NEAR, Shapes, outline, remedy_for


def require_fit(path: Path, spec: ModelSpec, given: Shapes, arch: str | None) -> None:
    """Raise `UsageError` where the keys and shapes of a file are not those of a network.

    BatchNorm's count of batches may be missing: it came with PyTorch 0.4.1, and no result depends on it here.
    """
    wanted, classifier = outline(spec)
    misfit = _misfit(wanted, given)
    if not misfit:
        return
    raise (
        _torchvisions(path, spec, given)
        or _headless(path, spec, given, classifier)
        or _in_parts(path, spec, given, classifier)
        or UsageError(f"{path} does not fit {spec.label}: {misfit}.", remedy_for(spec, given, arch))
    )


def _misfit(wanted: Shapes, given: Shapes) -> str:
    """Every key that does not fit, by kind of mistake; "" if all do."""
    missing = [key for key in wanted if key not in given]
    unexpected = [key for key in given if key not in wanted and not key.endswith(COUNTER)]
    other = [
        f"{key} {_words(given[key])} instead of {_words(shape)}"
        for key, shape in wanted.items()
        if key in given and given[key] != shape
    ]
    kinds = ((missing, "missing"), (unexpected, "unexpected"), (other, "of another shape"))
    return "; ".join(f"{len(keys)} {kind} ({some(keys)})" for keys, kind in kinds if keys)


def _torchvisions(path: Path, spec: ModelSpec, given: Shapes) -> UsageError | None:
    if not is_torchvisions(given):
        return None
    return UsageError(
        f"{path} has torchvision's keys, and its layers are not those of {spec.label}.",
        f"Of torchvision's networks with such keys groupnl has {', '.join(NETWORKS)}; its ResNets have timm's keys. "
        "Another goes as ONNX: groupnl export --onnx FILE.",
    )


def _headless(path: Path, spec: ModelSpec, given: Shapes, classifier: str | None) -> UsageError | None:
    """For a network of which the last layer alone is missing."""
    wanted = outline(spec)[0]
    missing = [key for key in wanted if wanted[key] != given.get(key)]
    if missing != _head_keys(wanted, classifier) or any(key in given for key in missing):
        return None
    if any(key not in wanted and not key.endswith(COUNTER) for key in given):
        return None
    return UsageError(
        f"{path} is {spec.label} without its classifier: {some(missing)} are missing.",
        f"Take the file with it. Where it is to be trained further anyway, put zeros there, {_zeros(wanted, missing)}, "
        "save and import that; groupnl train --init CHECKPOINT then gives it a new one.",
    )


def _head_keys(wanted: Mapping[str, torch.Size], classifier: str | None) -> list[str]:
    return [key for key in wanted if classifier and key.startswith(f"{classifier}.")]


def _zeros(wanted: Shapes, missing: list[str]) -> str:
    return " and ".join(f"state[{key!r}] = torch.zeros({', '.join(map(str, wanted[key]))})" for key in missing)


def _in_parts(path: Path, spec: ModelSpec, given: Shapes, classifier: str | None) -> UsageError | None:
    """For a network most of which is under one prefix and the rest is elsewhere, as mmpretrain's backbone and head."""
    wanted = outline(spec)[0]
    shares = {prefix: share for prefix, share in shares_of(given, wanted).items() if prefix}
    prefix = max(shares, key=lambda place: shares[place], default="")
    if shares.get(prefix, 0) <= NEAR:
        return None
    inside = {key.removeprefix(prefix): shape for key, shape in given.items() if key.startswith(prefix)}
    outside = [key for key in given if not key.startswith(prefix)]
    missing = [key for key in wanted if key not in inside]
    if not outside:
        return _headless(path, spec, inside, classifier)
    return UsageError(
        f"{path} has its keys under “{prefix}”, where {_count(wanted, inside)} of {spec.name}'s {len(wanted)} are and "
        f"not {some(missing)}; beside it are {some(outside)}.",
        f"Rename them there and save again, as {_renaming(prefix, outside, classifier)}.",
    )


def _count(wanted: Shapes, inside: Shapes) -> int:
    return sum(key in inside for key in wanted)


def _renaming(prefix: str, outside: list[str], classifier: str | None) -> str:
    """A line of Python that makes the network's keys of the file's."""
    heads = dict.fromkeys(key.rpartition(".")[0] for key in outside)
    head = next(iter(heads))
    replaced = f".replace({head + '.'!r}, '{classifier}.')" if classifier else ""
    return f"{{key.removeprefix({prefix!r}){replaced}: value for key, value in state.items()}}"


def _words(shape: torch.Size) -> str:
    return "x".join(map(str, shape)) or "a single number"
