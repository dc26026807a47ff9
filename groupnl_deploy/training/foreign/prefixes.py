"""What stands before a network's keys: names of wrappers and attributes, and other modules beside it."""

import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from groupnl_deploy.errors import UsageError
from groupnl_deploy.training.foreign.words import listed

# What is taken off where it stands before every key, whatever the network: DistributedDataParallel, torch.compile,
# Lightning and AveragedModel.
WRAPPERS = ("module.", "_orig_mod.", "model.")
# Names of modules that compute nothing of a network's answer, beside a network without a prefix.
_BESIDE = re.compile(
    r"^(criterion|criterions|loss|losses|loss_fn|loss_func|metrics?|accuracy|(train|val|valid|test)_\w+)\d*\."
)
_AVERAGES = re.compile(r"(^|[._])(ema|emas|swa|averaged?|shadow)\d*([._]|$)|^model_ema|_ema$")
_MOST_PLACES = 500  # a network has some thirty blocks, each of which might be a place
_ANCHORS = 3  # keys by which a place is found; a file may lack the first
# Every way in which a network's keys may be, each as its keys in order.
Ways = Sequence[Collection[str]]


def is_average(where: str) -> bool:
    """Whether a name is one of a moving average of weights."""
    return _AVERAGES.search(where.lower()) is not None


def places_of(keys: Collection[Any], ways: Ways) -> list[str]:
    """The prefixes under which every key of the network is, by the first way in which it is there at all."""
    for wanted in ways:
        places = [prefix for prefix in _prefixes(keys, wanted) if all(prefix + key in keys for key in wanted)]
        if places:
            return places
    return []


def shares_of(keys: Collection[Any], wanted: Collection[str]) -> dict[str, float]:
    """For every prefix under which some of a network's keys are, the share of them that is there."""
    return {prefix: sum(prefix + key in keys for key in wanted) / len(wanted) for prefix in _prefixes(keys, wanted)}


def _prefixes(keys: Collection[Any], wanted: Collection[str]) -> Iterator[str]:
    """What stands before the first of a network's keys."""
    anchors = [key for index, key in enumerate(wanted) if index < _ANCHORS]
    found = dict.fromkeys(
        key[: -len(anchor)]
        for anchor in anchors
        for key in keys
        if isinstance(key, str) and key.endswith(anchor) and key[: -len(anchor)][-1:] in ("", ".")
    )
    return itertools.islice(found, _MOST_PLACES)


def without_prefix(
    path: Path, entries: Mapping[str, Any], ways: Ways, ema: bool = False
) -> tuple[dict[str, Any], list[str]]:
    """(the network's entries by its own keys, remarks): wrappers' and attributes' names taken off, others left aside.

    Raises `UsageError` where the network is there twice.
    """
    places = places_of(entries, ways)
    places = [place for place in places if is_average(place) == ema] or places
    if "" not in places and len(places) > 1:
        raise _several(path, [place.rstrip(".") for place in places])
    if "" not in places and places:
        return _under(entries, places[0])
    bare = {key: value for key, value in entries.items() if not _BESIDE.match(key)}
    if places:
        return bare, _aside(set(entries) - set(bare))
    return _without_wrappers(entries)


def _several(path: Path, names: list[str]) -> UsageError:
    return UsageError(
        f"{path} holds the network {len(names)} times: under {listed(names)}.",
        f"Say which with --take, as --take {names[0]}.",
    )


def _under(entries: Mapping[str, Any], prefix: str) -> tuple[dict[str, Any], list[str]]:
    inside = {key.removeprefix(prefix): value for key, value in entries.items() if key.startswith(prefix)}
    outside = [key for key in entries if not key.startswith(prefix)]
    if not outside:
        return inside, [_taken_off(prefix)]
    return inside, [f"the network's keys began with “{prefix}”, which was taken off", *_aside(outside)]


def _aside(keys: Iterable[str]) -> list[str]:
    heads = sorted({key.partition(".")[0] for key in keys})
    return [f"what lies beside the network was left aside: {listed(heads)}"] if heads else []


def _without_wrappers(entries: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    taken, inside = "", dict(entries)
    while wrapper := next((word for word in WRAPPERS if all(key.startswith(word) for key in inside)), ""):
        inside = {key.removeprefix(wrapper): value for key, value in inside.items()}
        taken += wrapper
    return inside, [_taken_off(taken)] if taken else []


def _taken_off(prefix: str) -> str:
    return f"every key began with “{prefix}”, which was taken off"
