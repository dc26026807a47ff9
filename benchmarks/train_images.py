"""The part --images of benchmarks/train.py: what a training image costs before the network sees it, and how fast a
training is by threads and by processes that read.

The images are JPEGs of 500x375 cut from scikit-learn's two photographs. Every setting runs three times in turn, and the
fastest is shown, as others use the machine, too. What must hold is printed last: equal threads, equal bits.
"""

import hashlib
import itertools
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_sample_images
from torch import Tensor

from groupnl_deploy.images.dataset import Dataset, gather
from groupnl_deploy.images.datasets import load_dataset
from groupnl_deploy.images.source import DataSource
from groupnl_deploy.models.registry import model_spec
from groupnl_deploy.training.augmentation import crop_flip_jitter
from groupnl_deploy.training.loop import train
from groupnl_deploy.training.recipes import RECIPES

BATCH, TURNS = 32, 3


def measure_images(model: str, side: int, steps: int, costs_alone: bool) -> None:
    """Print what an image costs and, unless the costs alone are asked for, images a second for each setting."""
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder), BATCH * steps)
        data = load_dataset(DataSource("folder", folder, (3, side, side)))
        _print_costs(data)
        if costs_alone:
            return
        spec = model_spec(model, "standard", num_classes=2, input_shape=data.input_shape)
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


def _print_costs(data: Dataset) -> None:
    torch.set_num_threads(1)
    images, decoding = _processor_ms(lambda: gather(data.train, range(BATCH), data.train_shape))
    random = torch.Generator().manual_seed(0)
    _, altering = _processor_ms(lambda: crop_flip_jitter(images, random, data.input_shape[1:]))
    print(
        f"an image for {data.input_shape[1:]}: {decoding:.2f} ms to decode, {altering:.2f} ms to crop, flip and relight"
    )


def _processor_ms(work: Callable[[], Tensor]) -> tuple[Tensor, float]:
    """Of one image of a batch: the least of several turns, after one that warms up."""
    result, turns = work(), []
    for _ in range(TURNS):
        begun = time.process_time()
        work()
        turns.append(1000 * (time.process_time() - begun) / BATCH)
    return result, min(turns)


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
