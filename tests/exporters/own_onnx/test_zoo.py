"""Networks as people have them, timm's and in the authors' form, answer as before on images that no proof saw."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from exporters.artifact import open_artifact
from exporters.options import ExportOptions
from groupnl_deploy.export_onnx import export_own_onnx
from groupnl_deploy.images.bench_images import bench_images
from groupnl_deploy.images.preprocessing import as_input, preprocessing
from groupnl_deploy.recheck import require_artifact
from tests.exporters.own_onnx.conftest import answers
from tests.rigs.authors_form import authors_net
from tests.rigs.timm_nets import WHY_NOT, has_timm, settled, write_onnx

PIXELS = 64
NAMES = (
    *("mobilenetv2_100", "mobilenetv3_large_100", "mobilenetv3_small_100", "efficientnet_b0", "efficientnet_lite0"),
    *("resnet18", "resnet50", "regnetx_002", "regnety_002", "convnext_atto", "convnext_femto", "vit_tiny_patch16_224"),
)


def photographs(count: int) -> torch.Tensor:
    return as_input(torch.tensor(bench_images(None, (3, PIXELS, PIXELS), count).images), *preprocessing(None, 3))


def require_equal(path: Path, out: Path, level: str, images: torch.Tensor, batch: str = "1") -> onnx.ModelProto:
    """Export at a level, and compare on images that the proof did not see; the model that was written."""
    artifact = export_own_onnx(path, out, ExportOptions(level, batch=batch))
    require_artifact(artifact)
    step = len(images) if batch == "dynamic" else 1
    for rows in images.numpy().reshape(-1, step, *images.shape[1:]):
        right, found = (answers(model, {"input": rows})[0] for model in (path, artifact.path("model")))
        assert np.abs(right - found).max() <= 3e-4 * right.std() and (right.argmax(1) == found.argmax(1)).all()
    return onnx.load(artifact.path("model"))


@pytest.mark.slow
@pytest.mark.skipif(not has_timm(), reason=WHY_NOT)
@pytest.mark.parametrize("name", NAMES)
def test_timms_networks_answer_as_before(tmp_path: Path, name: str) -> None:
    options = {"img_size": PIXELS} if name.startswith("vit") else {}
    model = settled(name, photographs(8), **options)
    path = tmp_path / f"{name}.onnx"
    write_onnx(model, (1, 3, PIXELS, PIXELS), path, dynamic=name == "resnet18")
    unseen = photographs(14)[8:]
    for level in ("standard", "full"):
        require_equal(path, tmp_path / level, level, unseen)
    if name == "resnet18":
        require_equal(path, tmp_path / "dynamic", "full", unseen, "dynamic")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ratio", "groups", "normalize"), [(2, 1, True), pytest.param(4, 4, False, marks=pytest.mark.slow)]
)
def test_networks_in_the_authors_form_lose_their_copies(
    tmp_path: Path, ratio: int, groups: int, normalize: bool
) -> None:
    best = best_of_authors(tmp_path, ratio, groups, normalize)
    assert not {"Tile", "Split", "Expand"} & {node.op_type for node in best.graph.node}


@pytest.mark.slow
def test_copies_of_several_groups_that_are_normalised_together_stay_and_are_right(tmp_path: Path) -> None:
    """Their norm is over all copies: no rule knows yet that it is that of the seeds. The export says what stands so."""
    best = best_of_authors(tmp_path, 4, 2, True)
    assert "Tile" in {node.op_type for node in best.graph.node}
    refusals = [said for one in open_artifact(tmp_path / "full").manifest.passes for said in one.refusals]
    assert any("reads the copies" in said for said in refusals)


def best_of_authors(tmp_path: Path, ratio: int, groups: int, normalize: bool) -> onnx.ModelProto:
    """Their form through both levels, equal on images that the proof did not see."""
    path = tmp_path / "authors.onnx"
    write_onnx(authors_net(ratio, groups, normalize, width=64), (1, 3, PIXELS, PIXELS), path)
    unseen = photographs(11)[8:]
    require_equal(path, tmp_path / "standard", "standard", unseen)
    return require_equal(path, tmp_path / "full", "full", unseen)
