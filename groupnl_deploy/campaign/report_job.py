"""Reporting: one report over all runs that are there."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from groupnl_deploy.campaign.bench_job import BenchJob, run_identity
from groupnl_deploy.campaign.evaluate_job import evaluation_folders, evaluation_keys
from groupnl_deploy.campaign.stage import Projection, Stage, keys
from groupnl_deploy.errors import UsageError
from groupnl_deploy.evaluation.record import FILE, is_evaluation
from groupnl_deploy.jobs.job import Job
from groupnl_deploy.progress import Reporter
from groupnl_deploy.report.build import build_report
from groupnl_deploy.report.formats import SUFFIXES, FileFormat
from groupnl_deploy.report.render import render
from groupnl_deploy.version import __version__
from groupnl_deploy.workspace import RUN_FILE, atomic_directory, file_sha256, sha256_hex


@dataclass(frozen=True, kw_only=True)
class ReportJob(Job):
    """Makes a folder with one file a format. A run whose benchmark failed is not in it."""

    kind: ClassVar[str] = "report"
    expected_s: ClassVar[float] = 2.0
    runs: tuple[Path, ...]
    formats: tuple[FileFormat, ...]
    evaluations: tuple[Path, ...] = ()

    def reads(self) -> dict[str, Any]:
        """Runs and evaluations, the files that are asked for, and the version of this program, which derives them."""
        runs = [run_identity(folder) for folder in self.folders()]
        read = {"runs": runs, "files": self._files(), "groupnl": __version__}
        evaluated = [file_sha256(folder / FILE) for folder in self.evaluations if is_evaluation(folder)]
        return {**read, "evaluations": evaluated} if evaluated else read

    def identity(self) -> str:
        """The digest of all its files."""
        return sha256_hex("".join(file_sha256(self.product / name) for name in self._files()).encode())

    def make(self, reporter: Reporter) -> None:
        """Derive everything anew from the runs."""
        if not self.folders():
            raise UsageError("No benchmark is there to report.", "See to what failed, then run the same command again.")
        report = build_report(self.folders(), drawn="html" in self.formats)
        with atomic_directory(self.product) as folder:
            for format, name in zip(self.formats, self._files(), strict=True):
                (folder / name).write_text(render(report, format), encoding="utf-8")

    def folders(self) -> list[Path]:
        """The runs that are there."""
        return [folder for folder in self.runs if (folder / RUN_FILE).exists()]

    def _files(self) -> list[str]:
        return [f"report.{SUFFIXES[format]}" for format in self.formats]


def report_job(of: Projection) -> ReportJob:
    """After all benchmarks and evaluations; a failed one does not keep the others from being reported."""
    backends = of.campaign.backends
    cells = sorted(of.cells, key=lambda cell: backends.index(cell.backend or ""))
    return ReportJob(
        name="all",
        product=of.layout.report,
        after=(
            *keys(BenchJob, [of.layout.run_name(cell) for cell in cells]),
            *evaluation_keys(of.campaign, cells, of.layout),
        ),
        runs=tuple(of.layout.run(cell) for cell in cells),
        formats=of.campaign.report_formats,
        evaluations=evaluation_folders(of.campaign, cells, of.layout),
    )


STAGE = Stage("report", (), report_job)
