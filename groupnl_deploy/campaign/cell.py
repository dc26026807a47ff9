"""One point of a campaign: a network, how it is exported, and where and how it is benchmarked."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from device_agent.backend_table import BACKENDS, native_refusal, unread_settings
from device_agent.manifest import Format
from device_agent.settings import Settings
from exporters.options import ExportOptions
from groupnl_deploy.images.source import DataSource
from groupnl_deploy.models.spec import ModelSpec
from groupnl_deploy.training.recipe import Recipe

Axis = Literal["source", "export", "device", "backend", "settings", "repeat"]
AXES: tuple[Axis, ...] = get_args(Axis)


@dataclass(frozen=True)
class Training:
    """How and on what a network is trained, and the folder of the checkpoint it begins with, if it begins with one."""

    recipe: Recipe
    data: DataSource
    init: Path | None = None


@dataclass(frozen=True)
class Source:
    """Where a checkpoint comes from: a training, a network's first random weights, or a folder that is there.

    Args:
        label: names its files; two sources never share one.
        spec: the network; None for a folder, which says it.
        training: None for random weights and for a folder.
        checkpoint: the folder; None for what the campaign makes.
        module: the code of the user's that makes the network, as the user named it; None for a registered one.
        table: the number of its table in the campaign file, from 0.
    """

    label: str
    spec: ModelSpec | None = None
    training: Training | None = None
    checkpoint: Path | None = None
    module: str | None = None
    table: int = 0


@dataclass(frozen=True, kw_only=True)
class ExportPoint(ExportOptions):
    """What is made of a checkpoint: a format, and how."""

    format: Format


@dataclass(frozen=True)
class Cell:
    """One point of a campaign. A single command knows only some of the axes; the others are None.

    Args:
        source: of the checkpoint.
        export: of the artifact.
        device: its name in the inventory.
        backend: a key of `wire.BACKENDS`.
        settings: of the benchmark.
        repeat: the how manieth benchmark of this kind it is, from 1.
    """

    source: Source | None = None
    export: ExportPoint | None = None
    device: str | None = None
    backend: str | None = None
    settings: Settings | None = None
    repeat: int = 1

    def on(self, axes: tuple[Axis, ...]) -> "Cell":
        """The cell projected on these axes: it knows no other."""
        return Cell(**{axis: getattr(self, axis) for axis in axes})


def impossible(cell: Cell) -> str | None:
    """Why a cell, or a projection of one, cannot be; None where it can."""
    module = None if cell.source is None else cell.source.module
    if module is not None and cell.export is not None and cell.export.format == "torch":
        return f"{module} is code of your own, which goes to a device as onnx alone"
    if cell.export is None or cell.backend is None or cell.settings is None:
        return None
    if cell.export.format not in BACKENDS[cell.backend].formats:
        return f"{cell.backend} runs the format {' or '.join(BACKENDS[cell.backend].formats)} alone"
    if cell.export.optimize == "native" and native_refusal(cell.backend) is not None:
        return f"{cell.backend} does not run native operators"
    unread = unread_settings(cell.backend, cell.settings)
    return f"{cell.backend} does not read {' and '.join(unread)}" if unread else None


def superfluous(export: ExportPoint, asked: Sequence[ExportPoint]) -> str | None:
    """Why an export cannot be, or would be the same as another one that was asked for; None where neither is so."""
    if export.format == "onnx":
        return None
    if export.format == "ncnn" and export.batch == "dynamic":
        return "ncnn computes one image at a time, and no dynamic batch"
    if export.format == "ncnn":
        return _useless(export, asked)
    if export.optimize == "native":
        return "native operators are for the formats onnx and ncnn"
    before = asked[: asked.index(export)]
    twin = next(
        (one for one in before if one.optimize != "none" and replace(one, optimize=export.optimize) == export), None
    )
    if export.optimize != "none" and twin is not None:
        return f"the format {export.format} has one optimized form, which {twin.optimize} names"
    return _useless(export, asked)


_UNREAD: dict[Format, tuple[str, ...]] = {"torch": ("target", "opset", "batch"), "ncnn": ("opset",)}


def _useless(export: ExportPoint, asked: Sequence[ExportPoint]) -> str | None:
    useless = [name for name in _UNREAD[export.format] if getattr(export, name) != getattr(asked[0], name)]
    return f"{' and '.join(useless)} {'is' if len(useless) == 1 else 'are'} for the format onnx" if useless else None
