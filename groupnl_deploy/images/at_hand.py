"""The images of a data set again, for a network that was trained on them."""

from pathlib import Path

from device_agent.manifest import DataRecord, View
from groupnl_deploy.errors import UsageError, VerificationFailed
from groupnl_deploy.images.dataset import Dataset
from groupnl_deploy.images.datasets import load_dataset
from groupnl_deploy.images.folder import NAME as FOLDER
from groupnl_deploy.images.folder import Row, dataset_of
from groupnl_deploy.images.own_files import OwnFiles, list_images, read_files
from groupnl_deploy.images.seen import remembered_place
from groupnl_deploy.images.source import DataSource, Shape
from groupnl_deploy.images.split import Split
from groupnl_deploy.images.view import viewed
from groupnl_deploy.progress import Reporter, Silence


def dataset_at_hand(
    record: DataRecord,
    shape: Shape,
    path: str | None = None,
    split: Split | None = None,
    reporter: Reporter | None = None,
    view: View | None = None,
) -> Dataset | None:
    """The data set that a record tells of; None where it is not on this machine, or not any more what it was.

    A folder is looked for where the user says, else where it was last seen. In one that has changed, the test images
    are those files that the split has as such, whatever their names are now.

    Args:
        record: what a checkpoint or a manifest kept of it.
        shape: (C, H, W) that the network takes.
        path: where the user says that it lies.
        split: what the checkpoint kept of it; without it, a folder that has changed cannot be tested on.
        reporter: is told what is not as it was.
        view: what of each test image the network is shown.

    Raises `UsageError` where none of the images lie at `path`.
    """
    found = _found(record, shape, path, split, reporter or Silence())
    return None if found is None else viewed(found, view)


def _found(record: DataRecord, shape: Shape, path: str | None, split: Split | None, told: Reporter) -> Dataset | None:
    if record.sha256 is None and record.name != FOLDER:  # it comes with the program
        return load_dataset(DataSource(record.name, path, shape), record.split_seed or 0, told)
    place = Path(path).expanduser() if path else remembered_place(record.sha256 or "")
    if place is None or (path is None and not place.exists()):
        return None
    try:
        if record.name == FOLDER:
            return _in_folder(record, shape, place, split, told)
        return _published(record, DataSource(record.name, str(place), shape), told, is_said=path is not None)
    except (UsageError, VerificationFailed) as error:
        if path is not None:
            raise
        told.note(f"The images are not at hand: {error.message}")
        return None


def where_sought(record: DataRecord) -> str:
    """Where `dataset_at_hand` has looked for a data set that it has not found, for the middle of a sentence."""
    place = remembered_place(record.sha256 or "")
    if place is None:
        return "nothing on this machine has read them yet"
    return f"they were last seen in {place}, which {'has others now' if place.exists() else 'is not there any more'}"


def _published(record: DataRecord, source: DataSource, reporter: Reporter, is_said: bool) -> Dataset | None:
    """A published data set, whose parts are its own whatever became of it."""
    data = load_dataset(source, reporter=reporter)
    if data.sha256 == record.sha256:
        return data
    reporter.note(f"{source.path} does not hold the images that the network was trained on: some are others.")
    return data if is_said else None


def _in_folder(record: DataRecord, shape: Shape, place: Path, split: Split | None, reporter: Reporter) -> Dataset:
    files = read_files(list_images(place), reporter)
    if record.sha256 == files.sha256:
        same = load_dataset(DataSource(FOLDER, str(place), shape), record.split_seed or 0, reporter)
        if split in (None, same.split) and record.class_names == same.class_names:
            return same
    if split is None:
        raise UsageError(
            f"{place} has changed since the training, and nothing here says which of its images were trained on.",
            "Name the folder as it was, or evaluate the checkpoint, which knows.",
        )
    rows = _rows_of(split, files)
    wanted = {file.sha256 for file in split.files if file.part == "test"}
    gone = len(wanted - {row.sha256 for row in rows})
    if gone == len(wanted):
        raise UsageError(
            f"{place} has none of the {gone} images that this network is to be tested on.",
            "Name the folder that it was trained on: --data DIR.",
        )
    if gone:
        reporter.note(f"{gone} of {len(wanted)} images to test on are no longer in {place}; the others are taken.")
    return dataset_of(rows, files, record.class_names, shape)


def _rows_of(split: Split, files: OwnFiles) -> list[Row]:
    """The files of a split that are still there, each in its part and class of then; equal ones count once."""
    names = dict(zip(files.digests, (file.name for file in files.listing.files), strict=True))
    there = (file for file in split.files if file.sha256 in names)
    return [Row(file.sha256, names[file.sha256], file.label, file.part) for file in there]
