"""ImageNet-1K (ILSVRC2012) from the folders that people have it in: torchvision's, timm's or Kaggle's.

Its files are told apart by names and sizes: to read 150 GB before each training would take longer than some trainings.
"""

import json
from pathlib import Path

import numpy as np

from device_agent.manifest import View
from groupnl_deploy.images.dataset import Dataset
from groupnl_deploy.images.decode import usual_shape
from groupnl_deploy.images.folder import larger
from groupnl_deploy.images.kept import Watch, kept
from groupnl_deploy.images.listing import shown
from groupnl_deploy.images.preprocessing import preprocessing
from groupnl_deploy.images.published.imagenet_classes import CLASSES, class_folders_of, known_classes, require_classes
from groupnl_deploy.images.published.imagenet_found import ImageNetPlace, find_imagenet
from groupnl_deploy.images.published.imagenet_val import flat_labels
from groupnl_deploy.images.published.photo_folders import (
    Photos,
    as_names,
    folders_digest,
    frozen,
    in_class_folders,
    names_in,
)
from groupnl_deploy.images.seen import remember_place
from groupnl_deploy.images.source import DataSource, Shape
from groupnl_deploy.progress import Reporter
from groupnl_deploy.workspace import sha256_hex

NAME = "imagenet"
IMAGES = (1_281_167, 50_000)
VIEW = View(7 / 8)
"""Of a test image, unless a network was trained for another: the shorter side to 256, then 224 of it, as is usual."""


def load(source: DataSource, seed: int, reporter: Reporter) -> Dataset:
    """The two parts below `source.path`, as (3, 224, 224) unless `source.shape` says otherwise. `seed` decides nothing.

    Raises `UsageError` for another layout, and where nothing says the classes; `VerificationFailed` for damaged files.
    """
    path, shape = source.require_place(), usual_shape(source.shape)
    key = (NAME, str(path.absolute()), str(shape))
    return kept(key, lambda told, watch: _read(path, shape, told, watch), reporter)


def _read(path: Path, shape: Shape, reporter: Reporter, watch: Watch) -> Dataset:
    place = find_imagenet(path)
    with reporter.task("list ImageNet's files"):
        in_val = class_folders_of(place.val)
        folders = in_val if place.train is None else class_folders_of(place.train)
        classes = known_classes(place.beside, folders or in_val, place.train or place.val)
        if in_val:
            require_classes(in_val, classes, place.val)
        parts = [place.val, *([] if place.train is None else [place.train])]
        watch([*place.beside, *parts, *(part / name for part in parts for name in classes)])
        test = _test(place, classes, is_flat=not in_val, shape=shape)
        margin = (shape[0], larger(shape[1]), larger(shape[2]))
        train = _train(place, classes, margin)
        digests = [folders_digest(place.val, classes if in_val else [""])]
        digests += [] if place.train is None else [folders_digest(place.train, classes)]
    _tell(place, classes, (len(train), len(test)), reporter)
    digest = sha256_hex(json.dumps([classes, digests, test.labels.tolist() if not in_val else None]).encode())
    remember_place(digest, path)
    statistics = preprocessing(None, shape[0])
    return Dataset(
        NAME, classes, shape, train, test, None, declared=statistics, sha256=digest, margin=margin, view=VIEW
    )


def _train(place: ImageNetPlace, classes: tuple[str, ...], shape: Shape) -> Photos:
    if place.train is None:
        return Photos(place.val, classes, as_names([]), frozen(np.empty(0, np.int64)), shape)
    return Photos(place.train, classes, *in_class_folders(place.train, classes), shape)


def _test(place: ImageNetPlace, classes: tuple[str, ...], is_flat: bool, shape: Shape) -> Photos:
    if not is_flat:
        return Photos(place.val, classes, *in_class_folders(place.val, classes), shape, VIEW)
    names = names_in(place.val)
    labels = flat_labels([name.decode("utf-8", "replace") for name in names], place.beside, classes, place.val)
    flat = ("",) * len(classes)
    return Photos(place.val, flat, as_names(names), frozen(np.array(labels)), shape, VIEW)


def _tell(place: ImageNetPlace, classes: tuple[str, ...], images: tuple[int, int], reporter: Reporter) -> None:
    where = shown(str(place.root))
    if place.train is None:
        reporter.note(f"{where} has no train/: networks can be evaluated on it, and not trained.")
    elif (len(classes), images) != (CLASSES, IMAGES):
        reporter.note(
            f"{where} is not ImageNet-1K as it was published: {len(classes):,} classes, {images[0]:,} images to train "
            f"on and {images[1]:,} to test on, in place of {CLASSES:,}, {IMAGES[0]:,} and {IMAGES[1]:,}."
        )
