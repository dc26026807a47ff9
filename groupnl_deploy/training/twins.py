"""Networks that share keys and shapes and compute different things, and what published files are known to be.

All of it is data, in `tables/twins.json`: timm's networks compared with those here, one by one, and the files that
timm's configurations name (`tests/data/make_twins.py` makes it).
"""

import functools
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groupnl_deploy.images.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from groupnl_deploy.models.networks import ALIASES, IMAGENET
from groupnl_deploy.models.registry import list_models

_TABLE = Path(__file__).with_name("tables") / "twins.json"
_PLAIN = "symmetric padding of strided convolutions, and a BatchNorm epsilon of 1e-5"
_TF = "tf_"
# Words beside a plain name that speak of a twin, without being its name.
_HINTS = re.compile(r"(?<![a-z0-9])(tf|tensorflow|aa|blur|blurpool|antialiased|caffe|msra)(?![a-z0-9])")
_DIGEST_IN_NAME = re.compile(r"-([0-9a-f]{8})\.pth$")  # PyTorch's habit: the first digits of the file's SHA-256


@dataclass(frozen=True)
class Twin:
    """A network with the keys and shapes of another, and what it computes otherwise."""

    name: str
    why: str

    @property
    def known(self) -> bool:
        """Whether it is a network here, too."""
        return self.name in _registered()


@dataclass(frozen=True)
class Published:
    """A file that timm names: its network with a tag such as "resnet50.a1_in1k", and how its images are prepared."""

    name: str
    file: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    input_shape: tuple[int, ...]
    crop_pct: float
    interpolation: str

    @property
    def network(self) -> str:
        """Without the tag."""
        return self.name.partition(".")[0]


def twins_of(name: str) -> tuple[Twin, ...]:
    """Every network that a file with the keys of `name` may be as well, second names of the same function aside."""
    base = _base(name)
    members = [base, *_families().get(base, {})]
    return tuple(Twin(other, _reasons().get(other, _PLAIN)) for other in members if other != name)


def network_in(text: str) -> str | None:
    """The network that a text names: a registered name, or that of a twin; the longest that is in it.

    Second and old names become the first one, and the authors' names that of their network. A name behind "tf_" is
    TensorFlow's variant, or unknown where there is none; a plain name beside a word such as "tf" or "blur" decides
    nothing between it and its twins.
    """
    plain = re.sub(r"[^a-z0-9]", "_", text.lower())
    for name in sorted(_names(), key=len, reverse=True):
        found = re.search(rf"(?<![a-z0-9]){name}(?![a-z0-9])", plain)
        if found and plain[: found.start()].endswith(_TF):
            variant = _TF + _names()[name]
            return variant if variant in _names() else None
        if found:
            rest = f"{plain[: found.start()]} {plain[found.end() :]}"
            return None if _has_twins(_names()[name]) and _HINTS.search(rest.replace("_", " ")) else _names()[name]
    return None


def is_name(text: str) -> bool:
    """Whether a text is the name of a network and nothing else."""
    return text in _names()


def published_as(sha256: str, *texts: str) -> Published | None:
    """The published file with this digest, else the one whose file name or tagged name is in one of the texts."""
    for row in _published():
        digest = _DIGEST_IN_NAME.search(row.file)
        if digest and sha256.startswith(digest[1]):
            return row
    for text in texts:
        for row in sorted(_published(), key=lambda row: len(row.name), reverse=True):
            if text and (row.file == text or re.search(rf"(?<![\w.]){re.escape(row.name)}(?![\w.])", text)):
                return row
    return None


def is_digest_of(sha256: str, row: Published) -> bool:
    """Whether the file is that one to the byte, as far as eight digits tell."""
    digest = _DIGEST_IN_NAME.search(row.file)
    return digest is not None and sha256.startswith(digest[1])


def _has_twins(name: str) -> bool:
    """Whether it is the plain one of several."""
    return bool(_families().get(name))


def _base(name: str) -> str:
    return next((base for base, others in _families().items() if name in others), name)


@functools.cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(_TABLE.read_text(encoding="utf-8"))
    return table


@functools.cache
def _families() -> dict[str, dict[str, float]]:
    """Each network's twins that compute something else."""
    both = [_table()["twins"], _table()["elsewhere"]["twins"]]
    return {
        base: {other: far for table in both for other, far in table.get(base, {}).items() if far} for base in both[0]
    }


@functools.cache
def _reasons() -> dict[str, str]:
    return {**_table()["reasons"], **_table()["elsewhere"]["reasons"]}


@functools.cache
def _registered() -> frozenset[str]:
    return frozenset(entry.name for entry in list_models())


@functools.cache
def _names() -> dict[str, str]:
    """Every name that a text may hold, and the network that it means."""
    own = {name: name for name in _registered()}
    aliases = {name: alias.network for name, alias in ALIASES.items()}
    twins = {other: other for others in _families().values() for other in others}
    same = {other: base for base, found in _table()["twins"].items() for other, far in found.items() if not far}
    renamed = {old: new.partition(".")[0] for old, new in _table()["renamed"].items()}
    return renamed | same | twins | aliases | own


@functools.cache
def _published() -> tuple[Published, ...]:
    return tuple(
        Published(
            row["name"],
            row["file"],
            tuple(row.get("mean", IMAGENET_MEAN)),
            tuple(row.get("std", IMAGENET_STD)),
            tuple(row.get("input", IMAGENET["input_shape"])),
            row["crop_pct"],
            row["interpolation"],
        )
        for row in _table()["published"]
    )
