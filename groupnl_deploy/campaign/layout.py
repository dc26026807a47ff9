"""Where each product of a campaign lies, made from the projection of a cell that it depends on.

Every axis has a first value, which leaves no trace in a name; another one adds what tells it from the first. So a list
that grows at its end moves nothing that was made before.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from device_agent.backend_table import BACKENDS
from device_agent.settings import Settings
from groupnl_deploy.campaign.axes import slug
from groupnl_deploy.campaign.cell import Cell, ExportPoint, Source
from groupnl_deploy.evaluation.record import FOLDER as EVALUATIONS


@dataclass(frozen=True)
class Layout:
    """The folder of a campaign, and the first value of every axis."""

    out: Path
    first: Cell
    formats: tuple[str, ...]

    def checkpoint(self, source: Source) -> Path:
        """The folder of a checkpoint; one that was there before stays where it is."""
        return source.checkpoint or self.out / "checkpoints" / source.label

    def artifact_name(self, cell: Cell) -> str:
        """Such as "groupnl-onnx", "groupnl-seed1-onnx-none"."""
        source, export = _known(cell.source), _known(cell.export)
        return "-".join([source.label, export.format, *self._export_changes(export)])

    def artifact(self, cell: Cell) -> Path:
        """The folder of an artifact."""
        return self.out / "artifacts" / self.artifact_name(cell)

    def deployment_name(self, cell: Cell) -> str:
        """The artifact's, and the device unless it is the first."""
        return "-".join([self.artifact_name(cell), *self._device(cell)])

    def deployment(self, cell: Cell) -> Path:
        """The file that says what was pushed where."""
        return self.out / "deployments" / f"{self.deployment_name(cell)}.json"

    def run_name(self, cell: Cell) -> str:
        """Such as "groupnl-onnxruntime", "groupnl-none-onnxruntime-threads4-run2"."""
        source, export = _known(cell.source), _known(cell.export)
        return "-".join(
            [
                source.label,
                *self._format(export, _known(cell.backend)),
                *self._export_changes(export),
                _known(cell.backend),
                *self._device(cell),
                *_changes(_known(cell.settings), _known(self.first.settings)),
                *([f"run{cell.repeat}"] if cell.repeat > 1 else []),
            ]
        )

    def run(self, cell: Cell) -> Path:
        """The folder of a benchmark's run."""
        return self.out / "runs" / self.run_name(cell)

    def evaluation_name(self, cell: Cell) -> str:
        """Of what the cell knows: a source's checkpoint, an artifact of it, or that on a device by a backend."""
        if cell.export is None:
            return f"{_known(cell.source).label}-checkpoint"
        if cell.device is None:
            return self.artifact_name(cell)
        return f"{self.artifact_name(cell)}-{_known(cell.backend)}-on-{cell.device}"

    def evaluation(self, cell: Cell) -> Path:
        """The folder of an evaluation."""
        return self.out / EVALUATIONS / self.evaluation_name(cell)

    @property
    def report(self) -> Path:
        """The folder of the report."""
        return self.out / "report"

    def _export_changes(self, export: ExportPoint) -> Iterator[str]:
        return _changes(export, _known(self.first.export), but=("format",))

    def _device(self, cell: Cell) -> list[str]:
        device = _known(cell.device)
        return [] if device == self.first.device else [device]

    def _format(self, export: ExportPoint, backend: str) -> list[str]:
        """The format, where the backend runs several of the campaign's and this is not the first."""
        runs = [format for format in self.formats if format in BACKENDS[backend].formats]
        return [] if export.format == runs[0] else [export.format]


def _changes(value: ExportPoint | Settings, first: ExportPoint | Settings, but: tuple[str, ...] = ()) -> Iterator[str]:
    for field in fields(value):
        mine = getattr(value, field.name)
        if field.name not in but and mine != getattr(first, field.name):
            yield slug(field.name, mine)


def _known(axis: Any) -> Any:
    if axis is None:
        raise ValueError("this product depends on an axis that the cell does not know")
    return axis
