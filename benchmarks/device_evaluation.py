"""What does it cost to send images to a device, one evaluation after the other, against the same backend's own rate?

    python benchmarks/device_evaluation.py [--pairs 5] [--seconds 5] [--threads 1] [--backend onnxruntime] [--json]
    python benchmarks/device_evaluation.py --link "40 Mbit/s, 5 ms" [--nets "resnet18_cifar x0.25"]

In pairs, side by side, on the device `local`: a benchmark, whose rate is that of inferences alone, on images that were
prepared before; and an evaluation, whose images come through the stream, are prepared, computed, and answered, for
about as long. The ratio of the rates is what the stream, the preparing and the answers leave; host and device share the
cores here, so a board loses less. Beside it stands the processor time that the agent alone takes for an image, which a
machine that others use tells as well. A thin network of 32 px shows the most that can be lost, one of 224 px what is
usual. With --link the device is behind a real one, as in `push.py`: a real OpenSSH server, with round trips and losses.
"""

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

# Before anything imports PyTorch: see groupnl_deploy.cli.entry.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import psutil
import torch

from benchmarks.network_link import why_not
from benchmarks.push import LINKS, LOOPBACK, board
from device_agent.backend_table import BACKENDS
from device_agent.settings import Settings, Workload
from exporters.artifact import Artifact
from exporters.choices import Batch
from exporters.options import ExportOptions
from groupnl_deploy.bench.bench_device import bench_device
from groupnl_deploy.bench.memory import memory_need
from groupnl_deploy.deploy.inventory import add_device, get_device
from groupnl_deploy.deploy.push import deploy_artifact
from groupnl_deploy.evaluation.device_answers import Asked, DeviceAnswers
from groupnl_deploy.export import export_checkpoint
from groupnl_deploy.models.registry import model_spec
from groupnl_deploy.models.spec import ConvSpec, ModelSpec
from groupnl_deploy.progress import Silence
from groupnl_deploy.remote.device import Device
from groupnl_deploy.training.checkpoint import initialise_checkpoint, save_checkpoint
from groupnl_deploy.training.evaluate import batch_size_for

NETS = {
    "resnet18_cifar x0.25": ModelSpec("resnet18_cifar", ConvSpec.preset("groupnl"), width=0.25),
    "mobilenetv3_gnl_large_100": model_spec("mobilenetv3_gnl_large_100"),
}


@dataclass(frozen=True)
class Rate:
    """Images per second by the clock; of the agent the processor time for one, in milliseconds, and its most memory."""

    per_s: float
    own_ms: float
    peak_mb: float


@dataclass(frozen=True)
class Pair:
    """Inferences alone, and an evaluation of so many images."""

    net: str
    bench: Rate
    evaluation: Rate
    images: int

    @property
    def ratio(self) -> float:
        """What is left of the rate."""
        return self.evaluation.per_s / self.bench.per_s

    @property
    def own_ratio(self) -> float:
        """The agent's processor time for an image against that for an inference."""
        return self.evaluation.own_ms / self.bench.own_ms


@contextlib.contextmanager
def own_place() -> Iterator[Path]:
    """A folder that also holds this machine's device while the block runs."""
    with tempfile.TemporaryDirectory(prefix="device-evaluation-") as name:
        os.environ["GROUPNL_HOME"] = str(Path(name) / "home")
        yield Path(name)


@contextlib.contextmanager
def device_behind(link: str | None, folder: Path) -> Iterator[Device]:
    """This machine, reached at once, or over a link; known by its name while the block runs."""
    if link is None:
        yield get_device("local")
        return
    for key in ("host_key", "identity"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)], check=True)
    with board(next(one for one in LINKS if one.name == link), folder) as there:
        add_device(there.device)
        yield there.device


def pushed(folder: Path, spec: ModelSpec, format: str, batch: Batch, device: Device) -> Artifact:
    """An untrained network: its answers mean nothing, and take as long."""
    save_checkpoint(folder / "net", *initialise_checkpoint(spec))
    artifact = export_checkpoint(folder / "net", folder / "artifact", format, ExportOptions(batch=batch))
    deploy_artifact(artifact.directory, device.name, Silence())
    return artifact


def bench_rate(artifact: Artifact, device: Device, backend: str, settings: Settings, out: Path) -> Rate:
    """Of the steady window."""
    run, _ = bench_device(
        device.name, backend, artifact=artifact.sha256, settings=settings, plan=None, out=out, reporter=Silence()
    )
    steady, count = run.result.span("steady"), len(run.result.latencies_ns)
    assert steady.cpu is not None, "agents of this version tell it"
    return Rate(
        count / ((steady.end_ns - steady.start_ns) / 1e9),
        1e3 * steady.cpu.own_s / count,
        (memory_need(run.result).peak or 0) / 1e6,
    )


def evaluation_rate(artifact: Artifact, device: Device, backend: str, threads: int, count: int) -> Rate:
    """From the first request to the last answer, in batches as `groupnl evaluate` makes them."""
    shape = artifact.manifest.image_shape
    assert shape is not None, "the networks take images"
    size = batch_size_for(shape)
    batch = torch.randint(0, 256, (size, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    asked = Asked(device, artifact, shape, backend, threads, 600.0, 0.0, print)
    with DeviceAnswers(asked) as answers:
        answers(batch)
        agent = its_agent()
        begun_s, own_s, done = time.monotonic(), own(agent), 0
        for logits in answers.of_each(batch for _ in range(max(1, count // size))):
            done += len(logits)
        return Rate(done / (time.monotonic() - begun_s), 1e3 * (own(agent) - own_s) / done, peak_mb(agent))


def its_agent() -> psutil.Process:
    """The agent that runs now; shells that it was started by do not have it as their program."""
    started = psutil.Process().children(recursive=True)
    (agent,) = (one for one in started if one.cmdline() and one.cmdline()[-1].endswith(".pyz"))
    return agent


def own(agent: psutil.Process) -> float:
    """Its processor time in seconds."""
    times = agent.cpu_times()
    return times.user + times.system


def peak_mb(agent: psutil.Process) -> float:
    """The most of its memory that was resident at once, since it began."""
    (line,) = (one for one in Path(f"/proc/{agent.pid}/status").read_text().splitlines() if one.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


def measured(
    name: str, artifact: Artifact, device: Device, folder: Path, arguments: argparse.Namespace
) -> Iterator[Pair]:
    """Pairs whose order changes."""
    work = Workload(images=16, idle_s=0.2, warmup_s=1.0, min_seconds=arguments.seconds)
    settings, known = Settings(arguments.threads, workload=work), 0.0

    def benched(number: int) -> Rate:
        return bench_rate(artifact, device, arguments.backend, settings, folder / f"run-{number}")

    for number in range(arguments.pairs):
        bench = benched(number) if number % 2 == 0 else None
        known = known or (bench.per_s if bench else 0.0)
        count = max(1, int(known * arguments.seconds))
        evaluation = evaluation_rate(artifact, device, arguments.backend, arguments.threads, count)
        yield Pair(name, bench or benched(number), evaluation, count)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--backend", choices=[name for name, one in BACKENDS.items() if one.computes])
    parser.add_argument("--nets", nargs="+", choices=list(NETS), default=list(NETS))
    parser.add_argument("--batch", choices=["1", "dynamic"], default="1", help="that the ONNX file is exported for")
    parser.add_argument("--link", choices=[link.name for link in LINKS])
    parser.add_argument("--json", action="store_true")
    parser.set_defaults(backend="onnxruntime")
    arguments = parser.parse_args()
    if arguments.link not in (None, LOOPBACK.name) and (lacking := why_not()):
        raise SystemExit(f"{arguments.link}: not measured, as it needs {lacking}")
    found: list[Pair] = []
    for name in arguments.nets:
        with own_place() as folder, device_behind(arguments.link, folder) as device:
            artifact = pushed(folder, NETS[name], BACKENDS[arguments.backend].formats[0], arguments.batch, device)
            found += measured(name, artifact, device, folder, arguments)
    if arguments.json:
        print(json.dumps([{**asdict(pair), "ratio": pair.ratio, "own_ratio": pair.own_ratio} for pair in found]))
        return
    where = f"{platform.machine()}, {os.cpu_count()} cores, threads {arguments.threads}"
    print(f"{where}, {arguments.backend}, {arguments.link or 'the device local'}")
    for name in arguments.nets:
        pairs = [pair for pair in found if pair.net == name]
        bench = median(pair.bench.per_s for pair in pairs)
        evaluation = median(pair.evaluation.per_s for pair in pairs)
        print(f"{name:28} bench {bench:8.1f} images/s, evaluation {evaluation:8.1f}")
        print(f"{'':28} rate {spread([pair.ratio for pair in pairs])}")
        print(f"{'':28} processor time {spread([pair.own_ratio for pair in pairs])}")
        most = [max(one.peak_mb for one in side) for side in ([p.bench for p in pairs], [p.evaluation for p in pairs])]
        print(f"{'':28} memory of the agent at most {most[0]:.0f} MB, and {most[1]:.0f} MB")


def spread(ratios: list[float]) -> str:
    """The median, and the least and the largest."""
    return f"× {median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"


if __name__ == "__main__":
    main()
