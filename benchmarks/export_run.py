"""Timing graphs against each other: one ONNX Runtime process each, in turns; and the runtime's own operator profile."""

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from export_nets import Contestant

Environment = dict[str, str]
WORKER = Path(__file__).with_name("export_worker.py")
FEWEST_ROUNDS, MOST_ROUNDS = 15, 61
SHORTEST_SAMPLE_S = 20e-3
PROFILED_RUNS = 30
# A heap that keeps what was freed while a graph was loaded moves the resident set by a tenth from run to run.
HEAP_GIVES_BACK = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}


@dataclass(frozen=True)
class Runtime:
    """What the sessions are made with: a Python that has onnxruntime, the layout of maps, a library of operators."""

    python: str = sys.executable
    layout: str = "blocked"
    library: Path | None = None


HERE = Runtime()


Command = Sequence[str]
"""Starts a process that answers as `export_worker.py` says."""


def of_graph(contestant: Contestant, threads: int, clock: str, runtime: Runtime = HERE) -> Command:
    """A session of ONNX Runtime's."""
    inputs = [contestant.path, contestant.inputs, threads, clock, runtime.layout]
    library = [runtime.library] if runtime.library else []
    return [runtime.python, str(WORKER), *map(str, [*inputs, *library])]


class Worker:
    """A process with one session in it."""

    def __init__(self, command: Command, more: Environment | None = None) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | (more or {})
        )
        self.version: str = self._answer()
        self.repeats = max(1, math.ceil(SHORTEST_SAMPLE_S / self.sample(3)))

    def sample(self, count: int | None = None) -> float:
        """Median seconds of one inference, over as many as make a sample."""
        seconds: list[float] = self._ask(str(count or self.repeats))
        return statistics.median(seconds)

    def highest_rss(self) -> int:
        """Bytes, at inference."""
        return int(self._ask("memory"))

    def creation(self) -> float:
        """Seconds that one more session took."""
        return float(self._ask("create"))

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def _ask(self, command: str) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("a worker process ended; its message is above")
        return json.loads(line)


@dataclass(frozen=True)
class Race:
    """Seconds of every contestant in every round, and each one's highest resident set at inference.

    `creations` are seconds of making a session, `version` is the runtime's.
    """

    seconds: dict[str, list[float]]
    rss: dict[str, int]
    creations: dict[str, list[float]]
    version: str

    def ms(self, name: str) -> float:
        """Median latency."""
        return 1e3 * statistics.median(self.seconds[name])

    def faster(self, name: str, than: str) -> float:
        """Speed of `name` over that of `than`, speed being 1 / median latency."""
        return self.ms(than) / self.ms(name)

    def quartiles(self, name: str, than: str) -> tuple[float, float]:
        """Of the same ratio taken in each round alone: how far to trust it."""
        pairs = zip(self.seconds[than], self.seconds[name], strict=True)
        low, _, high = statistics.quantiles([theirs / ours for theirs, ours in pairs], n=4)
        return low, high


def race(
    contestants: dict[str, Contestant],
    threads: int,
    budget_s: float,
    clock: str = "wall",
    runtime: Runtime = HERE,
    creations: int = 0,
) -> Race:
    """Run all of them in turns, in an order that rotates, so that slow spells of the machine fall on all alike.

    Args:
        contestants: what runs.
        threads: of each session.
        budget_s: about how long.
        clock: of `export_worker.CLOCKS`.
        runtime: what the sessions are made with.
        creations: how many more sessions are made and timed, for how long that takes.
    """
    commands = {name: of_graph(one, threads, clock, runtime) for name, one in contestants.items()}
    return race_of(commands, budget_s, creations)


def race_of(commands: Mapping[str, Command], budget_s: float, creations: int = 0) -> Race:
    """`race`, of processes of any kind."""
    names = list(commands)
    with workers(commands) as running:
        seconds: dict[str, list[float]] = {name: [] for name in names}
        one_round = sum(worker.sample() * (worker.repeats + 1) for worker in running.values())
        for turn in range(min(MOST_ROUNDS, max(FEWEST_ROUNDS, int(budget_s / one_round)))):
            shift = turn % len(names)
            for name in names[shift:] + names[:shift]:
                seconds[name].append(running[name].sample())
        made = [{name: worker.creation() for name, worker in running.items()} for _ in range(creations)]
        version = running[names[0]].version
    with workers(commands, HEAP_GIVES_BACK) as running:
        rss = {name: worker.highest_rss() for name, worker in running.items()}
    return Race(seconds, rss, {name: [each[name] for each in made] for name in names}, version)


@contextmanager
def workers(commands: Mapping[str, Command], more: Environment | None = None) -> Iterator[dict[str, Worker]]:
    """One process for each, ended in any case; `more` is added to their environment."""
    with ExitStack() as stack:
        running = {}
        for name, command in commands.items():
            running[name] = Worker(command, more)
            stack.callback(running[name].close)
        yield running


def operator_profiles(contestants: Sequence[Contestant]) -> list[dict[str, tuple[float, int]]]:
    """For each graph: operator → (ms per inference, nodes), as ONNX Runtime runs it, one thread, in turns."""
    with tempfile.TemporaryDirectory() as folder:
        sessions = [_profiled(contestant, Path(folder) / str(index)) for index, contestant in enumerate(contestants)]
        feeds = [np.load(contestant.inputs) for contestant in contestants]
        for _ in range(PROFILED_RUNS):
            for session, images in zip(sessions, feeds, strict=True):
                session.run(None, {session.get_inputs()[0].name: images})
        return [_by_operator(Path(session.end_profiling())) for session in sessions]


def _profiled(contestant: Contestant, prefix: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.enable_profiling, options.profile_file_prefix = True, str(prefix)
    return onnxruntime.InferenceSession(str(contestant.path), options, providers=["CPUExecutionProvider"])


def _by_operator(path: Path) -> dict[str, tuple[float, int]]:
    """Median microseconds of every node, summed by its operator."""
    micros: dict[tuple[str, str], list[float]] = defaultdict(list)
    for event in json.loads(path.read_text()):
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            micros[event["args"]["op_name"], event["name"]].append(event["dur"])
    total: dict[str, tuple[float, int]] = {}
    for (op, _), times in micros.items():
        ms, nodes = total.get(op, (0.0, 0))
        total[op] = ms + statistics.median(times) / 1e3, nodes + 1
    return dict(sorted(total.items(), key=lambda entry: -entry[1][0]))
