"""The networks by name. To add one: a decorated function, and its module's name in `FAMILIES`."""

import difflib
import importlib
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from groupnl_deploy.models.spec import InvalidSpec, ModelSpec

Builder = Callable[[ModelSpec], nn.Module]

FAMILIES = ("groupnl_deploy.models.resnet",)


class UnknownModel(InvalidSpec):
    """No network has this name; the message lists those there are and the nearest."""


class DuplicateModel(ValueError):
    """Two networks claim one name."""


@dataclass(frozen=True)
class ModelEntry:
    """One registered network: its name, a line about it, and the function that builds it from a spec."""

    name: str
    summary: str
    build: Builder


_entries: dict[str, ModelEntry] = {}


def register_model(name: str, *, summary: str) -> Callable[[Builder], Builder]:
    """Decorate a function `ModelSpec → nn.Module`; the name must be new.

    Args:
        name: what users type.
        summary: one line for the list of models.
    """

    def register(build: Builder) -> Builder:
        if name in _entries:
            raise DuplicateModel(f"a model named “{name}” is already registered")
        _entries[name] = ModelEntry(name, summary, build)
        return build

    return register


def list_models() -> tuple[ModelEntry, ...]:
    """Every registered network, by name."""
    _import_families()
    return tuple(_entries[name] for name in sorted(_entries))


def create_model(spec: ModelSpec) -> nn.Module:
    """Build the network with weights and hyper-parameters drawn from `spec.seed` alone.

    The same spec gives the same bits, and the caller's random state is left as it was.
    """
    entry = _find(spec.name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.seed)
        return entry.build(spec)


def _find(name: str) -> ModelEntry:
    known = [entry.name for entry in list_models()]
    if name in known:
        return _entries[name]
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.3)
    hint = f"; did you mean “{nearest[0]}”?" if nearest else ""
    raise UnknownModel(f"unknown model “{name}”; known models: {', '.join(known)}{hint}")


def _import_families() -> None:
    for module in FAMILIES:
        importlib.import_module(module)
