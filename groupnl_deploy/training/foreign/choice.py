"""Which of a file's dictionaries is the state dict: the one asked for, the only one, or the one that fits."""

import itertools
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from groupnl_deploy.errors import UsageError
from groupnl_deploy.pickles.inert import NumberArray, OddTensor, TensorView, as_mapping
from groupnl_deploy.training.foreign.prefixes import Ways, is_average, places_of
from groupnl_deploy.training.foreign.words import listed

# Where several lie side by side and none of them fits, these hold the network: timm and the authors, DeiT, others.
USUAL = ("state_dict", "model", "model_state_dict", "net", "network", "module")
LEAVES = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked", "periods", "shifts"}
LEAVES |= {"weight_orig", "weight_g", "weight_v", "original0", "original"}
# Of trainings: what lies under these is never a network.
_OTHER_STATE = re.compile(r"optim|sched|scaler|rng|callbacks|loops|^state$")
DEEPEST, MOST_ENTRIES, MOST_STATES = 6, 200_000, 1000
TENSORS = (TensorView, OddTensor, NumberArray, Tensor)
Entries = dict[str, Any]


@dataclass(frozen=True)
class Chosen:
    """A state dict, where in the file it is ("" is the file's own), and whether it is a moving average."""

    entries: Entries
    where: str
    average: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wish:
    """What the user asked for: the average, or a part by its name."""

    ema: bool = False
    take: str | None = None


def choose(path: Path, content: Mapping[Any, Any], ways: Ways, wish: Wish) -> Chosen:
    """The state dict that was meant.

    Args:
        path: for messages.
        content: of the file.
        ways: in which the network's keys may be; none where it is not known.
        wish: of the user.

    Raises `UsageError` with the names of those there are where none or several may be meant.
    """
    found = dict(itertools.islice(state_dicts(content), MOST_STATES))
    if wish.take is not None:
        return _taken(path, content, found, wish.take)
    if not found:
        raise _nothing(path, content)
    if wish.ema:
        return _average(path, content, found)
    raw = {where: entries for where, entries in found.items() if not is_average(where)} or found
    where = _meant(path, raw, ways)
    if is_average(where) and where:
        raise UsageError(f"{path} holds a moving average of the weights alone, under “{where}”.", "Add --ema.")
    return _of(path, found, where)


def state_dicts(content: Mapping[Any, Any]) -> Iterator[tuple[str, Mapping[Any, Any]]]:
    """Every dictionary in a file that is one of weights, by its keys joined with dots; none inside of another."""
    waiting: deque[tuple[tuple[str, ...], Mapping[Any, Any]]] = deque([((), content)])
    seen: set[int] = set()
    left = MOST_ENTRIES
    while waiting and left > 0:
        where, entries = waiting.popleft()
        left -= len(entries) + 1
        if _is_state(where, entries):
            yield ".".join(where), entries
        elif id(entries) not in seen and len(where) < DEEPEST and "param_groups" not in entries:
            seen.add(id(entries))
            waiting += [
                ((*where, key), inner)
                for key, value in entries.items()
                if isinstance(key, str) and not _OTHER_STATE.search(key) and (inner := as_mapping(value)) is not None
            ]


def _is_state(where: tuple[str, ...], entries: Mapping[Any, Any]) -> bool:
    tensors = [key for key, value in entries.items() if isinstance(value, TENSORS)]
    if where and where[-1] in USUAL and tensors:
        return True
    if not tensors or not all(isinstance(key, str) for key in entries):
        return False
    known = any(key.rpartition(".")[2] in LEAVES for key in tensors)
    return len(tensors) == len(entries) or (known and 2 * len(tensors) > len(entries))


def _meant(path: Path, found: Mapping[str, Mapping[Any, Any]], ways: Ways) -> str:
    """Where the one lies that is the network's."""
    if len(found) == 1:
        return next(iter(found))
    fitting = [where for where, entries in found.items() if places_of(entries, ways)]
    if len(fitting) == 1:
        return fitting[0]
    usual = next((where for where in USUAL if where in (fitting or found)), None)
    if usual is not None:
        return usual
    names = fitting or list(found)
    raise UsageError(
        f"{path} holds {len(names)} state dicts: {listed(names)}.", f"Say which with --take, as --take {names[0]}."
    )


def _taken(path: Path, content: Mapping[Any, Any], found: Mapping[str, Mapping[Any, Any]], take: str) -> Chosen:
    """The one of this name; else the entries of one whose keys begin with it."""
    named = [where for where in found if where == take] or [w for w in found if w.rpartition(".")[2] == take and w]
    if len(named) == 1:
        return _of(path, found, named[0])
    parts = [where for where, entries in found.items() if any(str(key).startswith(f"{take}.") for key in entries)]
    if len(parts) == 1:
        chosen = _of(path, found, parts[0])
        begins = f"{take}."
        inside = {key.removeprefix(begins): value for key, value in chosen.entries.items() if key.startswith(begins)}
        return Chosen(inside, f"{parts[0]}.{take}".lstrip("."), is_average(take))
    there = listed([where for where in found if where]) or holdings(content)
    first = next((where for where in found if where), None)
    remedy = f"Give one of these, as --take {first}." if first else "Leave --take out."
    raise UsageError(f"{path} has no state dict “{take}”; it holds {there}.", remedy)


def _average(path: Path, content: Mapping[Any, Any], found: Mapping[str, Mapping[Any, Any]]) -> Chosen:
    averages = [where for where in found if is_average(where)]
    if len(averages) == 1:
        return _of(path, found, averages[0])
    if averages:
        raise UsageError(
            f"{path} holds {len(averages)} moving averages: {listed(averages)}.", f"Say --take {averages[0]}."
        )
    heads = dict.fromkeys((where, head) for where, entries in found.items() for head in _heads(entries))
    inside = [(where, head) for where, head in heads if is_average(head)]
    if len(inside) == 1:
        return _taken(path, content, {inside[0][0]: found[inside[0][0]]}, inside[0][1])
    raise UsageError(
        f"{path} has no state_dict_ema, model_ema or the like; it holds {holdings(content)}.", "Leave --ema out."
    )


def _heads(entries: Mapping[Any, Any]) -> Iterator[str]:
    return (str(key).partition(".")[0] for key in entries)


def _of(path: Path, found: Mapping[str, Mapping[Any, Any]], where: str) -> Chosen:
    """That one, with remarks on where it was and which were left."""
    entries = tensors_only(path, found[where], f" under “{where}”" if where else "")
    others = [other for other in found if other != where]
    averages = [other for other in others if is_average(other)]
    notes = []
    if averages and not is_average(where):
        option = "--ema takes it" if len(averages) == 1 else f"--take {averages[0]} takes one"
        notes.append(f"the file also holds a moving average of the weights; the raw ones were taken ({option})")
    rest = [other for other in others if other not in averages or is_average(where)]
    if rest and not is_average(where):
        notes.append(
            f"the file also holds {listed(rest)}; the weights under “{where}” were taken (--take takes others)"
        )
    elif where and where not in USUAL and not is_average(where):
        notes.append(f"its weights lie under “{where}”")
    return Chosen(entries, where, is_average(where), tuple(notes))


def tensors_only(path: Path, entries: Mapping[Any, Any], place: str) -> Entries:
    """The entries, where all are tensors by words; extra states of modules, of which nothing is computed, aside."""
    kept = {key: value for key, value in entries.items() if not str(key).endswith("_extra_state")}
    others = [str(key) for key, value in kept.items() if not (isinstance(key, str) and isinstance(value, TENSORS))]
    if others or not kept:
        what = f"no tensors are {listed(others)}" if others else "the dictionary is empty"
        raise UsageError(f"{path} has no state dict{place}: {what}.", _SHAPE)
    return kept


_SHAPE = f"A file must be a dictionary of tensors, or hold one, as under {' or '.join(USUAL[:2])}."


def _nothing(path: Path, content: Mapping[Any, Any]) -> UsageError:
    keys = [str(key) for key in content]
    if "param_groups" in keys or any("optim" in key for key in keys):
        return UsageError(
            f"{path} holds the state of an optimizer and no weights: {listed(keys)}.",
            "Give the file of the model, which the same training wrote beside it.",
        )
    for key in USUAL:
        inner = as_mapping(content.get(key))
        if inner is not None:
            try:
                tensors_only(path, inner, f" under “{key}”")
            except UsageError as error:
                return error
    what = f"no tensors are {listed(keys)}" if content else "the dictionary is empty"
    return UsageError(f"{path} has no state dict: {what}.", _SHAPE)


def holdings(content: Mapping[Any, Any]) -> str:
    """What a file holds, in a few words."""
    if content and all(isinstance(value, TENSORS) for value in content.values()):
        return f"a bare state dict of {len(content)} tensors"
    return listed([str(key) for key in content]) or "nothing"
