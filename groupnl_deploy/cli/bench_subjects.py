"""What a user names to be benchmarked: an artifact's folder or id, or a checkpoint, which is exported first."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from device_agent.backend_table import BACKENDS, backend_for, native_refusal
from device_agent.manifest import MANIFEST_FILE, Format
from groupnl_deploy.cli.own_options import needing_module
from groupnl_deploy.deploy.ledger import may_begin_artifact_id
from groupnl_deploy.errors import UsageError
from groupnl_deploy.mistaken import refusal
from groupnl_deploy.words import command_line, known_word
from groupnl_deploy.workspace import CHECKPOINT_FILE

if TYPE_CHECKING:
    from groupnl_deploy.progress import Reporter


@dataclass(frozen=True)
class Subject:
    """One thing to benchmark.

    Args:
        backend: that runs it.
        named: an artifact's folder or id; None is the newest that the device has.
        checkpoint: the folder that is exported first.
        format: of that export.
    """

    backend: str
    named: str | None = None
    checkpoint: Path | None = None
    format: Format = "onnx"

    def artifact(self, reporter: "Reporter") -> str | None:
        """The folder or id, exported now where it is a checkpoint that was not exported before."""
        if self.checkpoint is None:
            return self.named
        folder = self.checkpoint.with_name(f"{self.checkpoint.name}-{self.format}")
        if not folder.exists():
            _export(self.checkpoint, folder, self.format, reporter)
        _require_of(folder, self.checkpoint)
        return str(folder)


def subject_of(named: str | None, backend: str | None) -> Subject:
    """What was named, with the backend that the user asked for or that runs it.

    Raises `UsageError` for what is neither, and for a backend that does not run it.
    """
    formats = None if backend is None else BACKENDS[known_word("backend", backend, BACKENDS)].formats
    path = None if named is None else Path(named)
    if path is not None and (path / CHECKPOINT_FILE).is_file():
        format: Format = "onnx" if formats is None else formats[0]
        return Subject(backend or backend_for(format), checkpoint=path.absolute(), format=format)
    if path is not None and (path / MANIFEST_FILE).is_file():
        return Subject(_checked(path, backend), named)
    if backend is None and named is not None and not may_begin_artifact_id(named):
        raise refusal(Path(named), "artifact")
    if backend is None:
        raise UsageError("It is not said what shall run it.", f"Give --backend: {', '.join(BACKENDS)}.")
    return Subject(backend, named)


def _checked(folder: Path, backend: str | None) -> str:
    from exporters.artifact import open_artifact

    manifest = open_artifact(folder).manifest
    format = manifest.format
    if backend is not None and format not in BACKENDS[backend].formats:
        raise UsageError(
            f"The artifact {folder} has the format {format}, which {backend} does not run.",
            f"Use --backend {backend_for(format)}, or export and push it with --format {BACKENDS[backend].formats[0]}.",
        )
    if backend is not None and manifest.native is not None and (refusal := native_refusal(backend)) is not None:
        raise UsageError(*refusal)
    return backend or backend_for(format)


def _export(checkpoint: Path, folder: Path, format: Format, reporter: "Reporter") -> None:
    from groupnl_deploy.campaign.cell import Cell, ExportPoint
    from groupnl_deploy.campaign.export_job import export_cell

    with needing_module("export", checkpoint, "--out", folder):
        export_cell(Cell(export=ExportPoint(format=format)), checkpoint, folder, reporter)
    reporter.note(f"{checkpoint.name} is exported to {folder}.")


def _require_of(folder: Path, checkpoint: Path) -> None:
    """Raise `UsageError` where the folder holds something else than this checkpoint's artifact."""
    from exporters.artifact import open_artifact
    from groupnl_deploy.training.checkpoint import checkpoint_id

    found = open_artifact(folder).manifest.source.sha256
    if found != checkpoint_id(checkpoint):
        raise UsageError(
            f"{folder} was not exported from {checkpoint.name} as it is now.",
            f"Move it away, or export under another name and bench that: "
            f"{command_line('export', checkpoint, '--out', 'ARTIFACT')}.",
        )
