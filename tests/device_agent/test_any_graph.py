"""Graphs of somebody else's go to a device: several inputs, other types, no image, several outputs."""

import dataclasses
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto
from typer.testing import CliRunner

from device_agent.acceptance import differences
from device_agent.arrays import NotTheseArrays, read_arrays, write_arrays
from device_agent.errors import BadRequest, DigestMismatch
from device_agent.inputs import bench_inputs, preprocess
from device_agent.manifest import ArtifactManifest, Golden, Preprocessing, Source, TensorInfo
from device_agent.messages.bench import ImagePayload
from device_agent.strict import StrictError
from exporters.artifact import Artifact
from exporters.errors import OnnxRefused
from exporters.own_onnx.given import read_inputs
from exporters.own_onnx.signature import Input
from groupnl_deploy.bench.run import load_run
from groupnl_deploy.cli.main import app
from groupnl_deploy.errors import UsageError, VerificationFailed
from groupnl_deploy.recheck import require_artifact
from tests.device_agent.graph_artifacts import (
    AS_THEY_ARE,
    CLASSES,
    box_samples,
    channels_last,
    graph_artifact,
    masked_text,
    text_samples,
    two_outputs,
)

SHORT = ["--idle", "0", "--warmup", "0", "--seconds", "0", "--iterations", "3", "--threads", "1"]


def groupnl(*words: str) -> Any:
    return CliRunner().invoke(app, list(words))


def text_artifact(folder: Path, **changes: Any) -> Artifact:
    return graph_artifact(folder, masked_text(), text_samples(), **changes)


@pytest.mark.parametrize(
    ("make", "shown", "answers", "source"),
    [
        (text_artifact, 0, 4, "4 samples of the artifact's own"),
        pytest.param(
            lambda folder: graph_artifact(folder, channels_last(), None, AS_THEY_ARE),
            5,
            5,
            "5 seeded crops",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            lambda folder: graph_artifact(folder, two_outputs(), box_samples()),
            0,
            0,
            "3 samples",
            marks=pytest.mark.slow,
        ),
    ],
    ids=["ids and mask", "uint8 NHWC", "two outputs"],
)
def test_it_is_pushed_and_benched(make: Any, shown: int, answers: int, source: str, tmp_path: Path) -> None:
    make(tmp_path / "mine")
    pushed = groupnl("push", str(tmp_path / "mine"), "--device", "local")
    assert pushed.exit_code == 0, pushed.output
    out = str(tmp_path / "run")
    done = groupnl("bench", str(tmp_path / "mine"), "--device", "local", "--images", "5", "--out", out, *SHORT)
    assert done.exit_code == 6, done.output  # three inferences are no measurement
    run, _ = load_run(tmp_path / "run")
    assert run.request.images_sent == shown and len(run.result.predictions) == answers
    assert run.agreement.holds and run.agreement.images == run.request.images_sent + run.manifest.samples
    assert source in run.images.source and run.images.labels is None
    (row,) = json.loads(groupnl("report", out, "--json").stdout)["rows"]
    assert row["trained"] is None and row["accuracy"] is None and row["source"] == "onnx"
    assert row["network"] == "by hand" and row["classes"] == (CLASSES if answers else None)


def test_the_model_is_shown_the_samples_one_by_one_and_pixels_as_its_layout_says(tmp_path: Path) -> None:
    artifact, samples = text_artifact(tmp_path / "text"), text_samples()
    inputs = bench_inputs(artifact.directory, [], artifact.manifest)
    for number, one in enumerate(inputs):
        assert all(np.array_equal(one[name], array[number]) for name, array in samples.items())
        assert one["ids"].shape == (1, 8) and one["ids"].flags.writeable
    pixels = np.random.default_rng(0).integers(0, 256, (1, 3, 4, 5), dtype=np.uint8)
    assert np.array_equal(preprocess(pixels, AS_THEY_ARE, "uint8"), pixels.transpose(0, 2, 3, 1))
    signed = Preprocessing((128 / 255,) * 3, (1 / 255,) * 3)
    assert np.array_equal(preprocess(pixels, signed, "int8"), pixels.astype(np.int16) - 128)
    assert preprocess(pixels, signed, "float16").dtype == np.float16


@pytest.mark.parametrize(
    ("element", "how"),
    [
        (TensorProto.UINT8, AS_THEY_ARE),
        (TensorProto.INT8, Preprocessing((0.485, 0.456, 0.406), (0.229 / 32, 0.224 / 32, 0.225 / 32), "nhwc")),
        (TensorProto.FLOAT16, Preprocessing((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "nhwc")),
    ],
    ids=["uint8", "int8 of steps", "float16"],
)
def test_pixels_that_the_input_rounds_are_pixels_still(element: int, how: Preprocessing, tmp_path: Path) -> None:
    artifact = graph_artifact(tmp_path / "image", channels_last(element), None, how)
    assert require_artifact(artifact) == ()
    other = dataclasses.replace(artifact.manifest, preprocessing=dataclasses.replace(how, std=(9.0,) * 3))
    with pytest.raises(VerificationFailed, match="was not prepared with"):
        require_artifact(dataclasses.replace(artifact, manifest=other))


def test_images_for_a_model_that_takes_none_are_refused(tmp_path: Path) -> None:
    text = text_artifact(tmp_path / "text")
    with pytest.raises(BadRequest, match="1 images were sent to a model that is shown its own samples"):
        bench_inputs(text.directory, [ImagePayload((1, 1, 1), "AA==")], text.manifest)
    image = graph_artifact(tmp_path / "image", channels_last(), None, AS_THEY_ARE)
    with pytest.raises(BadRequest, match="0 images were sent to a model that is shown images"):
        bench_inputs(image.directory, [], image.manifest)


def test_samples_that_are_others_than_foretold_are_never_shown(tmp_path: Path) -> None:
    artifact = text_artifact(tmp_path / "text")
    write_arrays(artifact.path("samples"), text_samples() | {"ids": np.zeros((4, 1, 8), np.int32)})
    with pytest.raises(DigestMismatch, match=r"its ids is int32 \(4, 1, 8\), and should be int64"):
        bench_inputs(artifact.directory, [], artifact.manifest)


IDS, MASK = TensorInfo("ids", (1, 2), "int64"), TensorInfo("a/b:0", ())
GOOD = {"ids": np.array([[1, 2]]), "a/b:0": np.array(0.5, np.float32)}


def test_arrays_come_back_as_they_were_from_equal_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_arrays(tmp_path / name, GOOD)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    found = read_arrays(tmp_path / "one", [MASK, IDS])
    assert list(found) == ["a/b:0", "ids"] and all(np.array_equal(found[name], GOOD[name]) for name in GOOD)
    assert found["a/b:0"].shape == () and found["ids"].dtype == np.int64
    assert np.array_equal(np.load(tmp_path / "one")["ids"], GOOD["ids"]), "NumPy reads them too"


def bomb(path: Path) -> None:
    """A header that claims a terabyte, over nothing."""
    with zipfile.ZipFile(path, "w") as archive:
        with archive.open("ids.npy", "w") as member:
            about = {"descr": "<i8", "fortran_order": False, "shape": (1, 1 << 37)}
            np.lib.format.write_array_header_1_0(member, about)
        archive.writestr("a/b:0.npy", b"")


def objects(path: Path) -> None:
    np.savez(path.open("wb"), **(GOOD | {"ids": np.array([[{}, {}]], dtype=object)}))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_bytes(b"no archive"), "no archive of arrays"),
        (lambda path: write_arrays(path, {"ids": GOOD["ids"]}), "it holds ids in place of ids, a/b:0"),
        (lambda path: write_arrays(path, GOOD | {"more": GOOD["ids"]}), "in place of"),
        (lambda path: write_arrays(path, GOOD | {"ids": np.zeros((1, 3), np.int64)}), r"int64 \(1, 3\)"),
        (lambda path: write_arrays(path, GOOD | {"ids": np.zeros((1, 2), ">i8")}), "and should be int64"),
        (lambda path: write_arrays(path, GOOD | {"ids": np.zeros((1, 2), np.uint64)}), "its ids is uint64"),
        (objects, "its ids is object"),
        (bomb, "137438953472"),
        (lambda path: np.savez_compressed(path, **GOOD), "it is compressed"),
    ],
)
def test_other_arrays_than_foretold_are_refused_by_their_headers(make: Any, words: str, tmp_path: Path) -> None:
    make(tmp_path / "x.npz")
    with pytest.raises(NotTheseArrays, match=words):
        read_arrays(tmp_path / "x.npz", [IDS, MASK])


def test_an_archive_cut_short_or_with_a_byte_more_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive, archive.open("ids.npy", "w") as member:
        np.lib.format.write_array(member, GOOD["ids"], (1, 0))
        member.write(b"!")
    with pytest.raises(NotTheseArrays, match="another length"):
        read_arrays(tmp_path / "x.npz", [IDS])
    data = (tmp_path / "x.npz").read_bytes()
    (tmp_path / "x.npz").write_bytes(data[: len(data) // 2])
    with pytest.raises(NotTheseArrays, match="no archive"):
        read_arrays(tmp_path / "x.npz", [IDS])


@pytest.mark.parametrize(
    "header", ["((((", "'''", "  x\n y", "{'descr': ',,,', 'fortran_order': False, 'shape': (1,)}"]
)
def test_a_header_that_is_no_text_of_pythons_is_refused(header: str, tmp_path: Path) -> None:
    text = header.encode() + b"\n"
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("ids.npy", b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text)
    with pytest.raises(NotTheseArrays, match="no archive of arrays"):
        read_arrays(tmp_path / "x.npz", [IDS])
    with pytest.raises(OnnxRefused, match=r"no \.npz file of plain numbers"):
        read_inputs(tmp_path / "x.npz", [Input("ids", "int64", (1,))])


SCORES, BOXES, COUNT = TensorInfo("scores", (1, 3)), TensorInfo("boxes", (1, 2, 2)), TensorInfo("n", (1,), "int64")
RIGHT = {
    "scores": np.array([[1.0, 3.0, 2.9]], np.float32),
    "boxes": np.array([[[0, 1], [2, -np.inf]]], np.float32),
    "n": np.array([1 << 60], np.int64),
}


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({}, None),
        ({"scores": [[1.05, 3.05, 2.95]]}, None),
        ({"scores": [[1.2, 3.0, 2.9]]}, r"max \|Δ\| of scores 0.2, allowed 0.1"),
        ({"scores": [[1.0, 2.93, 2.97]]}, "the largest of scores is number 2, and should be 1"),
        ({"scores": [[np.nan, 3.0, 2.9]]}, "of scores nan"),
        ({"boxes": [[[0, 1], [2, 0]]]}, "of boxes inf"),
        ({"boxes": [[[0, 1], [2.05, -np.inf]]]}, None),
        ({"n": [(1 << 60) + 1]}, "of n "),
        ({"n": [1]}, "of n "),
    ],
)
def test_each_output_is_held_against_its_own_allowance(found: dict[str, Any], words: str | None) -> None:
    ours = {name: np.array(found.get(name, right), right.dtype) for name, right in RIGHT.items()}
    said = list(differences((SCORES, BOXES, COUNT), Golden((0.1, 0.1, 0.0)), ours, RIGHT))
    assert len(said) == (words is not None)
    assert words is None or re.search(words, said[0])


def test_of_a_quantized_graph_the_mean_is_held_against_the_allowance() -> None:
    ours = RIGHT | {"boxes": np.array([[[0.3, 1], [2, -np.inf]]], np.float32)}
    for measure, off in (("mean", 0), ("max", 1)):
        golden = Golden((0.1, 0.1, 0.0), measure)  # type: ignore[arg-type]
        assert len(list(differences((SCORES, BOXES, COUNT), golden, ours, RIGHT))) == off


def test_a_tie_may_change_places() -> None:
    ours = RIGHT | {"scores": np.array([[1.0, 2.93, 2.97]], np.float32)}
    assert not list(differences((SCORES, BOXES, COUNT), Golden((0.1, 0.1, 0.0), tie=0.11), ours, RIGHT))


CONTRADICTIONS: list[tuple[dict[str, Any], str]] = [
    ({"inputs": ()}, "its inputs need names"),
    ({"outputs": (TensorInfo("scores", (1, 3)),) * 2}, "its outputs need names"),
    ({"preprocessing": AS_THEY_ARE, "samples": 0}, "one input of four axes"),
    ({"samples": 0}, "takes no image, and has 0 samples"),
    ({"golden": Golden((0.1, 0.1))}, "1 outputs, and its golden pair 2 tolerances"),
    ({"model": {"name": "resnet18"}}, "made from an ONNX file, and has a specification"),
]


@pytest.mark.parametrize(("changes", "words"), CONTRADICTIONS)
def test_a_manifest_that_contradicts_itself_is_refused(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    manifest = text_artifact(tmp_path / "text").manifest
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(manifest, **changes)


@pytest.mark.parametrize("edit", [{"shape": [1, 0]}, {"shape": [-1, 8]}, {"dtype": "float8"}, {"name": ""}])
def test_a_tensor_that_cannot_be_is_refused(edit: dict[str, Any], tmp_path: Path) -> None:
    table = json.loads(text_artifact(tmp_path / "text").manifest.to_bytes())
    table["inputs"][0] |= edit
    with pytest.raises(StrictError, match="inputs"):
        ArtifactManifest.from_bytes(json.dumps(table).encode())


CLAIMS: list[tuple[dict[str, Any], str]] = [
    ({"trained": True}, "says how that was trained"),
    ({"source": Source("onnx", "zzz", "mine.onnx")}, "which is no digest"),
    ({"source": Source("onnx", "a" * 64, "../mine.onnx")}, "is no plain name"),
    ({"inputs": (TensorInfo("ids", (1, 8), "int32"), TensorInfo("mask", (1, 8)))}, "its input is"),
    ({"inputs": (TensorInfo("mask", (1, 8)), TensorInfo("ids", (1, 8), "int64"))}, "its input is"),
    ({"outputs": (TensorInfo("scores", (1, 4)),)}, "its output is"),
    ({"opset": 16}, "its opset is 16, and the graph's 17"),
    ({"samples": 5}, "its samples is not what the manifest says"),
    ({"golden": Golden((0.5,))}, "its golden tolerance of scores is 0.5"),
    ({"golden": Golden((1e-3,), "mean")}, "quantized is False"),
    ({"golden": Golden((99.0,), "mean"), "quantized": True}, "with which zeros would do"),
    ({"golden": Golden((0.51,), "mean"), "quantized": True}, "a quantized graph has at most 0.5"),
    ({"golden": Golden((0.01,), "mean", 0.07), "quantized": True}, "its golden tie is 0.07"),
    ({"golden": None}, "it has no golden pair"),
]


@pytest.mark.parametrize(("changes", "words"), CLAIMS)
def test_a_claim_that_the_files_do_not_bear_out_is_refused(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    whole = text_artifact(tmp_path / "text")
    assert require_artifact(whole) == ()
    artifact = dataclasses.replace(whole, manifest=dataclasses.replace(whole.manifest, **changes))
    with pytest.raises(VerificationFailed, match=words):
        require_artifact(artifact)


def test_a_checkpoint_is_none_of_its_business(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="made from an ONNX file"):
        require_artifact(text_artifact(tmp_path / "text"), tmp_path)


def test_it_is_no_network_that_could_be_counted(tmp_path: Path) -> None:
    text_artifact(tmp_path / "text")
    done = groupnl("models", "show", str(tmp_path / "text"))
    assert done.exit_code == 2 and "made from an ONNX file" in done.stderr
