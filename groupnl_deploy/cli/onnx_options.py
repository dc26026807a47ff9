"""The options of `groupnl export` for an ONNX file of one's own."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groupnl_deploy.cli import console
from groupnl_deploy.cli.options import numbers
from groupnl_deploy.errors import UsageError

if TYPE_CHECKING:
    from exporters.artifact import Artifact
    from groupnl_deploy.campaign.cell import ExportPoint


@dataclass(frozen=True)
class OnnxFile:
    """The file, and what it is tried with."""

    onnx: Annotated[
        Path | None, typer.Option("--onnx", metavar="FILE", help="An ONNX file of your own in place of a checkpoint.")
    ] = None
    inputs: Annotated[
        Path | None,
        typer.Option("--inputs", metavar="FILE.npz", help="For --onnx: arrays by input name, one sample or several."),
    ] = None
    images: Annotated[
        Path | None,
        typer.Option("--images", metavar="DIR", help="For --onnx: pictures to prove it on; else photographs."),
    ] = None
    mean: Annotated[
        str | None, typer.Option(help="For --onnx: of pixels from 0 to 1, per channel or one for all; else ImageNet's.")
    ] = None
    std: Annotated[str | None, typer.Option(help="For --onnx: likewise.")] = None

    def require_alone(self, checkpoint: Path | None, others: list[str]) -> None:
        """Refuse two sources, and options that are for the other one or for none; `others` are a checkpoint's."""
        given = {"--inputs": self.inputs, "--images": self.images, "--mean": self.mean, "--std": self.std}
        named = [name for name, value in given.items() if value is not None]
        if self.onnx is None:
            if named:
                raise UsageError(f"{_are(named)} for --onnx.", f"Leave {' and '.join(named)} out, or name --onnx FILE.")
            return
        if checkpoint is not None:
            raise UsageError(f"{checkpoint} and --onnx {self.onnx} are two things to export.", "Name one of them.")
        if others:
            raise UsageError(
                f"{_are(others)} for a checkpoint or a module: an ONNX file has all of that itself.",
                f"Leave {' and '.join(others)} out.",
            )
        if self.inputs is not None and len(named) > 1:
            raise UsageError(
                f"--inputs has the inputs ready, and {' and '.join(named[1:])} would make others of pictures.",
                f"Leave {' and '.join(named[1:])} out, or --inputs.",
            )

    def export(self, out: Path, point: "ExportPoint", bisect: bool) -> "Artifact":
        """Optimise the file and write the artifact."""
        mean, std = numbers("--mean", self.mean), numbers("--std", self.std, above_zero=True)
        from groupnl_deploy.export_onnx import TriedWith, export_own_onnx

        assert self.onnx is not None, "the caller has looked"
        asked = TriedWith(self.inputs, self.images, mean, std)
        return export_own_onnx(self.onnx, out, point, asked, console.TerminalReporter(), bisect, point.format)


def _are(names: list[str]) -> str:
    return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'}"
