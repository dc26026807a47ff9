"""One ONNX Runtime session in a process of its own, which runs when told to. Started by `export_run.Worker`.

    python benchmarks/export_worker.py MODEL.onnx INPUT.npy THREADS wall|cpu

Commands on standard input, one JSON answer a line on standard output: a number k runs k inferences, after an untimed
one, and answers their seconds; "memory" answers the process's highest resident set since the session was made, in
bytes.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def main() -> None:
    path, inputs, threads, clock = sys.argv[1:]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(threads)
    # Threads that spin while they wait would slow the other contestants.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: np.load(inputs)[:1]}
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM begins anew: what loading took is not inference
    session.run(None, feed)
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        command = line.strip()
        answer = highest_rss() if command == "memory" else timed(session, feed, int(command), CLOCKS[clock])
        print(json.dumps(answer), flush=True)


def timed(
    session: onnxruntime.InferenceSession, feed: dict[str, np.ndarray], count: int, clock: Callable[[], float]
) -> list[float]:
    session.run(None, feed)
    seconds = []
    for _ in range(count):
        start = clock()
        session.run(None, feed)
        seconds.append(clock() - start)
    return seconds


def highest_rss() -> int:
    """VmHWM, which begins anew with the program or when told to; getrusage's is inherited from whoever started it."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))


if __name__ == "__main__":
    main()
