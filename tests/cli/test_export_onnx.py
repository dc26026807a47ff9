"""`groupnl export --onnx` as it is typed: from a file to a bench, and what it says on the way."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from groupnl_deploy.cli.main import app
from tests.exporters.own_onnx.conftest import model_of, noise

TEXT = """net (float[N,3,16,16] picture) => (float[N,5] scores)
    { maps = Conv(picture, w) normal = BatchNormalization(maps, s, s, s, s) active = Relu(normal)
      pooled = GlobalAveragePool(active) scores = Flatten(pooled) }"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.onnx"
    path.write_bytes(model_of(TEXT, w=noise(5, 3, 3, 3), s=np.abs(noise(5)) + 1).SerializeToString())
    return path


def test_a_file_becomes_an_artifact_that_names_what_was_fused_and_what_was_assumed(file: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["export", "--onnx", str(file), "--out", str(tmp_path / "out"), "--explain"])
    assert done.exit_code == 0, done.output
    said = " ".join(done.stdout.split())
    assert "BatchNormalization 1 → 0" in said and "the file in float32 is itself off by" in said
    assert "ImageNet's mean 0.485, 0.456, 0.406" in done.stderr and "photographs" in done.stderr


@pytest.mark.slow
def test_it_is_pushed_and_benched_as_any_other(file: Path, tmp_path: Path) -> None:
    CliRunner().invoke(app, ["export", "--onnx", str(file), "--out", str(tmp_path / "out")])
    bench = ["bench", str(tmp_path / "out"), "--device", "local", "--out", str(tmp_path / "run"), "--json"]
    short = ["--images", "2", "--idle", "0.1", "--warmup", "0.1", "--iterations", "20", "--seconds", "0.2"]
    benched = CliRunner().invoke(app, [*bench, *short])
    assert benched.exit_code in (0, 6), benched.output  # 6: other tests compute beside it
    assert json.loads(benched.stdout)["rows"][0]


def test_pictures_of_any_folder_and_a_mean_of_bytes(file: Path, tmp_path: Path) -> None:
    from PIL import Image

    pictures = tmp_path / "pictures" / "deep"
    pictures.mkdir(parents=True)
    for seed in range(3):
        pixels = np.random.default_rng(seed).integers(0, 256, (20, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(pictures / f"{seed}.png")
    command = [
        "export",
        "--onnx",
        str(file),
        "--out",
        str(tmp_path / "out"),
        "--images",
        str(pictures.parent),
        "--json",
    ]
    wrong = CliRunner().invoke(app, [*command, "--mean", "123.675"])
    assert wrong.exit_code == 2 and "--mean 0.485" in wrong.stderr and not (tmp_path / "out").exists()
    done = CliRunner().invoke(app, [*command, "--mean", "0.5", "--std", "0.5"])
    manifest = json.loads(done.stdout)["manifest"]
    assert manifest["preprocessing"]["mean"] == [0.5, 0.5, 0.5] and manifest["parity"]["images"] == 3
    command[4], command[6] = str(tmp_path / "other"), str(tmp_path / "none")
    none = CliRunner().invoke(app, command)
    assert none.exit_code == 2 and "is no folder" in none.stderr
