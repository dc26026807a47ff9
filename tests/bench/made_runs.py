"""What runs that are made by hand have in common: a manifest, and the frame around a result."""

from pathlib import Path

from device_agent.manifest import ArtifactManifest, Parity, Preprocessing, Source, TensorInfo
from device_agent.messages.bench import BenchRequest
from device_agent.settings import Settings, Workload
from groupnl_deploy.bench.clock import ClockSync
from groupnl_deploy.bench.result import BenchResult
from groupnl_deploy.bench.run import BenchRun, Images
from groupnl_deploy.workspace import file_sha256

DIGEST = "a" * 64
OFFSET_S = 1000.0  # of the host's clock, when the board's reads zero
# Of a run with a meter, on the board's clock; the load is on from the import to the run-out.
PHASES = {
    "idle_before": (0.0, 5.0),
    "import": (5.0, 5.5),
    "load": (5.5, 6.0),
    "check": (6.0, 7.5),
    "warmup": (7.5, 9.0),
    "steady": (9.0, 19.0),
    "runout": (19.0, 20.5),
    "idle_after": (20.5, 25.5),
}


def made_manifest(trained: bool) -> ArtifactManifest:
    return ArtifactManifest(
        format="onnx",
        label="net",
        model={},
        trained=trained,
        data=None,
        accuracy=None,
        source=Source("checkpoint", DIGEST),
        files=(),
        inputs=(TensorInfo("input", (1, 3, 32, 32)),),
        outputs=(TensorInfo("logits", (1, 10)),),
        preprocessing=Preprocessing((0.5,) * 3, (0.5,) * 3),
        producer={},
        parity=Parity(8, 0.0, 0.0, 1.0, 1e-4, True),
    )


def made_run(result: BenchResult, *, trained: bool, warmup_s: float) -> BenchRun:
    return BenchRun(
        device="pi",
        artifact_sha256=DIGEST,
        manifest=made_manifest(trained),
        request=BenchRequest(
            "/x", DIGEST, result.backend, Settings(workload=Workload(idle_s=5.0, warmup_s=warmup_s)), 1, 1.5
        ),
        images=Images("digits, test", None),
        clock=ClockSync(OFFSET_S, 0.0, 0.0, 0.001),
        result=result,
        power=None,
        created_at="2026-11-21T00:00:00+00:00",
        host={},
    )


def rewrite(path: Path, text: str) -> None:
    """Put another record in the place of one, with the digest that it would have been written with."""
    path.write_text(text)
    path.with_name(f"{path.name}.sha256").write_text(f"{file_sha256(path)}  {path.name}\n")
