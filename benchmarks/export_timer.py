"""Times graphs against each other in one process. Any Python with onnxruntime and NumPy runs this.

    python benchmarks/export_timer.py blocked|plain ROUNDS GRAPH.onnx …

Prints the runtime's version and the median microseconds of each graph, as JSON. Times are processor time of one thread,
in turns in an order that changes, on noise.
"""

import json
import math
import random
import statistics
import sys
import time
from collections.abc import Sequence

import numpy as np
import onnxruntime
from export_session import session

SAMPLE_S = 2e-3


def main() -> None:
    layout, rounds, *graphs = sys.argv[1:]
    micros = timed([session(graph, layout=layout) for graph in graphs], int(rounds))
    print(json.dumps({"runtime": onnxruntime.__version__, "us": micros}))


def timed(sessions: Sequence[onnxruntime.InferenceSession], rounds: int) -> list[float]:
    """Median microseconds of each, in turns."""
    size = sessions[0].get_inputs()[0].shape
    feed = {"x": np.random.default_rng(0).standard_normal(size).astype(np.float32)}
    repeats = [max(1, math.ceil(SAMPLE_S / sample(one, feed, 3))) for one in sessions]
    seconds: list[list[float]] = [[] for _ in sessions]
    order = random.Random(0)
    for _ in range(rounds):
        for index in order.sample(range(len(sessions)), len(sessions)):
            seconds[index].append(sample(sessions[index], feed, repeats[index]))
    return [1e6 * statistics.median(times) for times in seconds]


def sample(one: onnxruntime.InferenceSession, feed: dict[str, np.ndarray], repeats: int) -> float:
    one.run(None, feed)
    start = time.process_time()
    for _ in range(repeats):
        one.run(None, feed)
    return (time.process_time() - start) / repeats


if __name__ == "__main__":
    main()
