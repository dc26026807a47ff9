"""From a checkpoint to numbers: exported, pushed, benchmarked, reported."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from device_agent.backend_table import backend_for
from device_agent.manifest import FORMATS, Format
from device_agent.messages.ledger import Deployment
from device_agent.settings import Settings
from exporters.artifact import Artifact, open_artifact
from exporters.options import ExportOptions
from groupnl_deploy.api.network import Network
from groupnl_deploy.api.said import speaking, with_fields
from groupnl_deploy.bench.bench_device import bench_device
from groupnl_deploy.bench.meter import meter_plan, require_answer
from groupnl_deploy.deploy.acceptance import require_accepted
from groupnl_deploy.deploy.push import deploy_artifact
from groupnl_deploy.errors import UsageError
from groupnl_deploy.export import export_checkpoint
from groupnl_deploy.progress import Reporter, Silence
from groupnl_deploy.remote.retry import DEFAULT_RETRY_S
from groupnl_deploy.remote.waiting import DEFAULT_WAIT_S
from groupnl_deploy.report.build import Report, build_report
from groupnl_deploy.report.row import ReportRow
from groupnl_deploy.words import known_word


@speaking
def export_network(
    checkpoint: Path | str, out: Path | str, format: Format = "onnx", reporter: Reporter | None = None, **options: Any
) -> Artifact:
    """An artifact of a checkpoint folder, proved equal to it.

    Args:
        checkpoint: the folder.
        out: the folder to write; it must not exist.
        format: "onnx", "torch" or "ncnn".
        reporter: told of the progress.
        options: fields of `ExportOptions`, such as `optimize="none"`, `target="rpi4"`, `opset=17`.
    """
    if isinstance(checkpoint, Network):
        raise UsageError("A network is exported from its folder.", "Keep it first: save_network(network, FOLDER).")
    asked = with_fields(ExportOptions(), options)
    known_word("format", format, FORMATS)
    return export_checkpoint(Path(checkpoint), Path(out), format, asked, reporter)


def push_artifact(
    artifact: Artifact | Path | str,
    device: str = "local",
    reporter: Reporter | None = None,
    wait_s: float = DEFAULT_WAIT_S,
    retry_for_s: float = DEFAULT_RETRY_S,
) -> Deployment:
    """Send an artifact to a device, where it is verified before it has its name, and tried before it is used.

    `wait_s` is how long another push or benchmark on the device is waited for, `retry_for_s` how long a device is
    sought that does not answer. Raises where the device does not accept it; there it is all the same.
    """
    pushed = deploy_artifact(_folder(artifact), device, reporter or Silence(), wait_s=wait_s, retry_for_s=retry_for_s)
    require_accepted(pushed.acceptance, device)
    return pushed.deployment


@dataclass(frozen=True)
class Run:
    """A benchmark: its folder, where all of it is kept, and what a report says of it."""

    folder: Path
    row: ReportRow

    def __str__(self) -> str:
        return f"{self.row} ({self.folder})"

    __repr__ = __str__


def bench_artifact(
    artifact: Artifact | Path | str | None = None,
    device: str = "local",
    backend: str | None = None,
    *,
    meter: str | None = None,
    port: str | None = None,
    out: Path | str | None = None,
    settings: Settings | None = None,
    reporter: Reporter | None = None,
    wait_s: float = DEFAULT_WAIT_S,
    **workload: Any,
) -> Run:
    """Benchmark what was pushed to a device.

    Args:
        artifact: which; None is the newest there that the backend runs.
        device: its name in `groupnl device list`.
        backend: "onnxruntime", "openvino", "pytorch", "ncnn" or "null"; None is the usual one of the artifact's format.
        meter: the power meter, such as "km003c"; None measures no energy.
        port: where it is; "emulator" starts the emulated one, whose numbers are marked.
        out: the run folder; else one under runs/.
        settings: of the runtime.
        reporter: told of the progress.
        wait_s: how long another push or benchmark on the device is waited for.
        workload: fields of `Workload`, such as `min_seconds=2`, `idle_s=1`, `images=50`.
    """
    asked, folder = settings or Settings(), None if artifact is None else _folder(artifact)
    format: Format = "onnx" if folder is None else open_artifact(folder).manifest.format
    if (plan := meter_plan(meter, port, 1)) is not None:
        require_answer(plan)  # before anything is done for nothing
    _, run = bench_device(
        device,
        backend or backend_for(format),
        artifact=None if folder is None else str(folder),
        settings=replace(asked, workload=with_fields(asked.workload, workload)),
        plan=plan,
        out=None if out is None else Path(out),
        reporter=reporter or Silence(),
        wait_s=wait_s,
    )
    return Run(run, build_report([run]).rows[0])


def report_runs(*runs: Run | Path | str) -> Report:
    """Runs side by side, in this order; `render` writes it."""
    return build_report([run.folder if isinstance(run, Run) else Path(run) for run in _flat(runs)])


def _flat(runs: Sequence[Any]) -> list[Any]:
    """Runs, where a list of them may stand in their place."""
    return [one for run in runs for one in (run if isinstance(run, list | tuple) else (run,))]


def _folder(artifact: Artifact | Path | str) -> Path:
    return artifact.directory if isinstance(artifact, Artifact) else Path(artifact)
