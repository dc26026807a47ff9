"""How long the nineteen corruptions of 10,000 images of 32x32 take, at five severities, and how much memory.

    python benchmarks/corruptions.py [--images 10000] [--side 32] [--workers N] [--out DIR] [--quick] [--json]

Crops of scikit-learn's two photographs are corrupted and written as `groupnl data corrupt` does it: streamed into 19
files, by as many processes as cores beside the one that writes. Printed are seconds by the clock, in all and for each
corruption, seconds of processors, and the highest sum of memory of all processes (PSS: what is shared counts once).
What else the machine does makes the clock's seconds more, and to a lesser degree the processors'; its load is printed.

The files, 2.9 GB, are written into a temporary folder and removed, or kept as DIR.
"""

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

# Before anything imports PyTorch: see groupnl_deploy.cli.entry.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.peak_memory import peak_pss_mb
from groupnl_deploy.images.bench_images import bench_images
from groupnl_deploy.images.corrupted import CORRUPTIONS, SEVERITIES
from groupnl_deploy.images.dataset import Dataset
from groupnl_deploy.images.in_memory import InMemoryImages
from groupnl_deploy.progress import Silence, Task
from groupnl_deploy.robustness.generated import Draw
from groupnl_deploy.robustness.written import write_corrupted

LIMIT_S, LIMIT_MB = 180, 2048


@dataclass(frozen=True)
class Cost:
    """Of all corruptions together; `seconds` of each by the clock, to its last image."""

    images: int
    side: int
    wall_s: float
    processor_s: float
    peak_mb: float
    size_mb: float
    load: tuple[float, float, float]
    seconds: dict[str, float]


class Clock(Silence):
    """Notes when each corruption's last image was written."""

    def __init__(self) -> None:
        self.ends: dict[str, float] = {}

    @contextmanager
    def task(self, name: str) -> Iterator[Task]:
        """Told the corruption as the first word of each detail."""

        def tell(done: float, total: float | None, detail: str = "") -> None:
            self.ends[detail.split(",", maxsplit=1)[0]] = time.perf_counter()

        yield tell


def crops(count: int, side: int) -> Dataset:
    """A data set of so many crops, of ten classes that mean nothing."""
    images = InMemoryImages(bench_images(None, (3, side, side), count).images, np.arange(count) % 10)
    return Dataset("crops", tuple("0123456789"), (3, side, side), images, images, None)


def processor_s() -> float:
    """Of this process and of those that it has ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def measure(options: argparse.Namespace, out: Path) -> Cost:
    """Write the files once."""
    data, clock = crops(options.images, options.side), Clock()
    with peak_pss_mb(every_s=1.0) as peak:  # its own cost is in the seconds
        begun, before = time.perf_counter(), processor_s()
        written = write_corrupted(data, CORRUPTIONS, Draw(), out, clock, options.workers)
        wall, processor = time.perf_counter() - begun, processor_s() - before
    ends = [begun, *clock.ends.values()]
    seconds = {name: end - start for name, start, end in zip(clock.ends, ends[:-1], ends[1:], strict=True)}
    size = written.size_bytes / 1e6
    return Cost(options.images, options.side, wall, processor, peak(), size, os.getloadavg(), seconds)


def show(cost: Cost) -> None:
    """As text."""
    for name, seconds in sorted(cost.seconds.items(), key=lambda item: -item[1]):
        each = seconds / cost.images / len(SEVERITIES) * 1e3
        print(f"{name:18} {seconds:7.1f} s {each:8.3f} ms an image")
    print(f"\n{cost.images:,} images of {cost.side}x{cost.side}, {len(cost.seconds)} corruptions, 5 severities")
    print(
        f"by the clock   {cost.wall_s:8.1f} s   (wanted: below {LIMIT_S} s for 10,000 of 32x32, on two cores at rest)"
    )
    print(f"processors     {cost.processor_s:8.1f} s   (load of this machine: {', '.join(map(str, cost.load))})")
    print(f"peak memory    {cost.peak_mb:8.0f} MB  (wanted: below {LIMIT_MB} MB)")
    print(f"written        {cost.size_mb:8.0f} MB")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--workers", type=int, help="Processes that make images; else one a core.")
    parser.add_argument("--out", type=Path, help="Keep the files as this folder.")
    parser.add_argument("--quick", action="store_true", help="Of 500 images.")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.images = 500
    with tempfile.TemporaryDirectory() as name:
        cost = measure(options, options.out or Path(name) / "corrupted")
    if options.json:
        print(json.dumps(asdict(cost)))
    else:
        show(cost)


if __name__ == "__main__":
    main()
