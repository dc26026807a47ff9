"""Which output of a network means which class of a data set. Pure."""

from dataclasses import dataclass

from groupnl_deploy.errors import UsageError

_MOST_NAMES = 6


@dataclass(frozen=True)
class Matched:
    """The meaning of a network's outputs for some images.

    Args:
        class_names: of the outputs.
        outputs: by label of the data set, the output that means its class.
        note: what was taken for granted; None where the names say it.
    """

    class_names: tuple[str, ...]
    outputs: tuple[int, ...]
    note: str | None = None


def match_classes(known: tuple[str, ...], count: int, of_data: tuple[str, ...]) -> Matched:
    """Match by name where the network knows all names of the data set, else by their order where both have as many.

    Args:
        known: the names of the network's outputs; empty where nobody knows them.
        count: of its outputs.
        of_data: the names of the data set's classes, by label.

    Raises `UsageError` where neither is possible, or some names are the same and others are not.
    """
    if known and set(of_data) <= set(known):
        return Matched(known, tuple(known.index(name) for name in of_data))
    if len(of_data) != count or set(of_data) & set(known):
        raise UsageError(
            f"The network answers with {count} classes{_named(known)}, and the images are of {len(of_data)}"
            f"{_named(of_data)}.",
            "Name images of the network's classes, or teach it these: groupnl train --init CHECKPOINT --dataset folder "
            "--data DIR --out NEW.",
        )
    order = tuple(range(count))
    if not known:
        return Matched(of_data, order, "nobody wrote down the network's classes; they are taken to be in this order")
    return Matched(
        known, order, f"the classes have other names, and are taken for each other in order: {_pairs(known, of_data)}"
    )


def _named(names: tuple[str, ...]) -> str:
    more = "" if len(names) <= _MOST_NAMES else ", …"
    return f" ({', '.join(names[:_MOST_NAMES])}{more})" if names else ", whose names nobody wrote down"


def _pairs(known: tuple[str, ...], of_data: tuple[str, ...]) -> str:
    pairs = [f"{theirs} is {ours}" for theirs, ours in zip(of_data, known, strict=True)]
    return ", ".join(pairs[:_MOST_NAMES]) + ("" if len(pairs) <= _MOST_NAMES else ", …")
