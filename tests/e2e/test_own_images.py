"""GroupNL-MobileNetV3 or MobileNetV3, for a folder of images: by the README's commands, and by one campaign."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from groupnl_deploy.bench.run import load_run
from groupnl_deploy.campaign.load import load_campaign

ROOT = Path(__file__).parents[2]
CLASSES = ("null", "eins", "zwei")
SMALL = "3,32,32"

pytestmark = [pytest.mark.slow, pytest.mark.alone]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Sixty real images of three classes, in files of several kinds."""
    from sklearn.datasets import load_digits  # a second to import, and others only collect this file

    digits = load_digits()
    for label, name in enumerate(CLASSES):
        folder = tmp_path / "photos" / name
        folder.mkdir(parents=True)
        for index, image in enumerate(digits.images[digits.target == label][:20]):
            pixels = Image.fromarray((image * 255 / 16).astype(np.uint8)).resize((48, 64))
            pixels.convert("RGB" if index % 2 else "L").save(folder / f"Bild {index}{('.png', '.jpg')[index % 2]}")
    return tmp_path / "photos"


def groupnl(folder: Path, *arguments: str, code: tuple[int, ...] = (0,)) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "groupnl_deploy.cli.entry", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in code, done.stderr
    return done.stdout


def the_readmes_commands() -> list[list[str]]:
    page = (ROOT / "README.md").read_text()
    block = re.search(r"Five commands tell:\n\n```sh\n(.*?)```", page, re.DOTALL)
    assert block is not None
    return [shlex.split(line, comments=True)[1:] for line in block[1].splitlines()]


def test_the_five_commands_of_the_readme_answer_it(photos: Path, tmp_path: Path) -> None:
    """As they stand there, but smaller, shorter, and on this machine; disturbed rows (exit code 6) are rows, too."""
    commands = the_readmes_commands()
    assert [words[0] for words in commands] == ["data", "train", "train", "bench", "report"]
    said = []
    for words in commands:
        smaller = [{"3,128,128": SMALL, "pi": "local"}.get(word, word) for word in words]
        more = {
            "train": ["--width", "0.25", "--epochs", "1"],
            "bench": ["--idle", "0", "--warmup", "0.5", "--seconds", "1"],
        }
        said.append(groupnl(tmp_path, *smaller, *more.get(words[0], []), code=(0, 6)))
    assert "3 classes, 60 images" in said[0] and (tmp_path / "sheet.png").stat().st_size > 1000
    assert all(name in said[1] for name in CLASSES) and "accuracy" in said[1]
    assert "standard" in said[4] and "groupnl-sparse" in said[4]
    runs = sorted((tmp_path / "runs").iterdir())
    manifests = [load_run(run)[0].manifest for run in runs]
    assert [manifest.data.class_names for manifest in manifests if manifest.data] == [tuple(sorted(CLASSES))] * 2
    rows = json.loads(groupnl(tmp_path, "report", *map(str, runs), "--json", code=(0, 6)))["rows"]
    assert all(row["accuracy"] is not None and row["images"] == 12 for row in rows)


def test_one_campaign_answers_it(photos: Path, tmp_path: Path) -> None:
    """examples/own_images.toml as it stands, with a smaller input, narrower networks and a shorter benchmark."""
    text = (ROOT / "examples/own_images.toml").read_text()
    assert load_campaign(ROOT / "examples/own_images.toml").models[1].config.model == "mobilenetv3_gnl_large_100"
    text = text.replace('input = "3,128,128"', f'input = "{SMALL}"\nepochs = 1')
    text = re.sub(r'^(model = ".*")$', r"\1\nwidth = 0.25", text, flags=re.MULTILINE)
    text += "\n[bench.workload]\nidle_s = 0\nwarmup_s = 0.5\nmin_seconds = 1\n"
    (tmp_path / "own.toml").write_text(text)
    shown = groupnl(tmp_path, "run", "own.toml", code=(0, 6))
    assert "standard" in shown and "groupnl-sparse" in shown and "Acc." in shown
    report = json.loads((tmp_path / "runs/own_images/report/report.json").read_text())
    assert len(report["rows"]) == 2 and all(row["accuracy"] is not None for row in report["rows"])
    before = json.loads(groupnl(tmp_path, "run", "own.toml", "--list", "--json"))
    assert all(job["up_to_date"] for job in before["jobs"])
    (tmp_path / "photos/eins/neu.png").write_bytes((tmp_path / "photos/eins/Bild 0.png").read_bytes() + b"\0")
    after = json.loads(groupnl(tmp_path, "run", "own.toml", "--list", "--json"))
    assert not any(job["up_to_date"] for job in after["jobs"])
