"""Times graphs against each other in ncnn, as `export_timer.py` does in ONNX Runtime.

python benchmarks/export_timer_ncnn.py ROUNDS GRAPH.onnx …
"""

import json
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import onnx
from turns import Run, median_micros

from device_agent.manifest import TensorInfo
from device_agent.ncnn_net import VERSION, NcnnNet
from exporters.ncnn.convert import converted
from exporters.ncnn.names import PARAM_FILE, WEIGHTS_FILE
from exporters.ncnn.proof import write_ncnn


def main() -> None:
    rounds, *graphs = sys.argv[1:]
    micros = median_micros([inference(onnx.load(graph)) for graph in graphs], int(rounds))
    print(json.dumps({"runtime": f"ncnn {VERSION}", "us": micros}))


def inference(model: onnx.ModelProto) -> Run:
    """One inference of a graph x → y by ncnn, one thread, float32, on noise."""
    (x,) = model.graph.input
    shape = tuple(axis.dim_value for axis in x.type.tensor_type.shape.dim)
    with tempfile.TemporaryDirectory() as name:
        write_ncnn(Path(name), converted(model, [TensorInfo(x.name, shape, "float32")], outputs=1))
        net = NcnnNet(Path(name) / PARAM_FILE, Path(name) / WEIGHTS_FILE, threads=1)
    noise = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    return partial(net.run, net.prepared([noise]))


if __name__ == "__main__":
    main()
