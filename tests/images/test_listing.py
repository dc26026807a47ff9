"""What lies in a folder of own images: class folders, parts, what is passed over, and what speaks against training."""

import os
from pathlib import Path

import pytest

from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.listing import refusals
from groupnl_deploy.images.own_files import list_images
from tests.images.pictures import class_folders, write


def test_each_folder_is_a_class_whose_name_stays_as_it_is_written(tmp_path):
    names = ["Zebra", "apfel", "Äpfel", "a\u0308", "花", "train"]  # sorted as numbers, not by any language
    class_folders(tmp_path, names, each=2)
    write(tmp_path / "花" / "feld" / "mohn" / "ein bild.jpg", 7)
    listing = list_images(tmp_path)
    assert listing.classes == tuple(sorted(names)) == ("Zebra", "apfel", "a\u0308", "train", "Äpfel", "花")
    assert not listing.has_parts and not listing.passed_over
    assert [file.name for file in listing.files if file.class_name == "花"] == [
        "花/0.png",
        "花/1.png",
        "花/feld/mohn/ein bild.jpg",
    ]
    assert not list(refusals(listing))


@pytest.mark.parametrize("to_test", ["val", "validation", "valid", "test", "Val", "testing"])
def test_a_folder_to_train_on_and_one_to_test_on_are_parts(tmp_path, to_test):
    class_folders(tmp_path / "train", each=3)
    class_folders(tmp_path / to_test, each=2, first=500)
    listing = list_images(tmp_path)
    assert listing.classes == ("cat", "dog") and listing.has_parts
    assert [file.part for file in listing.files if file.name.startswith("train/")] == ["train"] * 6
    assert [file.part for file in listing.files if file.name.startswith(f"{to_test}/")] == ["test"] * 4
    assert not listing.notes


def test_beside_a_test_part_a_validation_part_is_left_out_with_a_note(tmp_path):
    for index, part in enumerate(("train", "val", "test")):
        class_folders(tmp_path / part, each=2, first=100 * index)
    listing = list_images(tmp_path)
    assert {file.name.partition("/")[0] for file in listing.files} == {"train", "test"}
    assert listing.notes == (f"“val” of {tmp_path} is neither trained nor tested on.",)


def test_test_images_without_classes_are_left_out_with_a_note(tmp_path):
    class_folders(tmp_path / "train")
    write(tmp_path / "test" / "1.jpg", 1)
    listing = list_images(tmp_path)
    assert listing.classes == ("cat", "dog") and not listing.has_parts
    assert "“test”" in listing.notes[0]


def test_a_class_may_be_called_train(tmp_path):
    class_folders(tmp_path, ["train", "car", "plane"])
    class_folders(tmp_path / "train", ["steam", "diesel"])
    assert list_images(tmp_path).classes == ("car", "plane", "train")


def test_a_single_folder_in_a_folder_is_gone_into(tmp_path):
    class_folders(tmp_path / "pets" / "pets")
    (tmp_path / "pets" / ".hidden").mkdir()
    listing = list_images(tmp_path)
    assert listing.root == tmp_path / "pets" / "pets" and listing.classes == ("cat", "dog")
    class_folders(tmp_path / "parts" / "inner" / "train")
    assert list_images(tmp_path / "parts").root == tmp_path / "parts" / "inner"


def test_hidden_files_and_those_that_are_no_images_are_passed_over(tmp_path):
    class_folders(tmp_path)
    for name in (
        ".DS_Store",
        "cat/._0.png",
        "cat/Thumbs.db",
        "dog/notes.txt",
        "README.md",
        "__MACOSX/cat/0.png",
        "a.png",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    listing = list_images(tmp_path)
    assert len(listing.files) == 10 and listing.classes == ("cat", "dog")
    assert {file.name: file.why for file in listing.passed_over} == {
        ".DS_Store": "hidden",
        "__MACOSX": "hidden",
        "cat/._0.png": "hidden",
        "cat/Thumbs.db": "hidden",
        "dog/notes.txt": "no image by its name",
        "README.md": "in no class folder",
        "a.png": "in no class folder",
    }


def test_links_within_the_folder_are_followed_and_others_refused(tmp_path):
    root, outside = class_folders(tmp_path / "in"), write(tmp_path / "out" / "secret.png", 1)
    (root / "cat" / "same.png").symlink_to("../dog/0.png")
    assert len(list_images(root).files) == 11 and not list(refusals(list_images(root)))
    (root / "cat" / "away.png").symlink_to(outside)
    (root / "cat" / "loop").symlink_to(root)
    (root / "bird").symlink_to(outside.parent)
    listing = list_images(root)
    assert len(listing.files) == 11 and listing.links == ("bird", "cat/away.png", "cat/loop")
    with pytest.raises(UsageError, match=r"“bird”, “cat/away.png”, “cat/loop”"):
        raise next(refusals(listing))


def test_a_link_that_leads_to_itself_is_named_and_not_asked(tmp_path):
    root = class_folders(tmp_path)
    (root / "cat" / "me.png").symlink_to("me.png")
    (root / "round").symlink_to("again")
    (root / "again").symlink_to("round")
    listing = list_images(root)
    assert len(listing.files) == 10 and listing.links == ("again", "cat/me.png", "round")


def test_pipes_and_sockets_are_no_images(tmp_path):
    class_folders(tmp_path)
    os.mkfifo(tmp_path / "cat" / "pipe.png")
    assert len(list_images(tmp_path).files) == 10


def one_class(root: Path) -> None:
    class_folders(root, ["cat"])


def empty_class(root: Path) -> None:
    class_folders(root)
    (root / "bird").mkdir()


def class_of_text(root: Path) -> None:
    class_folders(root)
    (root / "bird").mkdir()
    (root / "bird" / "note.txt").touch()


def unknown_to_train(root: Path) -> None:
    class_folders(root / "train")
    class_folders(root / "val", ["cat", "bird"])


def from_a_phone(root: Path) -> None:
    class_folders(root)
    (root / "cat" / "IMG_1.HEIC").touch()


def not_utf8(root: Path) -> None:
    class_folders(root)
    write(root / os.fsdecode(b"caf\xe9") / "1.png", 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (one_class, "has one class, “cat”"),
        (empty_class, "The class “bird” has no image"),
        (class_of_text, "The class “bird” has no image"),
        (unknown_to_train, "Only the test part has images of “bird”"),
        (from_a_phone, "Pillow does not read HEIC, which these files are: “cat/IMG_1.HEIC”"),
        (not_utf8, "Class names must be UTF-8, and these are not: “caf�”"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_no_network_can_be_trained_on_has_its_own_message(tmp_path, make, message):
    make(tmp_path)
    found = [error.message for error in refusals(list_images(tmp_path))]
    assert len(found) == 1 and message in found[0]


def only_to_test(root: Path) -> None:
    class_folders(root / "val")
    class_folders(root / "test")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root: root.rmdir(), "does not exist"),
        (lambda root: (root.rmdir(), root.write_text("x")), "is a file"),
        (lambda root: None, "is empty"),
        (lambda root: (root / "notes.txt").touch(), "has no folders with images"),
        (lambda root: write(root / "1.jpg", 1), "lie in .* itself, and nothing says which class"),
        (only_to_test, "a part to test on, “test”, “val”, and none to train on"),
    ],
    ids=["absent", "a file", "empty", "no folders", "flat", "only to test"],
)
def test_what_is_no_data_set_at_all_is_refused(tmp_path, make, message):
    make(root := tmp_path / "photos") if (tmp_path / "photos").mkdir() is None else None
    with pytest.raises(UsageError, match=message) as caught:
        list_images(root)
    assert caught.value.remedy


def test_an_archive_is_to_be_unpacked(tmp_path):
    (tmp_path / "photos.zip").touch()
    with pytest.raises(UsageError, match="is an archive") as caught:
        list_images(tmp_path / "photos.zip")
    assert caught.value.remedy.startswith("Unpack it")
