"""Own images named by a CSV: how it may be written, and each mistake with its line."""

from pathlib import Path

import pytest

from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.listing import refusals
from groupnl_deploy.images.own_files import list_images
from tests.images.pictures import write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four pictures below a folder, and a secret beside it."""
    for index in range(4):
        write(tmp_path / "set" / "images" / f"{index}.png", index)
    write(tmp_path / "secret.png", 9)
    return tmp_path / "set"


ROWS = [("images/0.png", "cat"), ("images/1.png", "dog"), ("images/2.png", "cat"), ("images/3.png", "dog")]


def written(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "labels.csv"
    path.write_text(text, encoding=encoding)
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("header", [("file", "label"), ("FileName", "Class"), ("image_path", "category")])
def test_columns_are_found_by_their_names_whatever_separates_them(folder, delimiter, header):
    lines = [delimiter.join(row) for row in (header, *ROWS)]
    listing = list_images(written(folder, "\r\n".join(lines) + "\r\n\r\n"))
    assert [(file.name, file.class_name) for file in listing.files] == ROWS
    assert listing.classes == ("cat", "dog") and listing.root == folder and not list(refusals(listing))
    write(folder / "images" / "more" / "0.png", 5)
    assert list_images(folder) == listing


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_labels_are_any_text_in_any_order_of_columns(folder, encoding):
    text = 'label,note,path\n"Äpfel, rot",,images/0.png\n花,x,./images/1.png\n'
    listing = list_images(written(folder, text, encoding))
    assert {file.name: file.class_name for file in listing.files} == {
        "images/0.png": "Äpfel, rot",
        "images/1.png": "花",
    }


def test_paths_of_windows_and_whole_paths_below_the_folder_are_read(folder):
    text = f"file,label\nimages\\0.png,cat\n{folder / 'images' / '1.png'},dog\n"
    assert [file.name for file in list_images(written(folder, text)).files] == ["images/0.png", "images/1.png"]


def test_a_column_says_what_is_tested_on(folder):
    rows = zip(ROWS, ("train", "Train", "val", "test"), strict=True)
    listing = list_images(
        written(folder, "file,label,split\n" + "\n".join(",".join([*row, part]) for row, part in rows))
    )
    assert [(file.name, file.part) for file in listing.files] == [
        ("images/0.png", "train"),
        ("images/1.png", "train"),
        ("images/3.png", "test"),
    ]
    assert "“val”" in listing.notes[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column for the file"),
        ("0.png,cat\n", "no column for the file; its first line is “0.png”, “cat”"),
        ("file,image,label\n", "several columns for the file"),
        ("file,label\n", "names no file"),
        ("file,label\nimages/0.png\n", "Line 2 .* has 1 cells, and the first line 2"),
        ("file,label\nimages/0.png,cat,x\n", "Line 2 .* has 3 cells"),
        ("file,label\nimages/0.png,\n", "Line 2 .* has no label"),
        ("file,label\nimages/0.png,NaN\n", "Line 2 .* has no label"),
        ("file,label\n,cat\n", "Line 2 .* has no file"),
        (
            "file,label\n\nimages/0.png,cat\nimages/9.png,cat\n",
            "Line 4 .* names a file that does not exist: .*/9",
        ),
        ("file,label\nimages,cat\n", "Line 2 .* names a file that does not exist: images"),
        ("file,label\nimages/0.png,cat\n./images/0.png,dog\n", "Lines 2 and 3 .* name the same file"),
        ("file,label\n../secret.png,cat\n", r"Line 2 .* leads out of its folder: \.\./secret.png"),
        ("file,label\nimages/../../secret.png,cat\n", "leads out of its folder"),
        ("file,label\nimages/round.png,cat\n", "Line 2 .* names a file that does not exist"),
        (f"file,label\n{'x' * 300}.png,cat\n", "Line 2 .* names a file that does not exist"),
        ("file,label\na\0.png,cat\n", "Line 2 .* names a file that does not exist"),
        ("file,label\n/etc/hostname,cat\n", "leads out of its folder"),
        ("file,label\nimages/link.png,cat\n", "leads out of its folder"),
        (
            "file,label\nimages/0.png,0\nimages/1.png,-1\n",
            "Line 3 .* has the label -1, and classes are",
        ),
        ("file,label,split\nimages/0.png,cat,holdout\n", "Line 2 .* is in the part “holdout”"),
        ('file,label\n"images/0.png,cat\n', "is no CSV"),
    ],
)
def test_a_mistake_is_told_with_its_line(folder, text, message):
    (folder / "images" / "round.png").symlink_to("round.png")
    (folder / "images" / "link.png").symlink_to(folder.parent / "secret.png")
    with pytest.raises(UsageError, match=message) as caught:
        list_images(written(folder, text))
    assert caught.value.remedy


def test_another_encoding_is_told_with_its_line(folder):
    with pytest.raises(UsageError, match="is not UTF-8: line 3"):
        list_images(written(folder, "file,label\nimages/0.png,cat\nimages/1.png,Bär\n", "latin-1"))


def test_a_class_that_is_tested_on_and_never_seen_is_refused(folder):
    listing = list_images(written(folder, "file,label,split\nimages/0.png,cat,train\nimages/1.png,dog,test\n"))
    assert "Only the test part has images of “dog”" in next(refusals(listing)).message
