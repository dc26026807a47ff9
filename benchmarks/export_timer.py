"""Times graphs against each other in one process. Any Python with onnxruntime and NumPy runs this.

    python benchmarks/export_timer.py blocked|plain ROUNDS GRAPH.onnx …

Prints the runtime's version and the median microseconds of each graph, as JSON. Times are processor time of one thread,
in turns in an order that changes, on noise.
"""

import json
import sys
from functools import partial

import numpy as np
import onnxruntime
from export_session import session
from turns import median_micros


def main() -> None:
    layout, rounds, *graphs = sys.argv[1:]
    sessions = [session(graph, layout=layout) for graph in graphs]
    size = sessions[0].get_inputs()[0].shape
    feed = {"x": np.random.default_rng(0).standard_normal(size).astype(np.float32)}
    micros = median_micros([partial(one.run, None, feed) for one in sessions], int(rounds))
    print(json.dumps({"runtime": f"onnxruntime {onnxruntime.__version__}", "us": micros}))


if __name__ == "__main__":
    main()
