"""What does measuring cost? Benchmarks with meter, watcher and bar against benchmarks with nothing beside them.

    python benchmarks/overhead.py [--pairs 6] [--seconds 10] [--threads 1] [--parts] [--json]
    python benchmarks/overhead.py --null-only

First the null backend, which computes nothing: its p50 is the harness's own, and should be below 20 µs. Then
MobileNet-V3-L with GroupNL in ONNX Runtime, in pairs whose order changes (off on, on off, …):

on    `groupnl bench` on the device `local`, as a user runs it: the emulated KM003C on a pseudo-terminal, read twenty
      times a second, the niced process that reads the board's state each second, and the bar, drawn on a terminal;
off   the agent's own code for the same phases and images, with none of these (`overhead_alone.py`).

Here host, meter and device are one machine, so on a board less is disturbed. The ratio of the medians, with its
interval (an exact sign-flip test over the pairs), should stay within 1 %. --parts adds runs with the watcher alone,
with watcher and meter, and with watcher and bar.
"""

import argparse
import contextlib
import json
import os
import platform
import pty
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

# Before anything imports PyTorch: see groupnl_deploy.cli.entry.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from device_agent.settings import Settings, Workload
from device_agent.strict import to_dict
from exporters.artifact import Artifact
from groupnl_deploy.analysis.paired import Paired, compare_pairs
from groupnl_deploy.bench.metered import METERED_RUNOUT_S
from groupnl_deploy.bench.run import load_run
from groupnl_deploy.deploy.push import deploy_artifact
from groupnl_deploy.export import export_checkpoint
from groupnl_deploy.images.bench_images import bench_images
from groupnl_deploy.models.registry import model_spec
from groupnl_deploy.progress import Silence
from groupnl_deploy.remote.local import LocalTransport
from groupnl_deploy.training.checkpoint import initialise_checkpoint, save_checkpoint

NET = "mobilenetv3_gnl_large_100"
NULL_TARGET_US, TARGET = 20.0, 0.01
LONGEST_S = 3600.0
METER = ["--meter", "km003c", "--port", "emulator"]
WAYS = {
    "on": (True, True),
    "watcher": (False, False),
    "meter": (True, False),
    "bar": (False, True),
}
"""Of every way but "off", whether there is a meter, and a terminal for the bar; the watcher is in all of them."""


@dataclass(frozen=True)
class Run:
    """One benchmark: its way, its median latency, and the share of all cores that ran beside the agent."""

    way: str
    pair: int
    iterations: int
    p50_us: float
    foreign: float | None


@contextlib.contextmanager
def terminal() -> Iterator[int]:
    """A pseudo-terminal that somebody reads."""
    ours, theirs = pty.openpty()

    def drain() -> None:
        with contextlib.suppress(OSError):  # it ends so when the other end is closed
            while os.read(ours, 65536):
                pass

    reader = threading.Thread(target=drain, daemon=True)
    reader.start()
    try:
        yield theirs
    finally:
        os.close(theirs)
        reader.join(5)
        os.close(ours)


class Bench:
    """Benchmarks one network in every way, on this machine, in a folder of its own."""

    def __init__(self, folder: Path, net: str, settings: Settings) -> None:
        self.folder, self.settings, self.count = folder, settings, 0
        self.artifact = self._pushed(net)
        shape = self.artifact.manifest.image_shape
        assert shape is not None, "the networks take images"
        self.images = folder / "images.npy"
        np.save(self.images, bench_images(None, shape, settings.workload.images).images)

    def _pushed(self, net: str) -> Artifact:
        save_checkpoint(self.folder / "net", *initialise_checkpoint(model_spec(net)))
        artifact = export_checkpoint(self.folder / "net", self.folder / "net-onnx", "onnx")
        deploy_artifact(artifact.directory, "local", Silence())
        return artifact

    def __call__(self, way: str, pair: int, backend: str) -> Run:
        """One of them."""
        self.count += 1
        if way == "off":
            latencies, foreign = self._alone(backend), None
        else:
            latencies, foreign = self._with(backend, *WAYS[way])
        return Run(way, pair, len(latencies), median(latencies) / 1e3, foreign)

    def _alone(self, backend: str) -> list[int]:
        job: dict[str, Any] = {
            "artifact": str(self.artifact.directory),
            "sha256": self.artifact.sha256,
            "backend": backend,
            "settings": to_dict(self.settings),
            "images": str(self.images),
            "runout_s": METERED_RUNOUT_S,
            "libraries": str(self.folder),
            "out": str(self.folder / f"alone-{self.count}.json"),
        }
        asked = self.folder / f"job-{self.count}.json"
        asked.write_text(json.dumps(job))
        # In a session of its own, as an agent: Linux shares a busy machine out by sessions.
        with LocalTransport(self.folder, sys.executable, "alone") as transport:
            command = [sys.executable, str(Path(__file__).with_name("overhead_alone.py")), str(asked)]
            done = transport.run(command, timeout_s=LONGEST_S)
        if done.exit_code:
            raise SystemExit(f"{' '.join(command)} ended with {done.exit_code}: {done.stderr}")
        found: list[int] = json.loads(Path(job["out"]).read_text())
        return found

    def _with(self, backend: str, metered: bool, bar: bool) -> tuple[list[int], float | None]:
        out, work = self.folder / f"run-{self.count}", self.settings.workload
        command = [sys.executable, "-m", "groupnl_deploy.cli.entry", "bench", str(self.artifact.directory)]
        command += ["--device", "local", "--backend", backend, "--out", str(out), "--allow-invalid"]
        command += ["--threads", str(self.settings.threads), "--images", str(work.images), "--idle", str(work.idle_s)]
        command += ["--warmup", str(work.warmup_s), "--seconds", str(work.min_seconds)]
        command += METER if metered else []
        with terminal() as screen:
            error: Any = screen if bar else subprocess.PIPE
            done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=error, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} ended with {done.returncode}: {(done.stderr or b'').decode()}")
        result = load_run(out)[0].result
        cpu = result.span("steady").cpu
        known = cpu is not None and cpu.busy_s is not None and cpu.cores
        share = max(cpu.busy_s - cpu.own_s, 0.0) / (cpu.cores * cpu.elapsed_s) if known else None  # type: ignore
        return list(result.latencies_ns), share


def order(ways: list[str], pair: int) -> list[str]:
    """The first pair goes one way, the second the other."""
    return ways if pair % 2 == 0 else ways[::-1]


def line(run: Run) -> str:
    """One run."""
    beside = "" if run.foreign is None else f"   {100 * run.foreign:5.1f} % of all cores beside the agent"
    return f"{run.pair:>4}  {run.way:<8}{run.iterations:>9}{run.p50_us:>14.3f} µs{beside}"


def compared(done: list[Run], way: str) -> Paired:
    """The way against nothing, pair by pair."""
    by_pair = {(run.pair, run.way): run.p50_us for run in done}
    pairs = sorted({run.pair for run in done})
    return compare_pairs([by_pair[one, "off"] for one in pairs], [by_pair[one, way] for one in pairs])


def verdict(found: Paired) -> str:
    """Whether the ratio is within the target for certain."""
    inside = found.low > 1 - TARGET and found.high < 1 + TARGET
    outside = found.low > 1 + TARGET or found.high < 1 - TARGET
    word = "met" if inside else "MISSED" if outside else "not decided"
    return word if found.kind == "interval" else f"{word} by the range alone: too few pairs for an interval"


def told(way: str, found: Paired) -> str:
    """A sentence of the result."""
    low, high = 100 * (found.low - 1), 100 * (found.high - 1)
    p = "" if found.p is None else f", p = {found.p:.3g}"
    return (
        f"{way} / off: p50 {100 * (found.ratio - 1):+.2f} % ({found.kind} {low:+.2f} to {high:+.2f} %, "
        f"{found.pairs} pairs{p}); target within {100 * TARGET:g} %: {verdict(found)}"
    )


def null_told(done: list[Run]) -> list[str]:
    """The harness's own median, each way."""
    lines = []
    for way in ("off", "on"):
        p50_us = median(run.p50_us for run in done if run.way == way)
        word = "met" if p50_us < NULL_TARGET_US else "MISSED"
        lines.append(f"null backend, {way}: p50 {p50_us:.3f} µs; target below {NULL_TARGET_US:g} µs: {word}")
    return lines


def measured(bench: Bench, ways: list[str], pairs: int, backend: str, quiet: bool) -> list[Run]:
    """All runs, in turns."""
    done: list[Run] = []
    for pair in range(pairs):
        for way in order(ways, pair):
            done.append(bench(way, pair, backend))
            if not quiet:
                print(line(done[-1]), flush=True)
    return done


def main() -> None:
    """Run, print a line a run as it ends, then the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--net", default=NET)
    parser.add_argument("--pairs", type=int, default=6, help="of runs on and off; six make an interval")
    parser.add_argument("--null-pairs", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=10.0, help="of the steady window; a meter needs 10")
    parser.add_argument("--idle", type=float, default=5.0, help="seconds before and behind; a meter needs 5")
    parser.add_argument("--threads", type=int, default=1, help="of an inference; 0 for all cores")
    parser.add_argument("--parts", action="store_true", help="also each part alone")
    parser.add_argument("--null-only", action="store_true", help="the null backend alone")
    parser.add_argument("--json", action="store_true", help="one document instead of the lines")
    arguments = parser.parse_args()
    workload = Workload(images=16, idle_s=arguments.idle, warmup_s=2.0, min_seconds=arguments.seconds)
    settings = Settings(arguments.threads or os.cpu_count() or 1, workload=workload)
    ways = ["off", "on", *(["watcher", "meter", "bar"] if arguments.parts else [])]
    with tempfile.TemporaryDirectory() as name:
        os.environ["GROUPNL_HOME"] = str(Path(name) / "home")
        bench = Bench(Path(name), arguments.net, settings)
        nulls = measured(bench, ["off", "on"], arguments.null_pairs, "null", arguments.json)
        nets = [] if arguments.null_only else measured(bench, ways, arguments.pairs, "onnxruntime", arguments.json)
    lines = null_told(nulls)
    lines += [told(way, compared(nets, way)) for way in ways[1:]] if nets else []
    about = f"{platform.machine()}, {os.cpu_count()} cores, {arguments.net}, {settings.threads} threads"
    if arguments.json:
        pairs = {way: asdict(compared(nets, way)) for way in ways[1:]} if nets else {}
        runs = [asdict(run) for run in (*nulls, *nets)]
        print(json.dumps({"about": about, "runs": runs, "pairs": pairs, "summary": lines}, indent=2))
    else:
        print("\n".join(["", about, *lines]))


if __name__ == "__main__":
    main()
