"""Small CIFAR archives in the exact forms of the published ones."""

import io
import struct
import tarfile
from pathlib import Path
from typing import Any

import numpy as np

from groupnl_deploy.images.published.cifar_tables import CIFAR

IMAGES = {"cifar10": (4, 12), "cifar100": (120, 110)}  # in each file to train on, in that to test on


def drawn(name: str, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise with the published statistics, uint8 (count, 3072), and labels of every class where there is room."""
    cifar, random = CIFAR[name], np.random.default_rng(seed)
    mean, std = (np.repeat(values, 1024) for values in cifar.statistics)
    pixels = np.clip(random.normal(mean, std, (count, 3072)) * 255, 0, 255).astype(np.uint8)
    return pixels, (np.arange(count) + 3 * seed) % len(cifar.class_names)


def contents(name: str, kind: str) -> dict[str, bytes]:
    """Every file of a form, by name."""
    cifar = CIFAR[name]
    form = next(form for form in cifar.forms if form.kind == kind)
    write = {"binary": binary_file, "python": python_file}[kind]
    per_file, to_test = IMAGES[name]
    counts = [*[per_file] * len(form.train), to_test]
    found = {
        known.name: write(name, *drawn(name, count, seed))
        for seed, (known, count) in enumerate(zip(form.files, counts, strict=True))
    }
    return found | {form.names.name: names_file(name, kind)}


def binary_file(name: str, pixels: np.ndarray, labels: np.ndarray) -> bytes:
    before = [labels] if name == "cifar10" else [labels // 5, labels]
    return np.column_stack([*before, pixels]).astype(np.uint8).tobytes()


def python_file(name: str, pixels: np.ndarray, labels: np.ndarray) -> bytes:
    fine = {"labels": labels.tolist()} if name == "cifar10" else {"fine_labels": labels.tolist()}
    coarse = {} if name == "cifar10" else {"coarse_labels": (labels // 5).tolist()}
    names = [f"{label}_s_{index:06}.png" for index, label in enumerate(labels)]
    return as_python_2({"batch_label": "training batch 1 of 5", **fine, "data": pixels, **coarse, "filenames": names})


def names_file(name: str, kind: str) -> bytes:
    names = list(CIFAR[name].class_names)
    if kind == "binary":
        return ("\n".join(names) + "\n\n").encode()
    if name == "cifar10":
        return as_python_2({"num_cases_per_batch": 10000, "label_names": names, "num_vis": 3072})
    return as_python_2({"fine_label_names": names, "coarse_label_names": ["fish"]})


def as_python_2(value: Any) -> bytes:
    """A pickle as cPickle of Python 2 writes it with protocol 2."""
    return b"\x80\x02" + _pushed(value) + b"."


def _pushed(value: Any) -> bytes:
    match value:
        case dict():
            return b"}(" + b"".join(map(_pushed, (part for item in value.items() for part in item))) + b"u"
        case list():
            return b"](" + b"".join(map(_pushed, value)) + b"e"
        case str() | bytes():
            data = value.encode() if isinstance(value, str) else value
            return (b"U" + bytes([len(data)]) if len(data) < 256 else b"T" + struct.pack("<i", len(data))) + data
        case int() if 0 <= value < 1 << 16:
            return b"K" + bytes([value]) if value < 256 else b"M" + struct.pack("<H", value)
        case int():
            return b"J" + struct.pack("<i", value)
        case np.ndarray():
            return _array(value)
    raise TypeError(value)


def _array(value: np.ndarray) -> bytes:
    dtype = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    made = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    shape = b"(" + b"".join(map(_pushed, value.shape)) + b"t"
    return made + b"(K\x01" + shape + dtype + b"\x89" + _pushed(value.tobytes()) + b"tb"


def write_folder(root: Path, name: str, kind: str) -> Path:
    """The unpacked archive; the folder that it unpacks to."""
    folder = root / next(form.folder for form in CIFAR[name].forms if form.kind == kind)
    folder.mkdir(parents=True)
    for file, data in contents(name, kind).items():
        (folder / file).write_bytes(data)
    return folder


def write_archive(root: Path, name: str, kind: str, ending: str = ".tar.gz") -> Path:
    form = next(form for form in CIFAR[name].forms if form.kind == kind)
    path = root / form.archive.name.replace(".tar.gz", ending)
    packed = {"mode": "w"} if ending == ".tar" else {"mode": "w:gz", "compresslevel": 1}
    with tarfile.open(path, **packed) as archive:
        folder = tarfile.TarInfo(form.folder)
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        # The published ones are not sorted, and have a page for readers.
        for file, data in [("readme.html", b"<!DOCTYPE HTML>"), *reversed(contents(name, kind).items())]:
            member = tarfile.TarInfo(f"{form.folder}/{file}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path
