"""Speed, size and memory of exported networks: what the graph compiler gains, as ratios within one run.

    python benchmarks/export.py [--nets …] [--threads 1 2] [--semantics released] [--quick] [--dynamo]
    python benchmarks/export.py --profile NET        operators of the graphs as ONNX Runtime runs them
    python benchmarks/export.py --write-costs TARGET [--python PATH]
                                                     measure the forms that the compiler chooses between, with the ONNX
                                                     Runtime of another Python, which needs no more than it and NumPy
    python benchmarks/export.py --write-costs ncnn   the same with ncnn

Each contestant runs in a process of its own, in turns, in an order that rotates: "none" as torch's TorchScript
exporter leaves it, "onnxsim" (level standard), "onnxslim" where it is installed, "full", and the same network with
standard convolutions at level full. Batch 1, the network's own input size. Speed is 1 / median latency; in brackets
the quartiles of the ratio taken round by round, which say how quiet the machine was. On a machine on which others
compute as well, `--threads 1 --clock cpu` takes the processor time of the contestant's process for its latency, which
with one thread is the same but for the time that it spends waiting for a core.

Floors, for one thread, are printed as met or MISSED at the end; nothing here fails on them.
"""

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: spinning threads disturb whatever is timed

import onnxruntime
import torch
from export_costs import write_costs
from export_nets import Contestant, Subject, contestants, dynamo_line, forms, network, table16
from export_run import Race, operator_profiles, race
from export_worker import CLOCKS

from exporters.targets import DEFAULT_TARGET, TARGETS
from exporters.targets.ncnn import for_ncnn
from groupnl_deploy.models.registry import model_spec
from groupnl_deploy.models.spec import Semantics

COST_TABLES = TARGETS | {"ncnn": for_ncnn(TARGETS[DEFAULT_TARGET])}
NETS = (
    "mobilenetv3_gnl_large_100",
    "mobilenetv2_gnl_100",
    "efficientnet_gnl_lite0",
    "efficientnet_gnl_es",
    "gnl_resnet50",
    "gnl_resnet101",
)
# (full / none, full / the best of onnxsim and onnxslim, GroupNL full / standard net full)
FLOORS = {
    "mobilenetv3_gnl_large_100": (1.9, 1.8, 0.60),
    "mobilenetv2_gnl_100": (1.9, 1.8, 0.55),
    "efficientnet_gnl_lite0": (1.9, 1.8, 0.55),
    "efficientnet_gnl_es": (1.75, 1.7, 0.82),
    "gnl_resnet50": (1.1, 1.05, 1.4),
    "gnl_resnet101": (1.1, 1.05, 1.6),
}
OTHERS = ("onnxsim", "onnxslim")
STANDARD = "standard net"
MOST_EXPORT_SECONDS, MOST_EXPORT_GIB = 60, 2
MIB, GIB = 2**20, 2**30
# Of a resident set; the same file loaded twice differs by as much.
MEMORY_NOISE = 1.02


@dataclass(frozen=True)
class Ratio:
    """A speed over another, and the quartiles of the same taken in each round."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f}-{self.high:.2f})"


@dataclass(frozen=True)
class Row:
    """One network at one number of threads."""

    net: str
    threads: int
    graphs: dict[str, Contestant]
    result: Race

    def over(self, than: str) -> Ratio:
        """Speed of full over that of another contestant."""
        return Ratio(self.result.faster("full", than), *self.result.quartiles("full", than))

    @property
    def best_other(self) -> str:
        """The general optimiser whose graph is fastest."""
        return min((name for name in OTHERS if name in self.graphs), key=self.result.ms)


def rows(arguments: argparse.Namespace, folder: Path) -> Iterator[Row]:
    """All networks, as they come."""
    for net in arguments.nets:
        graphs = contestants(net, arguments.semantics, folder / net)
        for threads in arguments.threads:
            yield Row(net, threads, graphs, race(graphs, threads, arguments.seconds, arguments.clock))


def tile_subjects() -> Iterator[tuple[str, Subject]]:
    """Where tiles are copies of maps and not identities: the layers of Table 16, and a network at r = 4 and 8."""
    for sparse in (False, True):
        for ratio in (2, 4, 8):
            yield f"Table 16, r = {ratio}, {'sparse' if sparse else 'dense'}", table16(ratio, sparse)
    for ratio in (4, 8):
        spec = model_spec("resnet18_cifar", "groupnl", knobs={"ratio": ratio})
        yield f"resnet18_cifar, r = {ratio}", network(spec)


def tile_rows(arguments: argparse.Namespace, folder: Path) -> Iterator[Row]:
    for index, (name, of) in enumerate(tile_subjects()):
        made = forms(of, folder / f"tiles{index}")
        graphs = {level: made[level] for level in ("none", "full")}
        yield Row(name, 1, graphs, race(graphs, 1, arguments.seconds / 2, arguments.clock))


def show_net(row: Row) -> None:
    """Three lines: times and ratios; then graphs; then memory."""
    times = "  ".join(f"{name} {row.result.ms(name):.2f}" for name in row.graphs)
    print(f"{row.net}, {row.threads} thr, {len(row.result.seconds['full'])} rounds\n  ms          {times}")
    print(
        f"  full over   none {row.over('none')}  {row.best_other} {row.over(row.best_other)}  "
        f"standard net {row.over(STANDARD)}; none over standard net {row.result.faster('none', STANDARD):.2f}"
    )
    print(f"  nodes       {listed(row, lambda graph: str(graph.nodes))}")
    print(f"  MiB         {listed(row, lambda graph: f'{graph.bytes / MIB:.1f}')}")
    print(f"  max|Δ|/std  {listed(row, lambda graph: f'{graph.error:.1e}')}")
    rss = "  ".join(f"{name} {row.result.rss[name] / MIB:.0f}" for name in ("none", "full", STANDARD))
    print(f"  peak RSS    {rss} MiB at inference", flush=True)


def listed(row: Row, say: Callable[[Contestant], str]) -> str:
    return "  ".join(f"{name} {say(graph)}" for name, graph in row.graphs.items())


def show_tiles(row: Row) -> None:
    before, after = (row.graphs[name].ops.get("Tile", 0) for name in ("none", "full"))
    print(
        f"{row.net:<28} Tile {before:>3} → {after}  {row.result.ms('none'):8.3f} → {row.result.ms('full'):8.3f} ms  "
        f"full over none {row.over('none')}  max|Δ|/std {row.graphs['full'].error:.1e}",
        flush=True,
    )


def show_profile(net: str, semantics: Semantics) -> None:
    """Milliseconds and nodes of every operator: the standard net, GroupNL at none, GroupNL at full."""
    with tempfile.TemporaryDirectory() as folder:
        graphs = contestants(net, semantics, Path(folder))
        names = (STANDARD, "none", "full")
        profiles = operator_profiles([graphs[name] for name in names])
    print(f"{net}, 1 thread, ms per inference and nodes\n{'':<22}" + "".join(f"{name:>18}" for name in names))
    most = {op: max(p.get(op, (0.0, 0))[0] for p in profiles) for profile in profiles for op in profile}
    for op in sorted(most, key=lambda op: -most[op]):
        cells = (profile.get(op) for profile in profiles)
        print(f"{op:<22}" + "".join(f"{'' if cell is None else f'{cell[0]:.2f}  {cell[1]:>4}':>18}" for cell in cells))
    totals = (sum(ms for ms, _ in profile.values()) for profile in profiles)
    print(f"{'sum':<22}" + "".join(f"{f'{total:.2f}      ':>18}" for total in totals))


def verdicts(table: Sequence[Row]) -> Iterator[str]:
    """One line for each floor of each network, at one thread."""
    for row in table:
        if row.threads != 1:
            continue
        if row.net in FLOORS:
            others = ("none", row.best_other, STANDARD)
            for than, floor in zip(others, FLOORS[row.net], strict=True):
                ratio = row.over(than)
                yield verdict(ratio.value >= floor, f"{row.net}: full over {than} at least {floor}: {ratio}")
        less = row.result.rss["full"] <= MEMORY_NOISE * row.result.rss["none"]
        peaks = " against ".join(f"{row.result.rss[name] / MIB:.0f}" for name in ("full", "none"))
        yield verdict(less, f"{row.net}: peak memory at inference, full not above none: {peaks} MiB")


def tile_verdicts(table: Sequence[Row]) -> Iterator[str]:
    for row in table:
        tiles, ratio = row.graphs["full"].ops.get("Tile", 0), row.over("none")
        yield verdict(tiles == 0 and ratio.value > 1, f"{row.net}: no Tile, faster than none: {tiles}, {ratio}")


def export_verdict(net: str) -> str:
    """Export in a fresh process: network, trace, every pass with its proof."""
    script = Path(__file__).with_name("export_nets.py")
    took = json.loads(subprocess.run([sys.executable, script, net], check=True, capture_output=True).stdout)
    seconds, gib = took["seconds"], took["bytes"] / GIB
    return verdict(
        seconds < MOST_EXPORT_SECONDS and gib < MOST_EXPORT_GIB,
        f"export of {net} under {MOST_EXPORT_SECONDS} s and {MOST_EXPORT_GIB} GiB: {seconds:.0f} s, {gib:.2f} GiB",
    )


def verdict(met: bool, text: str) -> str:
    return f"{'met   ' if met else 'MISSED'}  {text}"


def machine() -> str:
    """What was measured on, without its name."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = models[0] if models else platform.processor() or platform.machine()
    return (
        f"{name}, {os.cpu_count()} cores, {platform.system()}; ONNX Runtime {onnxruntime.__version__}, "
        f"torch {torch.__version__}"
    )


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Speed, size and memory of exported networks.")
    parser.add_argument("--nets", nargs="*", default=None, help="networks or aliases (default: the six of the table)")
    parser.add_argument("--threads", type=int, nargs="+", default=None, help="thread counts (default 1 2; quick: 1)")
    parser.add_argument("--semantics", choices=get_args(Semantics), default="released", help="of GroupNL")
    parser.add_argument("--quick", action="store_true", help="one network and few rounds, under two minutes")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu: processor time, see above")
    parser.add_argument("--dynamo", action="store_true", help="say what torch's dynamo exporter makes of each network")
    parser.add_argument("--profile", metavar="NET", help="print the operator profile of one network, and nothing else")
    parser.add_argument("--write-costs", choices=COST_TABLES, help="measure a cost table, and nothing else")
    parser.add_argument("--python", default=sys.executable, help="whose ONNX Runtime a cost table is measured with")
    arguments = parser.parse_args()
    if arguments.clock == "cpu" and arguments.threads != [1]:
        parser.error("processor time is a latency with one thread alone: add --threads 1")
    arguments.nets = (NETS[:1] if arguments.quick else NETS) if arguments.nets is None else arguments.nets
    arguments.threads = arguments.threads or ([1] if arguments.quick else [1, 2])
    arguments.seconds = 6.0 if arguments.quick else 20.0
    return arguments


def main() -> None:
    arguments = parsed()
    print(machine())
    if arguments.write_costs:
        name = arguments.write_costs
        print(write_costs(name, COST_TABLES[name], machine().partition(";")[0], arguments.python))
    elif arguments.profile:
        show_profile(arguments.profile, arguments.semantics)
    else:
        print_tables(arguments)


def print_tables(arguments: argparse.Namespace) -> None:
    if importlib.util.find_spec("onnxslim") is None:
        print("onnxslim is not installed and left out: pip install --no-deps --target DIR onnxslim, PYTHONPATH=DIR")
    with tempfile.TemporaryDirectory() as folder:
        print(f"\n== networks ({arguments.semantics} semantics)")
        networks = [shown(row, show_net) for row in rows(arguments, Path(folder))]
        if arguments.dynamo:
            print("\n== torch's dynamo exporter")
            for net in arguments.nets:
                print(f"{net}: {dynamo_line(net, arguments.semantics, Path(folder))}", flush=True)
        print("\n== where tiles are copies (1 thread)")
        tiles = [shown(row, show_tiles) for row in tile_rows(arguments, Path(folder))]
    print("", *verdicts(networks), *tile_verdicts(tiles), sep="\n")
    if not arguments.quick:
        print(export_verdict("gnl_resnet101"))


def shown(row: Row, show: Callable[[Row], None]) -> Row:
    show(row)
    return row


if __name__ == "__main__":
    main()
