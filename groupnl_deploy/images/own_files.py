"""The files of an own data set with what each holds: all that is known before an image is decoded."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.class_folders import inmost, list_class_folders
from groupnl_deploy.images.digests import file_digests
from groupnl_deploy.images.labels_csv import list_labels_csv
from groupnl_deploy.images.listing import LABELS_FILE, Listing
from groupnl_deploy.progress import Reporter

_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar")


@dataclass(frozen=True)
class OwnFiles:
    """A listing, and the hex SHA-256 of each of its files in their order."""

    listing: Listing
    digests: tuple[str, ...]

    @property
    def labels(self) -> list[int]:
        """Of each file: the index of its class name."""
        index = {name: label for label, name in enumerate(self.listing.classes)}
        return [index[file.class_name] for file in self.listing.files]

    @property
    def sha256(self) -> str:
        """Of all images and labels, and of the parts where the data set says them; not of names, order or dates."""
        files = zip(self.digests, self.listing.files, strict=True)
        has_parts = self.listing.has_parts
        rows = sorted([digest, file.class_name, file.part if has_parts and file.part else ""] for digest, file in files)
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def read_files(listing: Listing, reporter: Reporter) -> OwnFiles:
    """Read what is not yet known of the files. Raises `OSError` for one that cannot be read."""
    return OwnFiles(listing, file_digests(listing.root, [file.name for file in listing.files], reporter))


def list_images(path: Path) -> Listing:
    """The images of a folder or of a CSV. Raises `UsageError` for what is neither."""
    if path.is_dir():
        root = inmost(path)
        labels = root / LABELS_FILE
        return list_labels_csv(labels) if labels.is_file() else list_class_folders(root)
    if not path.exists():
        raise UsageError(f"{path} does not exist.", "Name the folder with the images, or a CSV of files and labels.")
    if path.suffix.lower() == ".csv":
        return list_labels_csv(path)
    archive = path.suffix.lower() in _ARCHIVES
    raise UsageError(
        f"{path} is {'an archive' if archive else 'a file'}, and the images are looked for in a folder.",
        f"{'Unpack it, and n' if archive else 'N'}ame the folder that has a folder for each class.",
    )
