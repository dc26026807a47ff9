"""One ONNX Runtime session in a process of its own, which runs when told to. Started by `export_run.Worker`.

    python benchmarks/export_worker.py MODEL.onnx INPUT.npy THREADS wall|cpu blocked|plain [LIBRARY]

Any Python with onnxruntime and NumPy runs it; with a library of native operators the model may have these. It answers
the runtime's version, then commands on standard input, one JSON answer a line on standard output: a number k runs k
inferences, after an untimed one, and answers their seconds; "memory" answers the process's highest resident set since
the session was made, in bytes; "create" makes one more session and answers the seconds that took.
"""

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
from export_session import session

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def main() -> None:
    path, inputs, threads, clock, layout, *library = sys.argv[1:]
    make = partial(session, path, int(threads), layout, Path(library[0]) if library else None)
    one = make()
    feed = {one.get_inputs()[0].name: np.load(inputs)[:1]}
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM begins anew: what loading took is not inference
    one.run(None, feed)
    print(json.dumps(onnxruntime.__version__), flush=True)
    answers: dict[str, Callable[[], object]] = {"memory": highest_rss, "create": partial(created, make, CLOCKS[clock])}
    for line in sys.stdin:
        command = line.strip()
        answer = answers[command]() if command in answers else timed(one, feed, int(command), CLOCKS[clock])
        print(json.dumps(answer), flush=True)


def created(make: Callable[[], object], clock: Callable[[], float]) -> float:
    start = clock()
    make()
    return clock() - start


def timed(
    one: onnxruntime.InferenceSession, feed: dict[str, np.ndarray], count: int, clock: Callable[[], float]
) -> list[float]:
    one.run(None, feed)
    seconds = []
    for _ in range(count):
        start = clock()
        one.run(None, feed)
        seconds.append(clock() - start)
    return seconds


def highest_rss() -> int:
    """VmHWM, which begins anew with the program or when told to; getrusage's is inherited from whoever started it."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))


if __name__ == "__main__":
    main()
