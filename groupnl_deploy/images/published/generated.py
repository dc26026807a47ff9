"""What is said beside corrupted images that were made here: that nobody published them, and how they came about."""

import json
from collections.abc import Collection

from groupnl_deploy.errors import UsageError, VerificationFailed
from groupnl_deploy.images.published.pieces import Piece
from groupnl_deploy.words import harmless

GENERATED = "generated.json"
_LARGEST = 1 << 20  # bytes
_LONGEST = 100  # letters of what a note has of it
_REMEDY = "Generate the images again, or remove the whole folder."


def read_generated(piece: Piece, names: Collection[str]) -> tuple[str, ...]:
    """The notes that results must have, in sentences without a full stop.

    Args:
        piece: the file.
        names: what it may call the data set.

    Raises `VerificationFailed` where it is damaged, `UsageError` where it is of another data set.
    """
    try:
        record = json.loads(piece.read() if piece.size <= _LARGEST else b"")
        origin, dataset, seed, versions = (record[key] for key in ("origin", "dataset", "seed", "versions"))
        said = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(piece) from error
    if origin != "generated" or not isinstance(seed, int):
        raise _damaged(piece)
    if dataset not in names:
        raise UsageError(
            f"{piece.name} is of “{_short(dataset)}”, and {' or '.join(names)} was asked for.",
            "Name the data set that it was made of, or the folder of the other one.",
        )
    return (f"the corruptions were generated here with the seed {seed}, by {_short(said)}",)


def _damaged(piece: Piece) -> VerificationFailed:
    return VerificationFailed(f"{piece.name} is damaged: it does not say how the images were made.", _REMEDY)


def _short(text: object) -> str:
    return harmless(str(text))[:_LONGEST]
