"""groupnl data check: counts, findings by weight, exit codes, the contact sheet."""

import io
import json
import shutil
import sys
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from groupnl_deploy.cli.main import app
from groupnl_deploy.images import inspected
from groupnl_deploy.images.inspected import inspect_files
from groupnl_deploy.progress import Silence
from tests.images.pictures import class_folders, picture, write


def check(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["data", "check", *map(str, arguments)])


def findings_of(root: Path, *arguments: object) -> dict[str, tuple[str, list[list[str]]]]:
    """By kind: the weight, and the files."""
    found = json.loads(check(root, "--json", *arguments).stdout)["check"]["findings"]
    return {finding["kind"]: (finding["weight"], finding["files"]) for finding in found}


def test_a_sound_folder_is_counted_and_the_next_step_told(tmp_path):
    root = class_folders(tmp_path / "ein paar bilder", ["cat", "花"], each=10)
    done = check(root, "--seed", 3)
    assert done.exit_code == 0
    assert "2 classes, 20 images, split by seed 3" in done.stdout and "PNG 20; 24x16 (20)" in done.stdout
    assert [line.split() for line in done.stdout.splitlines() if "花" in line] == [["花", "10", "8", "2"]]
    assert f"groupnl train --dataset folder --data '{root}' --model NAME --out net" in done.stderr


def test_json_has_all_of_it(tmp_path):
    class_folders(tmp_path / "train", each=3)
    class_folders(tmp_path / "val", each=2, first=50)
    found = json.loads(check(tmp_path, "--json").stdout)
    assert found["usable"] and found["check"]["parts"] == "the folder"
    assert found["check"]["classes"][0] == {"name": "cat", "images": 5, "train": 3, "test": 2}
    assert found["check"]["sizes"] == [[24, 16, 10]]


def messy(root: Path) -> Path:
    """One of each kind of oddity in a folder of two classes."""
    class_folders(root, ["cat", "dog"], each=12)
    cat, dog = root / "cat", root / "dog"
    shutil.copyfile(cat / "0.png", dog / "stray.png")
    shutil.copyfile(cat / "1.png", cat / "again.png")
    picture(2).save(cat / "anew.bmp")  # of which cat/2.png has the same pixels
    picture(50).save(cat / "misnamed.jpg", "PNG")
    picture(51).convert("CMYK").save(cat / "ink.jpg")
    picture(52).save(cat / "no ending", "PNG")
    picture(53, (200, 20)).save(cat / "long.png")
    picture(54).quantize(8).save(cat / "film.gif", save_all=True, append_images=[picture(55).quantize(8)])
    Image.new("RGBA", (24, 16), (1, 2, 3, 4)).save(dog / "flat.png")
    Image.new("I;16", (24, 16), 30000).save(dog / "deep.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(56, (16, 24)).save(dog / "turned.jpg", exif=exif)
    (dog / "notes.txt").write_text("x")
    (dog / ".hidden").write_text("x")
    (root / "README").write_text("x")
    return root


def test_oddities_are_found_each_with_its_weight(tmp_path):
    messy(tmp_path / "train")
    class_folders(tmp_path / "test", each=2, first=500)
    found = findings_of(tmp_path, "--input", "3,8,8")
    assert {kind: files for kind, (weight, files) in found.items() if weight == "warns"} == {
        "in several classes": [["train/cat/0.png", "train/dog/stray.png"]],
        "left out": [["train/cat/no ending"]],
    }
    assert {kind: files for kind, (weight, files) in found.items() if weight == "odd"} == {
        "equal": [["train/cat/1.png", "train/cat/again.png"]],
        "saved anew": [["train/cat/2.png", "train/cat/anew.bmp"]],
        "misnamed": [["train/cat/misnamed.jpg"]],
        "other size": [["train/cat/long.png"]],
        "long": [["train/cat/long.png"]],
        "CMYK": [["train/cat/ink.jpg"]],
        "16 bit": [["train/dog/deep.png"]],
        "grey": [["train/dog/deep.png"]],
        "several pictures": [["train/cat/film.gif"]],
        "transparent": [["train/dog/flat.png"]],
        "turned by EXIF": [["train/dog/turned.jpg"]],
        "of one colour": [["train/dog/deep.png"], ["train/dog/flat.png"]],
        "hidden": [["train/dog/.hidden"]],
        "no image by its name": [["train/dog/notes.txt"]],
        "in no class folder": [["train/README"]],
    }


def test_the_same_picture_on_both_sides_is_found_even_when_it_was_saved_anew(tmp_path):
    class_folders(tmp_path / "train", each=4)
    class_folders(tmp_path / "test", each=4, first=50)
    picture(0).save(tmp_path / "test" / "cat" / "anew.tif")
    picture(51).save(tmp_path / "test" / "cat" / "anew.bmp")
    found = findings_of(tmp_path)
    assert found["on both sides"] == ("warns", [["test/cat/anew.tif", "train/cat/0.png"]])
    assert found["saved anew"] == ("odd", [["test/cat/1.png", "test/cat/anew.bmp"]])


def test_classes_that_are_unequal_or_not_tested_are_told(tmp_path):
    class_folders(tmp_path / "train", ["cat"], each=20)
    class_folders(tmp_path / "train", ["dog"], each=2, first=50)
    class_folders(tmp_path / "val", ["cat"], each=1, first=90)
    done = check(tmp_path)
    assert done.exit_code == 0
    assert "“cat” has 21 images, “dog” 2" in done.stdout and "No image to test on: “dog”" in done.stdout


def damaged(root: Path) -> None:
    path = root / "cat" / "3.png"
    path.write_bytes(path.read_bytes()[:200])


def empty_class(root: Path) -> None:
    (root / "bird").mkdir()


def one_image(root: Path) -> None:
    write(root / "bird" / "1.png", 99)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (damaged, r"cat/3.png is damaged: image file is truncated"),
        (empty_class, "The class “bird” has no image"),
        (one_image, "The class “bird” has one image"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_stops_a_training_is_told_with_what_to_do_and_exit_code_4(tmp_path, spoil, message):
    spoil(class_folders(tmp_path / "a"))
    done = check(tmp_path / "a")
    assert done.exit_code == 4
    assert "Keeps a network from being trained" in done.stdout and message in done.stdout
    assert "No network can be trained on" in done.stderr and "Then check it again." in done.stderr
    assert json.loads(check(tmp_path / "a", "--json").stdout)["usable"] is False


def test_what_is_no_data_set_is_a_mistake_of_usage(tmp_path):
    assert check(tmp_path / "nowhere").exit_code == 2
    assert check(class_folders(tmp_path / "a"), "--input", "4,8,8").exit_code == 2


def test_several_processes_find_what_one_finds(tmp_path, monkeypatch):
    root = class_folders(tmp_path, each=6)
    names = sorted(str(path.relative_to(root)) for path in root.glob("*/*.png"))
    alone = inspect_files(root, names, Silence())
    monkeypatch.setattr(inspected, "_FEW", 0)
    assert inspect_files(root, names, Silence()) == alone


def test_the_contact_sheet_has_a_row_for_each_class(tmp_path):
    root = class_folders(tmp_path / "a", ["cat", "dog", "花"], each=5)
    (root / "dog" / "0.png").write_bytes(b"x")
    done = check(root, "--sheet", tmp_path / "sheet.png", "--input", "3,16,16")
    assert done.exit_code == 4 and (tmp_path / "sheet.png").exists()
    with Image.open(io.BytesIO((tmp_path / "sheet.png").read_bytes())) as sheet:
        width, height = sheet.size
        assert sheet.getpixel((250, height - 50)) != (255, 255, 255)
    class_folders(root, ["eel"], each=5, first=5000)
    check(root, "--sheet", tmp_path / "taller.png", "--input", "3,16,16")
    with Image.open(tmp_path / "taller.png") as sheet:
        assert sheet.size == (width, height + 102)


@pytest.mark.parametrize(("name", "message"), [("there.png", "exists already"), ("a.pdf", "picture format")])
def test_a_sheet_that_cannot_be_written_is_told_before_an_image_is_read(tmp_path, monkeypatch, name, message):
    monkeypatch.setitem(sys.modules, "groupnl_deploy.images.inspected", None)
    (tmp_path / "there.png").touch()
    done = check(class_folders(tmp_path / "a"), "--sheet", tmp_path / name)
    assert done.exit_code == 2 and message in done.stderr
