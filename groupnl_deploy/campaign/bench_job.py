"""Benchmarking: one run of one artifact on one device, with one backend under one set of settings."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from device_agent.messages.ledger import Deployment
from device_agent.settings import Settings
from device_agent.strict import StrictError, from_json, to_dict
from groupnl_deploy.bench.bench_device import bench_device
from groupnl_deploy.bench.incomplete import left_behind
from groupnl_deploy.bench.meter import MeterPlan
from groupnl_deploy.bench.run import load_run
from groupnl_deploy.campaign.cell import Cell
from groupnl_deploy.campaign.push_job import PushJob
from groupnl_deploy.campaign.stage import Projection, Stage, keys
from groupnl_deploy.deploy.devices_file import LOCAL
from groupnl_deploy.deploy.inventory import get_device
from groupnl_deploy.errors import VerificationFailed
from groupnl_deploy.jobs.job import Job
from groupnl_deploy.jobs.store import key_of
from groupnl_deploy.progress import Reporter
from groupnl_deploy.remote.retry import DEFAULT_RETRY_S
from groupnl_deploy.remote.waiting import DEFAULT_WAIT_S
from groupnl_deploy.report.build import build_report
from groupnl_deploy.workspace import RUN_FILE, file_sha256

_BESIDE_S = 5.0  # the agent's start, the images on their way, import and load: about


@dataclass(frozen=True, kw_only=True)
class BenchJob(Job):
    """Makes one run folder. `deployment` is the file that the push left."""

    kind: ClassVar[str] = "bench"
    deployment: Path
    device: str
    backend: str
    settings: Settings
    repeat: int
    plan: MeterPlan | None
    profile: bool = False

    @property
    def measures(self) -> bool:
        """On this machine, or with a meter whose samples this machine must take in time."""
        return self.device == LOCAL or self.plan is not None

    @property
    def expected_s(self) -> float:
        """As the workload says; a slow network takes longer."""
        work = self.settings.workload
        return 2 * work.idle_s + work.warmup_s + work.min_seconds + _BESIDE_S

    def reads(self) -> dict[str, Any]:
        """What was pushed, how the device is reached, and all that the benchmark is told."""
        deployment = self._deployment()
        return {
            "artifact": deployment.artifact_sha256,
            "agent": deployment.agent_sha256,
            "device": to_dict(get_device(self.device)),
            "backend": self.backend,
            "settings": to_dict(self.settings),
            "meter": to_dict(self.plan),
            "repeat": self.repeat,
            "profile": self.profile,
        }

    def identity(self) -> str:
        """The digest of its record, after the recording was verified."""
        return run_identity(self.product)

    def may_still_come(self) -> bool:
        """Whether the device goes on with it without us: `groupnl bench --fetch` brings it to this very place."""
        return left_behind(self.product)

    def make(self, reporter: Reporter) -> None:
        """Benchmark, and say now, not when hours of others are done, what is wrong with it."""
        cell = Cell(device=self.device, backend=self.backend, settings=self.settings, repeat=self.repeat)
        artifact, key = self._deployment().artifact_sha256, key_of(self)
        bench_cell(cell, artifact, self.plan, self.product, reporter, key=key, profile=self.profile)
        if reasons := build_report([self.product]).rows[0].problems:
            others = f" {len(reasons) - 1} more reasons stand in the report." if len(reasons) > 1 else ""
            reporter.note(f"{self.product.name} is INVALID: {reasons[0]}.{others}")

    def _deployment(self) -> Deployment:
        try:
            return from_json(Deployment, self.deployment.read_bytes(), str(self.deployment))
        except (OSError, StrictError) as error:
            raise VerificationFailed(
                f"{self.deployment} cannot be read: {error}.", "Run again with --from push."
            ) from error


def bench_cell(
    cell: Cell,
    artifact: str | None,
    plan: MeterPlan | None,
    out: Path | None,
    reporter: Reporter,
    wait_s: float = DEFAULT_WAIT_S,
    data: str | None = None,
    retry_for_s: float = DEFAULT_RETRY_S,
    key: str = "",
    profile: bool = False,
) -> Path:
    """Benchmark a pushed artifact as the cell says; returns the run's folder. See `bench_device`."""
    if cell.device is None or cell.backend is None or cell.settings is None:
        raise ValueError("the cell does not say where and how to benchmark")
    _, folder = bench_device(
        cell.device,
        cell.backend,
        artifact=artifact,
        settings=cell.settings,
        plan=plan,
        out=out,
        reporter=reporter,
        wait_s=wait_s,
        data=data,
        retry_for_s=retry_for_s,
        key=key,
        profile=profile,
    )
    return folder


def run_identity(folder: Path) -> str:
    """The digest of a run's record. Raises `UsageError` or `VerificationFailed` for a run that is not whole."""
    load_run(folder)
    return file_sha256(folder / RUN_FILE)


def bench_job(of: Projection) -> BenchJob:
    """Needs the artifact to be on the device."""
    cell, layout = of.cell, of.layout
    assert cell.device is not None and cell.backend is not None and cell.settings is not None
    meter = of.campaign.meters.get(cell.device)
    return BenchJob(
        name=layout.run_name(cell),
        product=layout.run(cell),
        needs=keys(PushJob, [layout.deployment_name(cell)]),
        deployment=layout.deployment(cell),
        device=cell.device,
        backend=cell.backend,
        settings=cell.settings,
        repeat=cell.repeat,
        plan=meter.plan() if meter else None,
        profile=of.campaign.profile,
    )


STAGE = Stage("bench", ("source", "export", "device", "backend", "settings", "repeat"), bench_job)
