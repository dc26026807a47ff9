"""Images a second of the loader for own images beside a plain one, and what a training waits for it.

    python benchmarks/loader.py [--images 512] [--rounds 5] [--model mobilenetv3_large_100] [--quick] [--json]
    python benchmarks/loader.py --memory 50000

JPEGs of 640x480 are written to a temporary folder. The plain loader is what most people write: torch's DataLoader, as
many workers as cores, over a data set that opens a file with Pillow, converts it to RGB, resizes its shorter side,
cuts the middle, and makes a tensor. Both deliver the same number of images of the same size, in turns: a ratio is the
median over the rounds of (ours / plain in the same round).

"waits" is the share of a training's time that passes until the next batch is there, one thread computing and the first
batch left out: near 0 the network is what takes the time, and no faster loader would help.

"reduced" is how a JPEG far larger than wanted is decoded: smaller by libjpeg, at twice the wanted size at least.

--memory passes once over so many small files, as images of 32 and of 224 pixels, and prints the highest sum of memory
that this process and its workers had (PSS: what is shared counts once).
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

# Before anything imports PyTorch: see groupnl_deploy.cli.entry.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_sample_images
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.peak_memory import peak_pss_mb
from groupnl_deploy.images.datasets import load_dataset
from groupnl_deploy.images.decode import decoded, fitted
from groupnl_deploy.images.decoded import decoded_once
from groupnl_deploy.images.loader import batches
from groupnl_deploy.images.preprocessing import IMAGENET_MEAN, IMAGENET_STD, as_input
from groupnl_deploy.images.source import DataSource
from groupnl_deploy.models.registry import create_model, model_spec
from groupnl_deploy.progress import Silence

BATCH = 32
WAIT_LIMIT = 0.05  # of a training's time


@dataclass(frozen=True)
class Speed:
    """Images a second of both loaders, and of ours over the plain one's."""

    case: str
    plain: float
    ours: float
    ratio: float


@dataclass(frozen=True)
class Waiting:
    """The share of a training's time that it waits for images, and the images that it trains on in a second."""

    loader: str
    model: str
    share: float
    images_per_s: float


@dataclass(frozen=True)
class Memory:
    """The most memory that all processes had together, in MB, and images a second."""

    case: str
    images: int
    peak_mb: float
    images_per_s: float


@dataclass(frozen=True)
class Reduction:
    """JPEGs decoded smaller by libjpeg, and as a whole; both are resized then. Their difference is of 255."""

    case: str
    whole_ms: float
    reduced_ms: float
    root_mean_square: float


class PlainFolder(Dataset[tuple[Tensor, int]]):
    """What an ImageFolder with Resize, CenterCrop and a tensor does."""

    def __init__(self, files: Sequence[Path], side: int) -> None:
        self.files, self.side = files, side

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        with Image.open(self.files[index]) as opened:
            image = opened.convert("RGB")
        scale = self.side / min(image.size)
        image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BILINEAR)
        left, top = (image.width - self.side) // 2, (image.height - self.side) // 2
        cut = np.array(image.crop((left, top, left + self.side, top + self.side)))
        return torch.from_numpy(cut).permute(2, 0, 1).contiguous(), index


def write_photos(folder: Path, count: int, size: tuple[int, int] = (640, 480)) -> Path:
    """Crops of scikit-learn's photographs, as JPEGs in two class folders."""
    photos = [Image.fromarray(photo) for photo in load_sample_images().images]
    random = np.random.default_rng(0)
    for index in range(count):
        photo, scale = photos[index % 2], random.uniform(0.5, 1)
        width, height = photo.width * scale, photo.height * scale
        left, top = random.uniform(0, photo.width - width), random.uniform(0, photo.height - height)
        crop = photo.resize(size, Image.Resampling.BILINEAR, box=(left, top, left + width, top + height))
        place = folder / ("temple", "flower")[index % 2]
        place.mkdir(parents=True, exist_ok=True)
        crop.save(place / f"{index}.jpg", quality=90)
    return folder


def ours(root: Path, side: int, kept: bool = False) -> Iterator[Tensor]:
    """All training images in batches; `kept` maps decoded ones from memory."""
    data = load_dataset(DataSource("folder", str(root), (3, side, side)))
    train = (decoded_once(data, Silence()) if kept else data).train
    return batches(train, _parts(len(train)), data.train_shape)


def plain(root: Path, side: int, workers: int | None = None) -> Iterator[Tensor]:
    """The same files as training images of the same size, by the plain loader."""
    data = load_dataset(DataSource("folder", str(root), (3, side, side)))
    files = [root / name for name in data.train.names]  # type: ignore[attr-defined]
    count = len(os.sched_getaffinity(0)) if workers is None else workers
    loader = DataLoader(PlainFolder(files, data.train_shape[1]), BATCH, num_workers=count)
    return (images for images, _ in loader)


def reduction(root: Path, side: int) -> Reduction:
    """Both ways to the same images, in turns, on one core."""
    shape, times = (3, side, side), (list[float](), list[float]())
    squares: list[float] = []
    for path in sorted(root.glob("*/*.jpg"))[:64]:
        data, pixels = path.read_bytes(), []
        for exact, took in zip((True, False), times, strict=True):
            begun = time.perf_counter()
            pixels.append(fitted(decoded(data, path, shape, exact), shape).astype(float))
            took.append(1000 * (time.perf_counter() - begun))
        squares.append(float(np.mean((pixels[0] - pixels[1]) ** 2)))
    whole, reduced = map(statistics.median, times)
    return Reduction(f"{side} px", whole, reduced, statistics.mean(squares) ** 0.5)


def _parts(count: int) -> list[range]:
    return [range(start, min(start + BATCH, count)) for start in range(0, count, BATCH)]


def images_per_s(read: Iterable[Tensor]) -> float:
    """Of one pass; the first batch, until which workers start, is left out."""
    found = iter(read)
    next(found)
    begun = time.perf_counter()
    count = sum(len(batch) for batch in found)
    return count / (time.perf_counter() - begun)


def compare(case: str, rounds: int, *candidates: Callable[[], Iterator[Tensor]]) -> Speed:
    """A plain loader and ours in turns, each first as often as the other."""
    measured: list[tuple[float, float]] = []
    for turn in range(rounds):
        order = (0, 1) if turn % 2 == 0 else (1, 0)
        speeds = {which: images_per_s(candidates[which]()) for which in order}
        measured.append((speeds[0], speeds[1]))
    ratio = statistics.median(mine / theirs for theirs, mine in measured)
    theirs, mine = (statistics.median(speed) for speed in zip(*measured, strict=True))
    return Speed(case, theirs, mine, ratio)


def waiting(loader: str, read: Iterator[Tensor], model_name: str, side: int, most: int) -> Waiting:
    """Train a network of two classes on random windows of the images, and time what it waits."""
    torch.set_num_threads(1)
    model = create_model(model_spec(model_name, "groupnl", num_classes=2, input_shape=(3, side, side))).train()
    optimiser = torch.optim.SGD([weight for weight in model.parameters() if weight.requires_grad], 1e-3)
    next(read)
    begun, waited, count = time.perf_counter(), 0.0, 0
    while count < most:
        asked = time.perf_counter()
        images = next(read, None)
        waited += time.perf_counter() - asked
        if images is None:
            break
        logits = model(as_input(images[:, :, :side, :side], IMAGENET_MEAN, IMAGENET_STD))
        optimiser.zero_grad()
        functional.cross_entropy(logits, torch.zeros(len(images), dtype=torch.long)).backward()
        optimiser.step()
        count += len(images)
    took = time.perf_counter() - begun
    return Waiting(loader, model_name, waited / took, count / took)


def memory(folder: Path, count: int) -> list[Memory]:
    """One pass over many small files, as images of 32 and of 224 pixels."""
    root, rows = write_photos(folder / "small", count, (48, 36)), []
    for side, kept in ((32, False), (32, True), (224, False)):
        with peak_pss_mb() as peak:
            speed = images_per_s(ours(root, side, kept))
            rows.append(Memory(f"{side} px{', decoded once' if kept else ''}", count, peak(), speed))
    return rows


def run(options: argparse.Namespace, folder: Path) -> dict[str, list[object]]:
    """Everything that was asked for, by table."""
    if options.memory:
        return {"memory": list(memory(folder, options.memory))}
    root = write_photos(folder / "photos", options.images)
    cases = [
        compare("224 px", options.rounds, lambda: plain(root, 224), lambda: ours(root, 224)),
        compare("64 px", options.rounds, lambda: plain(root, 64), lambda: ours(root, 64)),
        compare("64 px, decoded once", options.rounds, lambda: plain(root, 64), lambda: ours(root, 64, kept=True)),
    ]
    most = 4 * BATCH if options.quick else 12 * BATCH
    trained = [
        waiting("plain, no workers", plain(root, 224, workers=0), options.model, 224, most),
        waiting("plain", plain(root, 224), options.model, 224, most),
        waiting("ours", ours(root, 224), options.model, 224, most),
    ]
    reduced = [reduction(root, side) for side in (32, 128)]
    return {"speed": list(cases), "waiting": list(trained), "reduction": list(reduced)}


def show(tables: dict[str, list[object]]) -> None:
    """Rows for people."""
    for row in tables.get("speed", []):
        assert isinstance(row, Speed)
        speeds = f"plain {row.plain:7.0f} images/s   ours {row.ours:7.0f} images/s"
        print(f"{row.case:22} {speeds}   ours/plain {row.ratio:5.2f}")
    for row in tables.get("waiting", []):
        assert isinstance(row, Waiting)
        met = "" if row.loader != "ours" else ", met" if row.share <= WAIT_LIMIT else f", MISSED {WAIT_LIMIT:.0%}"
        print(f"{row.model} with {row.loader:18} {row.images_per_s:6.1f} images/s, waits {row.share:6.1%}{met}")
    for row in tables.get("reduction", []):
        assert isinstance(row, Reduction)
        both = f"as a whole {row.whole_ms:5.2f} ms, reduced by libjpeg {row.reduced_ms:5.2f} ms"
        print(f"{row.case:22} {both}, apart by {row.root_mean_square:.2f} of 255")
    for row in tables.get("memory", []):
        assert isinstance(row, Memory)
        print(f"{row.case:22} {row.images} images: at most {row.peak_mb:6.0f} MB, {row.images_per_s:6.0f} images/s")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=640)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", default="mobilenetv3_large_100")
    parser.add_argument("--memory", type=int, default=0, metavar="IMAGES")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.images, options.rounds = min(options.images, 256), min(options.rounds, 3)
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["GROUPNL_HOME"] = str(Path(temporary) / "home")
        tables = run(options, Path(temporary))
    if options.json:
        print(json.dumps({name: [asdict(row) for row in rows] for name, rows in tables.items()}, indent=2))  # type: ignore[call-overload]
    else:
        show(tables)


if __name__ == "__main__":
    main()
