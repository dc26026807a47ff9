"""The printed energies of the E2GC paper (`e2gc_tables.toml`), and the group convolutions of its two networks."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groupnl_deploy.energy_model.layer import LayerShape

KERNEL = 3  # of every group convolution of both networks
_TABLES = Path(__file__).with_name("e2gc_tables.toml")


@dataclass(frozen=True)
class Case:
    """One column of energies."""

    board: str
    batch: int

    def __str__(self) -> str:
        return f"{self.board} B={self.batch}"


@dataclass(frozen=True)
class Variant:
    """One row: constant group size G ("G", E2GC) or number of groups ("g", FgGC); energies in mJ per frame by case."""

    kind: str
    number: int
    params: float
    macs: float
    energies_mj: dict[Case, float]
    imagenet: float
    food: float

    def __str__(self) -> str:
        return f"{self.kind}={self.number}"

    def groups(self, layer: LayerShape) -> int:
        """Of one layer."""
        return layer.in_channels // self.number if self.kind == "G" else self.number


@dataclass(frozen=True)
class PrintedNetwork:
    """One table; `layers` are the group convolutions, each as often as there is one."""

    table: str
    name: str
    network: str
    layers: tuple[LayerShape, ...]
    variants: tuple[Variant, ...]

    def variant(self, name: str) -> Variant:
        """Such as "G=32"."""
        return next(one for one in self.variants if str(one) == name)

    def of(self, kind: str) -> tuple[Variant, ...]:
        """Those of one family."""
        return tuple(one for one in self.variants if one.kind == kind)


def printed() -> tuple[tuple[Case, ...], tuple[PrintedNetwork, ...]]:
    """The six columns of energies, and both tables."""
    data = tomllib.loads(_TABLES.read_text(encoding="utf-8"))
    cases = tuple(Case(board, batch) for board in data["boards"] for batch in data["batches"])
    return cases, tuple(_network(data[name], cases) for name in ("mobilenet", "resnext"))


def _network(table: dict[str, Any], cases: tuple[Case, ...]) -> PrintedNetwork:
    layers = [
        LayerShape(channels, channels, KERNEL, side, side, stride)
        for channels, side, stride, count in table["layers"]
        for _ in range(count)
    ]
    variants = [
        Variant(kind, number, params * 1e6, macs * table["macs_unit"], dict(zip(cases, energies, strict=True)), *tops)
        for kind, number, params, macs, energies, *tops in table["rows"]
    ]
    return PrintedNetwork(table["table"], table["name"], table["network"], tuple(layers), tuple(variants))
