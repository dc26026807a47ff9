"""What a file of an own data set really is: opened, decoded as a whole, and by as many processes as there are cores."""

import io
import multiprocessing
import signal
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image

from groupnl_deploy.errors import GroupNLError
from groupnl_deploy.images.cores import usable_cores
from groupnl_deploy.images.decode import DamagedImage, decoded, opened, orientation, sixteen_bits
from groupnl_deploy.images.listing import HIDDEN, Listing, suffix_of
from groupnl_deploy.images.source import Shape
from groupnl_deploy.interrupt import end_with_parent
from groupnl_deploy.progress import Reporter
from groupnl_deploy.workspace import sha256_hex

_FEW = 48  # files that are read before another process has started
_AT_ONCE = 8
_MOST_TRIED = 1000  # of the other files
_ANY: Shape = (3, 1, 1)  # decoded as a whole, the size that is wanted plays no part
_ONE_KIND = ({"JPEG", "MPO"},)  # formats whose files have the same names


@dataclass(frozen=True)
class Inspected:
    """One file: what is wrong with it, else what it holds.

    Args:
        name: below the root.
        damaged: a sentence; None where it can be decoded.
        format: Pillow's word, such as "JPEG".
        size: width and height in pixels, upright.
        pixels: SHA-256 of the decoded image, so that equal pictures in different files are known.
        oddities: words such as "CMYK", "animated", "turned by EXIF", "of one colour".
        misnamed: whether the name ends as another format's does.
    """

    name: str
    damaged: str | None = None
    format: str = ""
    size: tuple[int, int] = (0, 0)
    pixels: str = ""
    oddities: tuple[str, ...] = ()
    misnamed: bool = False


def inspect_files(root: Path, names: Sequence[str], reporter: Reporter) -> list[Inspected]:
    """Decode every file as a whole, in their order. Raises `OSError` for one that cannot be read."""
    found: list[Inspected] = []
    with reporter.task(f"look at {len(names)} images") as task:
        for inspected in _inspected(root, names):
            found.append(inspected)
            task(len(found), len(names), f"{len(found)} of {len(names)}")
    return found


def _inspected(root: Path, names: Sequence[str]) -> Iterator[Inspected]:
    look = partial(inspect_file, root)
    if len(names) <= _FEW:
        yield from map(look, names)
        return
    # Spawned: a process that draws a bar has threads, and must not be forked.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(usable_cores(), context, _begin)
    try:
        yield from pool.map(look, names, chunksize=_AT_ONCE)
    except BrokenProcessPool as error:
        raise GroupNLError(
            "A process that looked at images was killed; most often memory ran out.",
            "Close other programs, and run it again.",
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """A worker ends with the process that started it, which alone hears Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()


def inspect_file(root: Path, name: str) -> Inspected:
    """What one file is."""
    path = root / name
    data = path.read_bytes()
    try:
        pixels = decoded(data, path, _ANY, exact=True)
    except DamagedImage as error:
        return Inspected(name, damaged=error.message)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with opened(io.BytesIO(data)) as image:
            kind, oddities = image.format or "", tuple(_oddities(image, pixels))
    same = sha256_hex(f"{pixels.size} ".encode() + pixels.tobytes())
    return Inspected(name, None, kind, pixels.size, same, oddities, _is_misnamed(name, kind))


def images_among(listing: Listing) -> list[str]:
    """Of the files that are passed over and not hidden, those that are images by their content."""
    visible = [file.name for file in listing.passed_over if file.why != HIDDEN][:_MOST_TRIED]
    return [name for name in visible if _begins_as_image(listing.root / name)]


def _begins_as_image(path: Path) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with opened(path):
                return True
    except Exception:  # Pillow's readers raise whatever their parsing meets
        return False


def _oddities(image: Image.Image, pixels: Image.Image) -> Iterator[str]:
    if image.mode == "CMYK":
        yield "CMYK"
    if sixteen_bits(image):
        yield "16 bit"
    if image.mode in ("L", "1", "I", "LA") or sixteen_bits(image):
        yield "grey"
    if "A" in image.getbands() or "transparency" in image.info:
        yield "transparent"
    if getattr(image, "is_animated", False) and image.format != "MPO":
        yield "several pictures"
    if orientation(image) is not None:
        yield "turned by EXIF"
    if pixels.getcolors(1):
        yield "of one colour"


def _is_misnamed(name: str, kind: str) -> bool:
    wanted = Image.registered_extensions().get(suffix_of(name), kind)
    return wanted != kind and not any({wanted, kind} <= same for same in _ONE_KIND)
