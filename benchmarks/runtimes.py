"""The runtimes side by side: every backend, the standard net and GroupNL's, as the agent on a device runs them.

    python benchmarks/runtimes.py [--nets NAME …] [--threads 1 2] [--seconds 60] [--json]

Each contestant is an artifact that `groupnl export` makes, in a backend of the agent's, in a process of its own; first
it answers its golden pair rightly. They run in turns, in an order that rotates. Ratios are of median latencies to ONNX
Runtime with the standard net at the level full; in brackets the quartiles of the ratio taken round by round. A backend
whose package is not installed is left out, with a note. Batch 1, float32.

The aim is GroupNL on ncnn at 1.05 of its own standard net's time at most; it is printed as met or MISSED, and nothing
here fails on it.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from export_run import Command, Race, race_of
from layers import machine

from device_agent.backend_table import BACKENDS
from device_agent.backends import require_libraries
from device_agent.errors import MissingLibrary
from device_agent.manifest import Format
from exporters.artifact import open_artifact
from exporters.choices import Level
from exporters.options import ExportOptions
from groupnl_deploy.export import export_checkpoint
from groupnl_deploy.models.registry import model_spec
from groupnl_deploy.native.libraries import host_library
from groupnl_deploy.progress import Silence
from groupnl_deploy.remote.bundle import build_bundle
from groupnl_deploy.training.checkpoint import initialise_checkpoint, save_checkpoint

WORKER = Path(__file__).with_name("runtimes_worker.py")
NETS = {
    "MobileNet-V3-L": ("mobilenetv3_large_100", "mobilenetv3_gnl_large_100"),
    "MobileNet-V2": ("mobilenetv2_100", "mobilenetv2_gnl_100"),
    "EfficientNet-Lite0": ("efficientnet_lite0", "efficientnet_gnl_lite0"),
    "EfficientNet-ES": ("efficientnet_es", "efficientnet_gnl_es"),
    "ResNet-50": ("resnet50", "gnl_resnet50"),
}
LIGHT = ("MobileNet-V3-L", "MobileNet-V2", "EfficientNet-Lite0", "EfficientNet-ES")
BASELINE = "standard full, onnxruntime"
AIM = 1.05


@dataclass(frozen=True)
class Made:
    """An artifact that contestants run: which net, at which level, in which format."""

    net: str
    level: Level
    format: Format

    def __str__(self) -> str:
        return f"{self.net} {self.level}"


MADE = (
    Made("standard", "full", "onnx"),
    Made("standard", "full", "ncnn"),
    Made("standard", "full", "torch"),
    Made("GroupNL", "none", "onnx"),
    Made("GroupNL", "full", "onnx"),
    Made("GroupNL", "native", "onnx"),
    Made("GroupNL", "full", "ncnn"),
    Made("GroupNL", "native", "ncnn"),
    Made("GroupNL", "full", "torch"),
)


def installed() -> list[str]:
    """The backends that compute and can run here; a note on standard error for each of the others."""
    found = []
    for name, entry in BACKENDS.items():
        if entry.computes:
            try:
                require_libraries(name)
                found.append(name)
            except MissingLibrary as missing:
                print(f"without {name}: {missing.message} {missing.remedy}", file=sys.stderr)
    return found


def commands(names: tuple[str, str], threads: int, backends: list[str], folder: Path) -> Iterator[tuple[str, Command]]:
    """What runs, by the name of its column; artifacts are made in the folder unless they are there."""
    for made in MADE:
        runs = [name for name in backends if made.format in BACKENDS[name].formats]
        runs = [name for name in runs if made.level != "native" or BACKENDS[name].native]
        if not runs:
            continue
        artifact = folder / str(made).replace(" ", "-") / made.format
        if not artifact.exists():
            exported(names[made.net == "GroupNL"], made, folder, artifact)
        sha256, native = open_artifact(artifact).sha256, libraries(folder.parent)
        begin = agent(folder.parent)  # behind it: the agent holds a record of a library that is there
        for name in runs:
            words = [artifact, sha256, name, threads, native]
            yield f"{made}, {name}", [*begin, sys.executable, str(WORKER), *map(str, words)]


def agent(folder: Path) -> list[str]:
    """What begins a command, so that it has the file that goes to a device, with the records of native libraries."""
    path = folder / "agent.pyz"
    if not path.exists():
        path.write_bytes(build_bundle().data)
    return ["env", f"PYTHONPATH={path}"]


def libraries(folder: Path) -> Path:
    """The native library of this machine, called as a device calls it."""
    library, place = host_library(Silence()), folder / "libraries"
    place.mkdir(exist_ok=True)
    if not (place / library.record.sha256).exists():
        shutil.copy(library.path, place / library.record.sha256)
    return place


def exported(name: str, made: Made, folder: Path, artifact: Path) -> None:
    checkpoint = folder / f"{name}-checkpoint"
    if not checkpoint.exists():
        save_checkpoint(checkpoint, *initialise_checkpoint(model_spec(name)))
    artifact.parent.mkdir(exist_ok=True)
    target = "x86" if made.level == "native" else "generic"
    export_checkpoint(checkpoint, artifact, made.format, ExportOptions(optimize=made.level, target=target))


def ratio(found: Race, name: str, to: str) -> str:
    low, high = found.quartiles(to, name)  # of times, so the other way round
    return f"{found.ms(name) / found.ms(to):.2f} ({low:.2f}-{high:.2f})"


def show(net: str, threads: int, found: Race) -> None:
    print(f"\n{net}, {threads} thread{'s' if threads > 1 else ''}\n")
    print("| contestant | ms | over ONNX Runtime's standard net | session, ms | peak MiB |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name in found.seconds:
        session = 1e3 * statistics.median(found.creations[name])
        print(
            f"| {name} | {found.ms(name):.2f} | {ratio(found, name, BASELINE)} | {session:.0f} | "
            f"{found.rss[name] / 2**20:.0f} |"
        )
    for level in ("full", "native"):
        ours, theirs = f"GroupNL {level}, ncnn", "standard full, ncnn"
        if ours in found.seconds and net in LIGHT:
            kept = "met" if found.ms(ours) / found.ms(theirs) <= AIM else "MISSED"
            print(f"\n{ours}, over its own standard net: {ratio(found, ours, theirs)}, aim {AIM}: {kept}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", nargs="+", choices=NETS, default=list(NETS))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--seconds", type=float, default=60.0, help="for each network and number of threads, about")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    backends, told = installed(), []
    if not asked.json:
        print(machine())
    with tempfile.TemporaryDirectory() as made:
        for net in asked.nets:
            folder = Path(made) / net
            folder.mkdir()
            for threads in asked.threads:
                found = race_of(dict(commands(NETS[net], threads, backends, folder)), asked.seconds, creations=3)
                told.append({"network": net, "threads": threads, "seconds": found.seconds, "rss": found.rss})
                if not asked.json:
                    show(net, threads, found)
    if asked.json:
        print(json.dumps({"machine": machine(), "races": told}))


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin while they wait disturb the others
    main()
