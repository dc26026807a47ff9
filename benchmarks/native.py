"""What native operators gain, on standard networks and on GroupNL's: four columns, and what `full` makes of both.

    python benchmarks/native.py [--nets …] [--threads 1 2] [--semantics released paper] [--quick] [--json FILE]
    python benchmarks/native.py --layout plain --python PATH

Of each network six graphs run, each in a process of its own, in turns: the network with standard convolutions and with
GroupNL, both as exported (level none), at level full and at level native. Ratios are speeds, of medians; in brackets
the quartiles of the ratio taken round by round. `--clock cpu` takes processor time, on a machine on which others
compute as well. Graphs with equal bytes run once.

`--layout plain` switches the runtime's layout in blocks off and exports for rpi4: a Raspberry Pi by proxy, with other
vectors. `--python` is the interpreter of another ONNX Runtime, which needs no more than it and NumPy. Every graph is
proved as an export is, in this Python's runtime. The library is this machine's; GROUPNL_NATIVE_ISA=avx2 holds it to
AVX2, in the plain layout alone where the runtime has blocks for AVX-512.

Floors and aims, for one thread, are printed as met or MISSED at the end; nothing here fails on them.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import get_args

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: spinning threads disturb whatever is timed

import onnx
from export import MEMORY_NOISE, MIB, Ratio, machine, verdict
from export_nets import Contestant, Subject, network, raw_graph, specs, stored
from export_run import Race, Runtime, race
from export_session import LAYOUTS
from export_worker import CLOCKS

from device_agent.machine import KERNELS, this_machine, with_block
from device_agent.manifest import NativeOperators, Parity
from device_agent.native_choice import CannotRunNative, choose
from exporters.choices import Level
from exporters.model_files import Variant, variants
from exporters.native.nodes import native_operators
from exporters.native.operators import DOMAIN, VERSION
from exporters.native.this_runtime import runtimes_block
from exporters.optimize import Optimized, optimize
from exporters.parity import prove_onnx
from exporters.targets import TARGETS
from exporters.targets.base import Target
from groupnl_deploy.models.spec import Semantics
from groupnl_deploy.native.libraries import LibraryFile, host_library
from groupnl_deploy.native.session import registration
from groupnl_deploy.progress import Silence

NETS = {
    "mobilenetv3_gnl_large_100": "MobileNet-V3-L",
    "mobilenetv2_gnl_100": "MobileNet-V2",
    "efficientnet_gnl_lite0": "EfficientNet-Lite0",
    "efficientnet_gnl_es": "EfficientNet-ES",
    "gnl_resnet50": "ResNet-50, dense",
    "resnet50": "ResNet-50, sparse",
    "gnl_resnet101": "ResNet-101, dense",
    "resnet101": "ResNet-101, sparse",
}
LIGHT = tuple(NETS)[:4]
# GroupNL native / standard full: (floor, aim) of the light networks in their order.
FLOORS = {
    "blocked": ((1.00, 1.05), (1.00, 1.05), (1.00, 1.05), (1.00, 1.02)),
    "plain 1.15": ((1.5, 1.65), (1.4, 1.5), (1.7, 1.8), (1.3, 1.4)),
}
OWN_SHARE = 0.97  # GroupNL native / standard native
LONGEST_CREATION = 1.2  # native over full
NOISE = 0.98  # of a ratio between runs
TARGET = {"blocked": "x86", "plain": "rpi4"}
LEVELS: tuple[Level, ...] = ("none", "full", "native")
CREATIONS = 5


@dataclass(frozen=True)
class Where:
    """What the graphs are made for and run with."""

    target: Target
    runtime: Runtime
    version: str
    library: LibraryFile

    @property
    def plain_release(self) -> str:
        """The key of `FLOORS`."""
        release = ".".join(self.version.split(".")[:2])
        return self.runtime.layout if self.runtime.layout == "blocked" else f"plain {release}"


@dataclass(frozen=True)
class Row:
    """One network with one semantics at one number of threads."""

    net: str
    semantics: Semantics
    threads: int
    graphs: dict[str, Contestant]
    result: Race

    def ratio(self, name: str, than: str) -> Ratio:
        """Speed of one over that of another; exactly 1 for equal graphs."""
        return Ratio(self.result.faster(name, than), *self.result.quartiles(name, than))


def rows(arguments: argparse.Namespace, where: Where, folder: Path) -> Iterator[Row]:
    """All networks, as they come."""
    for semantics in arguments.semantics:
        for net in arguments.nets:
            made = graphs_of(net, semantics, where)
            for threads in arguments.threads:
                here = folder / f"{net}-{semantics}-{threads}"
                graphs = {graph.name: graph.contestant(where, threads, here / graph.name) for graph in made}
                yield Row(net, semantics, threads, graphs, raced(graphs, threads, arguments, where.runtime))


def raced(graphs: dict[str, Contestant], threads: int, arguments: argparse.Namespace, runtime: Runtime) -> Race:
    """Of graphs with equal bytes one runs, and the others get its times."""
    bytes_of = {name: graph.path.read_bytes() for name, graph in graphs.items()}
    first = {name: next(other for other in graphs if bytes_of[other] == bytes_of[name]) for name in graphs}
    apart = {name: graphs[name] for name in dict.fromkeys(first.values())}
    result = race(apart, threads, arguments.seconds, arguments.clock, runtime, CREATIONS)
    spread = {
        field: {name: getattr(result, field)[first[name]] for name in graphs}
        for field in ("seconds", "rss", "creations")
    }
    return replace(result, **spread)


@dataclass(frozen=True)
class Graph:
    """A network's graph at one level, in every form that an export of it has."""

    name: str
    level: Level
    of: Subject
    best: Optimized
    forms: tuple[Variant, ...]

    def contestant(self, where: Where, threads: int, folder: Path) -> Contestant:
        """The form for this runtime and so many threads, proved."""
        model = self._form(where, threads)
        parity = prove_onnx(self.of.reference, model, registration(self.level, Silence()))
        return stored(model, self.of.inputs, folder, parity.max_abs_error / self.of.reference.main.spread)

    def _form(self, where: Where, threads: int) -> onnx.ModelProto:
        if not self.forms:
            return self.best.model
        about = tuple(form.about for form in self.forms)
        native = NativeOperators(DOMAIN, VERSION, native_operators(self.best.model), about)
        here = with_block(this_machine(), runtimes_block(), os.environ.get(KERNELS))
        chosen = choose(native, [where.library.record], here, where.version, threads).model
        return next(form.best.model for form in self.forms if form.about == chosen)


def graphs_of(net: str, semantics: Semantics, where: Where) -> list[Graph]:
    """Those named "standard none" to "GroupNL native"."""
    groupnl, standard = specs(net, semantics)
    graphs = []
    for kind, spec in (("standard", standard), ("GroupNL", groupnl)):
        of = network(spec)
        raw = raw_graph(of)
        for level in LEVELS:
            best = optimize(raw, trust, level, where.target)
            forms = variants(best, where.target, trust) if native_operators(best.model) else ()
            graphs.append(Graph(f"{kind} {level}", level, of, best, forms))
    return graphs


def trust(model: onnx.ModelProto) -> Parity:
    """A graph is proved once, as it will run."""
    return Parity(1, 0.0, 0.0, 1.0, 1.0, same_top1=True)


def show(row: Row) -> None:
    """Times, the ratios of the table, and memory."""
    times = "  ".join(f"{name} {row.result.ms(name):.2f}" for name in row.graphs)
    print(f"{NETS[row.net]}, {row.semantics}, {row.threads} thr, {rounds_of(row)} rounds\n  ms       {times}")
    for name, than in RATIOS:
        print(f"  {name} / {than}: {row.ratio(name, than)}")
    peaks = "  ".join(f"{name} {row.result.rss[name] / MIB:.0f}" for name in row.graphs)
    made = "  ".join(f"{name} {1e3 * creation(row, name):.0f}" for name in row.graphs)
    errors = "  ".join(f"{name} {graph.error:.1e}" for name, graph in row.graphs.items())
    print(f"  peak MiB {peaks}\n  ms to make a session {made}\n  max|Δ|/std {errors}", flush=True)


RATIOS = (
    ("standard native", "standard none"),
    ("GroupNL none", "standard none"),
    ("GroupNL native", "standard none"),
    ("GroupNL full", "standard full"),
    ("GroupNL native", "standard full"),
    ("GroupNL native", "standard native"),
)


def rounds_of(row: Row) -> int:
    return len(row.result.seconds["GroupNL native"])


def creation(row: Row, name: str) -> float:
    """Median seconds."""
    return statistics.median(row.result.creations[name])


def table(results: list[Row]) -> Iterator[str]:
    """The four columns and the references of the floors, a line of Markdown a network; speed of standard none is 1.

    The last two: GroupNL native / standard full, and GroupNL native / standard native.
    """
    columns = ("standard none", "standard native", "GroupNL none", "GroupNL native", "standard full", "GroupNL full")
    yield f"| network | semantics | threads | {' | '.join(columns)} | native / full | native / native |"
    yield "| --- " * (5 + len(columns)) + "|"
    for row in results:
        speeds = " | ".join(f"{row.result.faster(name, columns[0]):.2f}" for name in columns)
        own = " | ".join(str(row.ratio("GroupNL native", than)) for than in ("standard full", "standard native"))
        yield f"| {NETS[row.net]} | {row.semantics} | {row.threads} | {speeds} | {own} |"


def verdicts(results: list[Row], where: Where) -> Iterator[str]:
    """Floors and aims at one thread."""
    for row in (row for row in results if row.threads == 1):
        what = f"{NETS[row.net]}, {row.semantics}"
        if row.net in LIGHT:
            yield from light_verdicts(row, what, where)
        else:
            today = row.ratio("GroupNL native", "GroupNL full")
            yield verdict(today.value >= NOISE, f"{what}: GroupNL native at least as fast as full: {today}")
        full, native = (row.result.rss[f"GroupNL {level}"] for level in ("full", "native"))
        yield verdict(
            native <= MEMORY_NOISE * full,
            f"{what}: peak memory at most full's: {native / MIB:.0f}, {full / MIB:.0f} MiB",
        )
        longer = creation(row, "GroupNL native") / creation(row, "GroupNL full")
        yield verdict(
            longer <= LONGEST_CREATION, f"{what}: a session made in {LONGEST_CREATION} of full's: {longer:.2f}"
        )


def light_verdicts(row: Row, what: str, where: Where) -> Iterator[str]:
    against = row.ratio("GroupNL native", "standard full")
    if where.plain_release in FLOORS:
        for word, limit in zip(("floor", "aim"), FLOORS[where.plain_release][LIGHT.index(row.net)], strict=True):
            yield verdict(against.value >= limit, f"{what}: GroupNL native / standard full, {word} {limit}: {against}")
    share = row.ratio("GroupNL native", "standard native")
    yield verdict(share.value >= OWN_SHARE, f"{what}: GroupNL native / standard native, floor {OWN_SHARE}: {share}")


def as_json(results: list[Row], where: Where) -> str:
    """All that was measured."""
    of = [
        {
            "net": NETS[row.net],
            "semantics": row.semantics,
            "threads": row.threads,
            "ratios": {f"{name} / {than}": asdict(row.ratio(name, than)) for name, than in RATIOS},
            "max_abs_error": {name: graph.error for name, graph in row.graphs.items()},
            **{field: getattr(row.result, field) for field in ("seconds", "rss", "creations")},
        }
        for row in results
    ]
    about = {
        "machine": machine(),
        "runtime": where.version,
        "layout": where.runtime.layout,
        "target": where.target.name,
    }
    return json.dumps(about | {"rows": of}, indent=1)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What native operators gain.")
    parser.add_argument("--nets", nargs="+", choices=NETS, default=None, help="default: the four light ones")
    parser.add_argument("--threads", type=int, nargs="+", default=[1], help="thread counts (default 1)")
    parser.add_argument("--semantics", nargs="+", choices=get_args(Semantics), default=["released"], help="of GroupNL")
    parser.add_argument("--layout", choices=LAYOUTS, default="blocked", help="plain: without the layout in blocks")
    parser.add_argument("--python", default=sys.executable, help="whose ONNX Runtime runs the graphs")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu: processor time, of one thread alone")
    parser.add_argument("--quick", action="store_true", help="one network and few rounds, under a minute")
    parser.add_argument("--json", type=Path, help="write all times there")
    arguments = parser.parse_args()
    if arguments.clock == "cpu" and arguments.threads != [1]:
        parser.error("processor time is a latency with one thread alone: leave --threads out")
    arguments.nets = (LIGHT[:1] if arguments.quick else LIGHT) if arguments.nets is None else arguments.nets
    arguments.seconds = 4.0 if arguments.quick else 12.0
    return arguments


def version_of(python: str) -> str:
    """Of its ONNX Runtime. Ends with a sentence where it has none."""
    command = [python, "-c", "import numpy, onnxruntime; print(onnxruntime.__version__)"]
    try:
        found = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        found = ""
    return found or sys.exit(
        f"{python} is no Python with onnxruntime and numpy. Make one: python -m venv V; V/bin/pip install …"
    )


def main() -> None:
    arguments = parsed()
    version, library = version_of(arguments.python), host_library(Silence())
    runtime = Runtime(arguments.python, arguments.layout, library.path)
    where = Where(TARGETS[TARGET[arguments.layout]], runtime, version, library)
    print(f"{machine()}; graphs run in ONNX Runtime {version}, {arguments.layout} layout, {arguments.clock} time\n")
    results = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            for row in rows(arguments, where, Path(folder)):
                show(row)
                results.append(row)
        except CannotRunNative as error:
            sys.exit(f"{error.message} Ask for --layout plain, which every listed runtime runs.")
    print("", *table(results), "", *verdicts(results, where), sep="\n")
    if arguments.json:
        arguments.json.write_text(as_json(results, where))


if __name__ == "__main__":
    main()
