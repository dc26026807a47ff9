"""How fast a training on images in files is, by threads that compute and processes that read.

    python benchmarks/training.py [--model mobilenetv3_large_100] [--side 224] [--steps 12]

The images are JPEGs of 500x375 cut from scikit-learn's two photographs. Every setting runs three times in turn; the
fastest is shown, as others use the machine, too. What must hold is printed last: equal threads, equal bits.
"""

import argparse
import hashlib
import itertools
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

from groupnl_deploy.images.datasets import load_dataset
from groupnl_deploy.images.source import DataSource
from groupnl_deploy.models.registry import model_spec
from groupnl_deploy.training.loop import train
from groupnl_deploy.training.recipes import RECIPES

BATCH, TURNS = 32, 3


def main() -> None:
    """Print images a second for each setting."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mobilenetv3_large_100")
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--steps", type=int, default=12)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder), BATCH * arguments.steps)
        data = load_dataset(DataSource("folder", folder, (3, arguments.side, arguments.side)))
        spec = model_spec(arguments.model, "standard", num_classes=2, input_shape=data.input_shape)
        best: dict[tuple[int, int], float] = {}
        bits: dict[int, set[str]] = {}
        settings = list(itertools.product((1, 2), (0, 1, 2)))
        for (threads, workers), _ in itertools.product(settings, range(TURNS)):
            speed, digest = _run(spec, data, threads, workers)
            best[threads, workers] = max(best.get((threads, workers), 0), speed)
            bits.setdefault(threads, set()).add(digest)
    for (threads, workers), speed in best.items():
        print(f"{threads} threads, {workers} processes that read: {speed:6.1f} images/s")
    for threads, digests in bits.items():
        print(f"{threads} threads: {'the same bits' if len(digests) == 1 else 'OTHER BITS'} whoever read")


def _write(folder: Path, count: int) -> None:
    random = np.random.default_rng(0)
    for name, photo in zip(("china", "flower"), load_sample_images().images, strict=True):
        (folder / "train" / name).mkdir(parents=True)
        (folder / "val" / name).mkdir(parents=True)
        for index in range(count // 2 + 1):
            top, left = (int(random.integers(limit)) for limit in (427 - 375 + 1, 640 - 500 + 1))
            part = "val" if index == 0 else "train"
            image = Image.fromarray(photo[top : top + 375, left : left + 500])
            image.save(folder / part / name / f"{index}.jpg", quality=90)


def _run(spec, data, threads, workers):
    recipe = replace(RECIPES["images"], epochs=1, batch_size=BATCH, warmup_epochs=0, threads=threads)
    begun: list[float] = []
    result = train(spec, recipe, data, lambda progress: begun.append(time.perf_counter()), workers=workers)
    digest = hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in result.state.tensors.values())).hexdigest()
    return BATCH * (len(begun) - 2) / (begun[-2] - begun[0]), digest  # without the first step, and the evaluation


if __name__ == "__main__":
    main()
