"""What a hand may change in the record of native operators is held against the graphs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest

from device_agent.manifest import ArtifactFile, ArtifactManifest, NativeModel, NativeOperators
from exporters.artifact import Artifact, open_artifact, write_manifest
from groupnl_deploy.errors import VerificationFailed
from groupnl_deploy.recheck import require_artifact
from tests.rigs.native_graphs import PLAIN, depthwise, native_artifact

OF_16 = NativeModel("model.onnx", 16, "1.17", "1.32")
OF_8 = NativeModel("model-8.onnx", 8, "1.17", "1.32", proof="decoded")


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    """With two model files, one for each block."""
    return native_artifact(tmp_path / "native", OF_16, OF_8)


def edited(artifact: Artifact, **changes: Any) -> Artifact:
    """With another record of native operators: its identity is a new one, and valid."""
    assert artifact.manifest.native is not None
    native = replace(artifact.manifest.native, **changes)
    write_manifest(artifact.directory, replace(artifact.manifest, native=native))
    return open_artifact(artifact.directory)


def test_what_an_export_wrote_is_so(artifact: Artifact, tmp_path: Path) -> None:
    require_artifact(artifact)
    require_artifact(native_artifact(tmp_path / "plain"))
    tried_before = replace(OF_16, newest_runtime="1.31")  # by an older version
    require_artifact(edited(artifact, models=(tried_before, OF_8)))


CLAIMS: list[tuple[dict[str, Any], str]] = [
    ({"domain": "theirs"}, "its native operators are of theirs, and ours are of groupnl.native"),
    ({"version": 2}, "version 2, and those of model.onnx of 1"),
    ({"operators": {"Depthwise": 2}}, "its native operators are 2 Depthwise, and the graph's 1 Depthwise"),
    ({"operators": {}}, "its native operators are none, and the graph's 1 Depthwise"),
    ({"models": (replace(OF_16, block=8), OF_8)}, "model.onnx is in blocks of 8, and the graph of 16"),
    ({"models": (replace(OF_16, block=0), OF_8)}, "model.onnx is in blocks of 0, and the graph of 16"),
    ({"models": (replace(OF_16, block=4), OF_8)}, "blocks of 4, which no processor has"),
    *(
        (
            {"models": (OF_16, replace(OF_8, **lie))},
            f"model-8.onnx is for ONNX Runtime {words}, .*generic for 1.17 to 1.32",
        )
        for lie, words in (
            ({"oldest_runtime": "any"}, "any to 1.32"),
            ({"oldest_runtime": "1.15.1"}, "1.15.1 to 1.32"),
            ({"oldest_runtime": "1.20"}, "1.20 to 1.32"),
            ({"newest_runtime": "any"}, "1.17 to any"),
            ({"newest_runtime": "1.33"}, "1.17 to 1.33"),
            ({"newest_runtime": "1.16"}, "1.17 to 1.16"),
            ({"newest_runtime": None}, "1.17 or newer"),
        )
    ),
    (
        {"models": (OF_16, replace(OF_8, one_thread_below="1.17"))},
        "model-8.onnx has one_thread_below 1.17, and such a graph has none",
    ),
    (
        {"models": (OF_16, replace(OF_8, proof="run"))},
        "in blocks of 8 and of 16 ran in the proof, and no processor has",
    ),
]


@pytest.mark.parametrize(("changes", "words"), CLAIMS)
def test_a_record_that_the_graphs_do_not_bear_out_is_refused(
    artifact: Artifact, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(VerificationFailed, match=words):
        require_artifact(edited(artifact, **changes))


PLAIN_CLAIMS = [
    ({"newest_runtime": "1.32"}, r"is for ONNX Runtime 1.17 to 1.32, and such a graph for generic for 1.17 or newer"),
    ({"proof": "decoded"}, "was proved as it is read back, and what is in no blocks is run"),
]


@pytest.mark.parametrize(("changes", "words"), PLAIN_CLAIMS)
def test_a_plain_graph_is_run_in_any_newer_runtime(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(VerificationFailed, match=words):
        require_artifact(edited(native_artifact(tmp_path / "plain"), models=(replace(PLAIN, **changes),)))


def test_a_runtime_that_is_too_old_for_a_file_did_not_run_it(tmp_path: Path) -> None:
    artifact = native_artifact(tmp_path / "native", OF_16, OF_8, producer={"onnxruntime": "1.16.3"})
    with pytest.raises(
        VerificationFailed, match=r"model.onnx ran in the proof by ONNX Runtime 1.16.3, and is for 1.17"
    ):
        require_artifact(artifact)


def test_a_plain_graph_is_in_no_blocks(tmp_path: Path) -> None:
    with pytest.raises(VerificationFailed, match=r"model.onnx is in blocks of 16, and the graph has none"):
        require_artifact(edited(native_artifact(tmp_path / "plain"), models=(replace(PLAIN, block=16),)))


def test_files_that_changed_places_are_refused(artifact: Artifact) -> None:
    """Each with the role of the other: the manifest agrees with itself, and not with the graphs."""
    swapped = {"model": "other_model", "other_model": "model"}
    files = tuple(
        ArtifactFile(one.name, one.sha256, one.bytes, swapped.get(one.role, one.role))  # type: ignore[arg-type]
        for one in artifact.manifest.files
    )
    models = (replace(OF_16, file=OF_8.file), replace(OF_8, file=OF_16.file))
    assert artifact.manifest.native is not None
    native = replace(artifact.manifest.native, models=models)
    write_manifest(artifact.directory, replace(artifact.manifest, files=files, native=native))
    with pytest.raises(VerificationFailed, match=r"model-8.onnx is in blocks of 16, and the graph of 8"):
        require_artifact(open_artifact(artifact.directory))


@pytest.mark.parametrize("edit", ["an operator of everybody's", "another output"])
def test_another_file_is_held_against_its_record_too(artifact: Artifact, edit: str) -> None:
    graph = depthwise(None)
    if edit == "another output":
        graph = depthwise(8)
        graph.graph.node[2].output[0] = graph.graph.output[0].name = "z"
    words = {"another output": "have other inputs or outputs", "an operator of everybody's": "has no native operator"}
    with pytest.raises(VerificationFailed, match=words[edit]):
        require_artifact(_with_other_file(artifact, graph))


def test_another_level_has_no_native_operators(artifact: Artifact) -> None:
    """The rule for specifications says nothing of an artifact of somebody else's file."""
    write_manifest(artifact.directory, replace(artifact.manifest, optimize="full"))
    with pytest.raises(VerificationFailed, match="its level is full, and it has native operators"):
        require_artifact(open_artifact(artifact.directory))


def test_native_operators_without_a_record_are_refused(tmp_path: Path) -> None:
    manifest = native_artifact(tmp_path / "plain").manifest
    write_manifest(tmp_path / "plain", replace(manifest, native=None))
    with pytest.raises(VerificationFailed, match=r"has native operators \(1 Depthwise\), and it has no record of them"):
        require_artifact(open_artifact(tmp_path / "plain"))


def test_a_record_without_native_operators_is_refused(tmp_path: Path) -> None:
    artifact = native_artifact(tmp_path / "plain")
    native = NativeOperators("groupnl.native", 1, {}, (PLAIN,))
    model = tmp_path / "plain" / "model.onnx"
    model.write_bytes(depthwise(None).SerializeToString())
    manifest = _refreshed(artifact.manifest, model)
    write_manifest(tmp_path / "plain", replace(manifest, native=native))
    with pytest.raises(VerificationFailed, match=r"its file model.onnx has no native operator"):
        require_artifact(open_artifact(tmp_path / "plain"))


def test_the_file_for_more_threads_may_have_nothing_but_operators_of_everybodys(tmp_path: Path) -> None:
    """Of a network whose only native operators are products, which that file has not."""
    alone = replace(PLAIN, one_thread_below="1.17")
    artifact = _with_other_file(
        native_artifact(tmp_path / "native", alone, replace(PLAIN, file=OF_8.file)), depthwise(None)
    )
    with pytest.raises(VerificationFailed, match=r"has one_thread_below 1.17, and such a graph has none"):
        require_artifact(artifact)
    products = depthwise(0)
    products.graph.node[0].op_type = "Pointwise"
    path = artifact.path("model")
    path.write_bytes(products.SerializeToString())
    write_manifest(artifact.directory, _refreshed(artifact.manifest, path))
    require_artifact(edited(open_artifact(artifact.directory), operators={"Pointwise": 1}))


def _with_other_file(artifact: Artifact, graph: onnx.ModelProto) -> Artifact:
    path = artifact.directory / OF_8.file
    path.write_bytes(graph.SerializeToString())
    write_manifest(artifact.directory, _refreshed(artifact.manifest, path))
    return open_artifact(artifact.directory)


def _refreshed(manifest: ArtifactManifest, path: Path) -> ArtifactManifest:
    """With the file's digest as it is now."""
    files = tuple(one if one.name != path.name else ArtifactFile.in_role(one.role, path) for one in manifest.files)
    return replace(manifest, files=files)
