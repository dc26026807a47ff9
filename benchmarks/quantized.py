"""How far quantized graphs' answers differ between processors: what the allowance of `exporters.tolerances` rests on.

    python benchmarks/quantized.py CHECKPOINT
    python benchmarks/quantized.py CHECKPOINT --other 'qemu-x86_64-static -cpu Haswell .venv/bin/python'

A checkpoint of digits is exported as it is and quantized in four ways by ONNX Runtime's own tool, with 200 training
images to calibrate. Each graph answers to 64 test images: here without any optimisation of the runtime's (it rounds to
steps as the graph says, between sums in float32), here with them (sums of whole numbers), and by each --other Python,
which needs numpy and onnxruntime. Printed is how far each is from the first, of the answers' spread: the mean |Δ| of
all numbers, the mean |Δ| of the worst image, the largest |Δ|, and how many images have another top-1.
"""

import argparse
import shlex
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from exporters.options import ExportOptions
from exporters.tolerances import quantized_allowance
from groupnl_deploy.export import export_checkpoint
from groupnl_deploy.images.dataset import LabelledImages
from groupnl_deploy.images.datasets import load_dataset
from groupnl_deploy.images.source import DataSource

CALIBRATION, IMAGES = 200, 64
SCHEMES = {  # activations, weights, a scale for each channel
    "u8s8": (QuantType.QUInt8, QuantType.QInt8, False),
    "u8s8 per channel": (QuantType.QUInt8, QuantType.QInt8, True),
    "s8s8 per channel": (QuantType.QInt8, QuantType.QInt8, True),
    "u8u8": (QuantType.QUInt8, QuantType.QUInt8, False),
}
# Run by other interpreters as well, so it needs no more than they have.
RUN = """
import sys, numpy as np, onnxruntime as ort
model, images, out, level = sys.argv[1:]
options = ort.SessionOptions()
options.intra_op_num_threads = 1
options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, level)
session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
name = session.get_inputs()[0].name
np.save(out, np.concatenate([session.run(None, {name: image[None]})[0] for image in np.load(images)]))
"""
PLAIN, FAST = "ORT_DISABLE_ALL", "ORT_ENABLE_ALL"


class Images(CalibrationDataReader):
    """Preprocessed images, one after the other."""

    def __init__(self, images: np.ndarray) -> None:
        self._feeds = iter([{"input": image[None]} for image in images])

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next one; None behind the last."""
        return next(self._feeds, None)


def main() -> None:
    """Quantize, run everywhere, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--other", action="append", default=[], help="A Python that computes otherwise, as a command.")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, test, calibration = prepare(asked.checkpoint, folder)
        np.save(folder / "images.npy", test)
        print(f"{'':18} {'computed by':24} {'mean':>8} {'worst':>8} {'largest':>8} {'top-1':>6}")
        for scheme, (activations, weights, per_channel) in SCHEMES.items():
            quantize_static(
                str(model),
                str(folder / "quantized.onnx"),
                Images(calibration),
                quant_format=QuantFormat.QDQ,
                activation_type=activations,
                weight_type=weights,
                per_channel=per_channel,
            )
            report(scheme, folder, asked.other)


def prepare(checkpoint: Path, folder: Path) -> tuple[Path, np.ndarray, np.ndarray]:
    """The graph to be quantized, and preprocessed images to try and to calibrate it with."""
    artifact = export_checkpoint(checkpoint, folder / "artifact", "onnx", ExportOptions("none"))
    quant_pre_process(str(artifact.path("model")), str(folder / "model.onnx"), skip_symbolic_shape=True)
    data = load_dataset(DataSource("digits"))
    mean, std = (np.array(values, np.float32).reshape(-1, 1, 1) for values in data.statistics)

    def some(part: LabelledImages, count: int) -> np.ndarray:
        return ((np.stack([part[index] for index in range(count)]).astype(np.float32) / 255 - mean) / std).astype("f4")

    return folder / "model.onnx", some(data.test, IMAGES), some(data.train, CALIBRATION)


def report(scheme: str, folder: Path, others: list[str]) -> None:
    """A line for each way to compute it, and what a device may be off by."""
    right = answers("python", folder, PLAIN)
    spread = float(right.std())
    for command in ("python", *others):
        found = answers(command, folder, FAST)
        off, worst = np.abs(found - right) / spread, float(np.abs(found - right).mean(axis=1).max())
        changed = int((found.argmax(axis=1) != right.argmax(axis=1)).sum())
        name = "this machine" if command == "python" else command[-24:]
        print(f"{scheme:18} {name:24} {off.mean():8.4f} {worst / spread:8.4f} {off.max():8.3f} {changed:6}")
        if command == "python":
            allowed = quantized_allowance(spread, worst) / spread
    print(f"{'':18} {'allowed on a device':24} {'':8} {allowed:8.4f}\n")


def answers(command: str, folder: Path, level: str) -> np.ndarray:
    """(N, classes) logits."""
    import sys

    python = [sys.executable] if command == "python" else shlex.split(command)
    files = [str(folder / name) for name in ("quantized.onnx", "images.npy", "answers.npy")]
    (folder / "run.py").write_text(RUN)
    subprocess.run([*python, str(folder / "run.py"), *files, level], check=True, stderr=subprocess.DEVNULL)
    found: np.ndarray = np.load(folder / "answers.npy")
    return found


if __name__ == "__main__":
    main()
