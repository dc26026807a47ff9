"""The test images of a network: its own data set or another, without what it was trained on."""

from groupnl_deploy.errors import UsageError
from groupnl_deploy.evaluation.subject import Subject
from groupnl_deploy.images.at_hand import dataset_at_hand, where_sought
from groupnl_deploy.images.dataset import Dataset
from groupnl_deploy.images.datasets import at_size, load_dataset
from groupnl_deploy.images.folder import NAME as FOLDER
from groupnl_deploy.images.source import DataSource, base_name
from groupnl_deploy.images.view import viewed
from groupnl_deploy.progress import Reporter


def images_for(subject: Subject, name: str | None, path: str | None, reporter: Reporter) -> Dataset:
    """The data set of this name, or the network's own, with images as the network takes them.

    Args:
        subject: the network.
        name: None is what it was trained on, or the data set “folder” where that is unknown and there is a path.
        path: where it lies, for one that lies in a folder.
        reporter: told how far it is.

    Raises `UsageError` where it is not at hand, or of another shape.
    """
    own = subject.data
    if own is None and name is None and path is None:
        raise UsageError(
            f"Which images {subject.folder} was trained on is not known here.",
            "Name images of its classes: --dataset folder --data DIR. The images of its test part, a fifth unless the "
            "folder has one, are used.",
        )
    if own is not None and (name is None or (name == own.name and path is None)):
        found = dataset_at_hand(own, subject.input_shape, path, subject.split, reporter, subject.view)
        if found is None:
            raise UsageError(
                f"The images that {subject.folder} was trained on are not at hand: {where_sought(own)}.",
                "Say where they lie, --data DIR, or name others: --dataset folder --data DIR.",
            )
        return found
    chosen = name or FOLDER
    if own is not None and base_name(own.name) == base_name(chosen) and own.name != chosen:
        raise UsageError(
            f"The network was trained on “{own.name}”, and so on images that “{chosen}” tests.",
            f"Leave --dataset out to test it on the images of “{own.name}” that it has not seen.",
        )
    source = at_size(DataSource(chosen, path), subject.input_shape)
    data = load_dataset(source, (own and own.split_seed) or 0, reporter)
    if data.input_shape != subject.input_shape:
        raise UsageError(
            f"The images of “{chosen}” have the shape {data.input_shape}, and the network takes {subject.input_shape}.",
            "Name images of your own, --dataset folder --data DIR: those are resized.",
        )
    return viewed(data, subject.view)


def unseen_by(subject: Subject, data: Dataset) -> list[int]:
    """The test images that the network was not trained on, as far as files tell. Raises `UsageError` where none is."""
    seen = {file.sha256 for file in subject.split.files if file.part == "train"} if subject.split else set()
    digests: tuple[str, ...] = getattr(data.test, "digests", ())
    if not seen or not digests:
        return list(range(len(data.test)))
    chosen = [index for index, digest in enumerate(digests) if digest not in seen]
    if not chosen:
        raise UsageError(
            f"The network was trained on all {len(digests)} test images of “{data.name}”.",
            "Name others: an accuracy on images that a network has seen says nothing about those it has not.",
        )
    return chosen
