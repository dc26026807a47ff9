"""Export on real nets: equal to the source, whole or not at all, the same twice."""

import functools
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
import safetensors.numpy
import torch

from device_agent.acceptance import require_golden
from device_agent.errors import BackendFailed
from device_agent.manifest import MANIFEST_FILE, MANIFEST_SCHEMA_VERSION
from exporters import optimize as optimize_module
from exporters.artifact import Artifact, open_artifact
from exporters.errors import ArtifactDamaged, BatchBaked, ExportFailed, NotAnArtifact, ParityError
from exporters.onnx_exporter import export_onnx, opset_of
from exporters.optimize import optimize, passes
from exporters.options import ExportOptions
from exporters.parity import compare
from exporters.passes import PassOutcome
from exporters.rules.answers import Answer, Fired
from exporters.rules.graph import NodeBuilder, only_output, replace
from exporters.rules.normalise import cheapest_normalise
from exporters.targets import TARGETS
from exporters.tolerances import TOLERANCE
from groupnl_deploy import export as export_module
from groupnl_deploy.errors import UsageError, VerificationFailed
from groupnl_deploy.export import export_checkpoint, parity_inputs
from groupnl_deploy.models.spec import ConvSpec, ModelSpec
from groupnl_deploy.training.checkpoint import initialise_checkpoint, load_model, save_checkpoint

DEFAULTS = ExportOptions()


def slow(value: str) -> Any:
    return pytest.param(value, marks=pytest.mark.slow)


def saved(conv: ConvSpec, folder: Path) -> Path:
    draft, model = initialise_checkpoint(ModelSpec("vgg11_cifar", conv, width=0.125))
    randomise_batchnorm(model)
    save_checkpoint(folder, draft, model)
    return folder


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For claims that do not depend on the network."""
    return saved(ConvSpec("standard"), tmp_path_factory.mktemp("plain") / "net")


@pytest.fixture(scope="module", params=[slow("standard"), "released", slow("paper")])
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    conv = ConvSpec("standard") if request.param == "standard" else ConvSpec.preset("groupnl", request.param)
    return saved(conv, tmp_path_factory.mktemp("checkpoint") / "net")


@pytest.fixture(scope="module")
def exported(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Artifact]:
    """An artifact of the checkpoint in a format and with options, made at the first call for it; read only."""
    folder = tmp_path_factory.mktemp("exported")

    @functools.cache
    def export(format: str, options: ExportOptions) -> Artifact:
        return export_checkpoint(checkpoint, folder / f"{format}-{options.optimize}-{options.batch}", format, options)

    return lambda format="onnx", options=DEFAULTS: export(format, options)


def randomise_batchnorm(model: torch.nn.Module) -> None:
    """Fresh statistics are 0 and 1, with which a wrong fusion would still be right."""
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for tensor, low, high in (
                (module.running_mean, -0.2, 0.2),
                (module.running_var, 0.5, 1.5),
                (module.weight.data, 0.5, 1.5),
                (module.bias.data, -0.2, 0.2),
            ):
                tensor.copy_(torch.empty_like(tensor).uniform_(low, high, generator=generator))


def test_onnx_equals_the_eager_net_on_images_the_gate_did_not_see(checkpoint: Path, exported) -> None:
    artifact = exported("onnx")
    stored, model = load_model(checkpoint)
    inputs = np.random.default_rng(1).standard_normal((8, 3, 32, 32)).astype(np.float32)
    session = onnxruntime.InferenceSession(artifact.directory / "model.onnx")
    with torch.inference_mode():
        expected = model(torch.from_numpy(inputs)).numpy()
    found = np.concatenate([session.run(None, {"input": inputs[i : i + 1]})[0] for i in range(8)])
    assert np.abs(found - expected).max() <= TOLERANCE * expected.std()
    assert stored.trained is False and artifact.manifest.trained is False and artifact.manifest.accuracy is None


def test_the_manifest_says_what_was_made(checkpoint: Path, exported) -> None:
    artifact = exported("onnx")
    manifest, model = artifact.manifest, onnx.load(artifact.directory / "model.onnx")
    assert manifest.opset == opset_of(model) == 17
    assert manifest.ir_version == model.ir_version
    names = [step.name for step in passes("full", TARGETS["generic"])]
    assert [report.name for report in manifest.passes][: len(names)] == names
    # torch's exporter fuses a plain net itself; what GroupNL's repeats become is left to the passes.
    simplified = manifest.passes[0]
    assert simplified.nodes_after < simplified.nodes_before or manifest.model["conv"]["method"] == "standard"
    assert 0 <= manifest.parity.max_abs_error <= manifest.parity.tolerance * manifest.parity.output_std
    assert manifest.parity.images >= 8 and manifest.parity.same_top1
    assert manifest.model == json.loads((checkpoint / "checkpoint.json").read_text())["spec"]
    assert {"groupnl", "torch", "onnx", "onnx-ir", "onnxsim", "onnxruntime"} == set(manifest.producer)


def test_the_manifest_keeps_both_errors_and_says_that_the_batch_is_dynamic(plain: Path, tmp_path: Path) -> None:
    for batch in ("1", "dynamic"):
        artifact = export_checkpoint(plain, tmp_path / batch, "onnx", ExportOptions("none", batch=batch))
        manifest = json.loads((artifact.directory / MANIFEST_FILE).read_text())
        assert manifest["batch"] == batch and manifest["schema_version"] == MANIFEST_SCHEMA_VERSION
        assert manifest["parity"]["reference"] == "float64"
        assert 0 < manifest["parity"]["eager_error"] < 1e-4 * manifest["parity"]["output_std"]
        assert manifest["parity"]["batches"] == ([1] if batch == "1" else [1, 2, 5])


class Noisy(torch.nn.Module):
    """Behind a layer, a sine of huge arguments."""

    def __init__(self, layer: torch.nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sin(1e5 * self.layer(x))


def loaded(monkeypatch: pytest.MonkeyPatch, change) -> None:
    """Let an export find another network in the checkpoint than what its specification says."""

    def load(folder: Path):
        stored, model = load_model(folder)
        change(model)
        return stored, model.eval()

    monkeypatch.setattr(export_module, "load_model", load)


def test_a_network_that_amplifies_rounding_is_exported_and_its_device_may_round_too(
    plain: Path, tmp_path: Path, monkeypatch
) -> None:
    def change(model: torch.nn.Module) -> None:
        model.features[8] = Noisy(model.features[8])

    loaded(monkeypatch, change)
    manifest = export_checkpoint(plain, tmp_path / "a", "onnx").manifest
    parity = manifest.parity
    assert parity.tolerance > TOLERANCE and parity.amplifier.module == "features.8"
    assert "begins in features.8:" in parity.amplification
    assert 10 * parity.tolerance > 1e-3
    assert manifest.golden.tolerances == pytest.approx((10 * parity.tolerance * parity.output_std,))

    def computes(logits: np.ndarray) -> SimpleNamespace:
        return SimpleNamespace(
            prepare=lambda inputs: inputs, run=lambda inputs: logits, outputs=lambda result: {"logits": result}
        )

    right = np.load(tmp_path / "a" / manifest.file("golden_output").name)["logits"]
    for off, accepted in ((0.9, True), (1.1, False)):
        found = right + np.float32(off * manifest.golden.tolerances[0])
        if accepted:
            require_golden(computes(found), tmp_path / "a", manifest)
        else:
            with pytest.raises(BackendFailed, match="another answer"):
                require_golden(computes(found), tmp_path / "a", manifest)


class Loop(torch.nn.Module):
    """One image after the other."""

    def __init__(self, layer: torch.nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.layer(image[None]) for image in x])


def test_a_loop_over_the_batch_is_no_dynamic_export(plain: Path, tmp_path: Path, monkeypatch) -> None:
    def change(model: torch.nn.Module) -> None:
        model.features[8] = Loop(model.features[8])

    loaded(monkeypatch, change)
    with pytest.raises(BatchBaked, match=r"froze the batch of one image .* torch warned: Iterating over a tensor"):
        export_checkpoint(plain, tmp_path / "any", "onnx", ExportOptions("none", batch="dynamic"))
    assert not (tmp_path / "any").exists()
    assert export_checkpoint(plain, tmp_path / "one", "onnx", ExportOptions("none")).manifest.batch == "1"


def kinds(folder: Path) -> list[str]:
    return [node.op_type for node in onnx.load(folder / "model.onnx").graph.node]


def test_no_copy_metadata_or_batchnorm_of_the_networks_own_is_left(exported) -> None:
    folder = exported("onnx").directory
    left = {"Tile", "Expand", "ConstantOfShape", "Range", "Shape", "Identity"}
    assert not left & set(kinds(folder))
    model = onnx.load(folder / "model.onnx")
    assert not any(node.doc_string or node.metadata_props for node in model.graph.node)
    sines = {node.input[0] for node in model.graph.node if node.op_type == "Sin"}
    norms = [node for node in model.graph.node if node.op_type == "BatchNormalization"]
    channels = {tensor.name: tensor.dims[0] for tensor in model.graph.initializer if tensor.dims}
    # That is how ω and φ are written, and steps of fewer channels than a block of the runtime's layout.
    assert all(node.output[0] in sines or channels[node.input[1]] < 16 for node in norms)


def test_the_levels_differ_and_none_is_the_exporters_own_graph(exported) -> None:
    none, standard = (exported("onnx", ExportOptions(optimize=level)).directory for level in ("none", "standard"))
    sines = "Sin" in kinds(none)
    assert ("Tile" in kinds(none)) == sines
    assert ("BatchNormalization" in kinds(standard)) == sines
    assert open_artifact(none).manifest.optimize == "none"


@pytest.mark.parametrize(("optimize", "form"), [("none", "eager"), ("full", "inference")])
def test_a_torch_artifact_says_in_which_form_its_weights_are(exported, optimize, form) -> None:
    artifact = exported("torch", ExportOptions(optimize=optimize))
    assert (artifact.manifest.form, artifact.manifest.optimize) == (form, optimize)
    keys = safetensors.numpy.load_file(artifact.directory / "model.safetensors")
    assert any("running_mean" in key for key in keys) == (form == "eager")


@pytest.mark.slow
@pytest.mark.parametrize("format", ["onnx", slow("torch")])
def test_exporting_twice_gives_the_same_bytes(checkpoint: Path, exported, tmp_path: Path, format) -> None:
    second = export_checkpoint(checkpoint, tmp_path / "elsewhere" / "b", format)
    assert exported(format).sha256 == second.sha256


@pytest.mark.parametrize("format", ["onnx", "torch"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_fail_parity_and_nothing_is_written(tmp_path: Path, format, value: float) -> None:
    draft, model = initialise_checkpoint(ModelSpec("vgg11_cifar", ConvSpec("standard"), width=0.125))
    with torch.no_grad():
        next(model.parameters()).fill_(value)
    save_checkpoint(tmp_path / "net", draft, model)
    with pytest.raises(ParityError, match=r"features\.0\.weight holds 216 values that are NaN or infinite"):
        export_checkpoint(tmp_path / "net", tmp_path / "artifact", format)
    assert sorted(path.name for path in tmp_path.iterdir() if "groupnl-home" not in path.name) == ["net"]


def test_an_interruption_leaves_nothing_behind(plain: Path, tmp_path: Path, monkeypatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(export_module, "write_manifest", interrupt)
    with pytest.raises(KeyboardInterrupt):
        export_checkpoint(plain, tmp_path / "out" / "artifact", "onnx", ExportOptions("none"))
    assert list((tmp_path / "out").iterdir()) == []


def test_an_existing_folder_is_not_touched(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "artifact").mkdir()
    (tmp_path / "artifact" / "mine").write_text("keep")
    with pytest.raises(UsageError, match="exists already"):
        export_checkpoint(checkpoint, tmp_path / "artifact", "onnx")
    assert (tmp_path / "artifact" / "mine").read_text() == "keep"


def test_a_damaged_checkpoint_is_refused(untrained_copy, tmp_path: Path) -> None:
    path = untrained_copy.checkpoint / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(VerificationFailed, match=r"model\.safetensors"):
        export_checkpoint(untrained_copy.checkpoint, tmp_path / "artifact", "onnx")


def test_an_unknown_opset_is_an_export_error(untrained) -> None:
    _, model = load_model(untrained.checkpoint)
    with pytest.raises(ExportFailed, match="Opset 99 is not one of 13 to 20"):
        export_onnx(model, (1, 3, 32, 32), opset=99)


def test_optimizing_again_changes_nothing(untrained) -> None:
    model = onnx.load(untrained.onnx.directory / "model.onnx")
    again = optimize(model, lambda proto: untrained.onnx.manifest.parity)
    assert not any(report.fired for report in again.passes)
    assert again.model.SerializeToString(deterministic=True) == model.SerializeToString(deterministic=True)


def test_a_pass_that_breaks_parity_is_named_and_nothing_is_written(plain, tmp_path: Path, monkeypatch) -> None:
    def spoil(model: ir.Model, most: int) -> PassOutcome:
        for value in model.graph.initializers.values():
            numbers = value.const_value.numpy()
            if numbers.ndim == 4:
                value.const_value = ir.tensor(numbers * np.float32(1.01), name=value.name)
        return PassOutcome(1)

    monkeypatch.setattr(optimize_module, "simplify", spoil)
    with pytest.raises(ParityError, match="The pass simplify broke parity"):
        export_checkpoint(plain, tmp_path / "artifact", "onnx")
    assert not (tmp_path / "artifact").exists()


def test_a_result_that_the_checker_refuses_is_an_export_error(plain, tmp_path: Path, monkeypatch) -> None:
    def forget_an_input(model: ir.Model, most: int) -> PassOutcome:
        next(node for node in model.graph if node.op_type == "Conv").resize_inputs(0)
        return PassOutcome(0)

    monkeypatch.setattr(optimize_module, "simplify", forget_an_input)
    with pytest.raises(ExportFailed, match=r"The pass check failed: .*Conv"):
        export_checkpoint(plain, tmp_path / "artifact", "onnx", ExportOptions(optimize="standard"))
    assert not (tmp_path / "artifact").exists()


@pytest.mark.slow
def test_bisect_names_the_firing_that_broke_parity(tmp_path: Path, monkeypatch) -> None:
    draft, model = initialise_checkpoint(ModelSpec("vgg11_cifar", ConvSpec("groupnl"), width=0.125))
    randomise_batchnorm(model)
    save_checkpoint(tmp_path / "net", draft, model)

    def wrong_in_one_place(node: ir.Node, block: int) -> Answer:
        if "features.8/" not in node.name:
            return cheapest_normalise(node, 1)
        builder = NodeBuilder(node)
        half = builder.constant(np.array(0.5, dtype=np.float32), "half")
        replace(only_output(node), builder.op("Mul", node.inputs[0], half))
        return Fired()

    monkeypatch.setattr(optimize_module, "cheapest_normalise", wrong_in_one_place)
    with pytest.raises(ParityError, match=r"cheapest_normalise broke parity \(firing 3 of 8, .*features\.8/"):
        export_checkpoint(tmp_path / "net", tmp_path / "artifact", "onnx", bisect=True)


def test_parity_inputs_are_real_images(untrained) -> None:
    checkpoint, _ = load_model(untrained.checkpoint)
    inputs = parity_inputs(checkpoint)
    assert inputs.shape == (8, 3, 32, 32) and inputs.dtype == np.float32
    assert inputs.std() > 0.1 and len({image.tobytes() for image in inputs}) == 8


@pytest.mark.parametrize("damage", ["missing", "truncated", "altered", "manifest", "no artifact"])
def test_a_damaged_artifact_is_refused(untrained_copy, damage: str) -> None:
    folder = untrained_copy.onnx.directory
    path = folder / (MANIFEST_FILE if damage in ("manifest", "no artifact") else "model.onnx")
    data = path.read_bytes()
    if damage in ("missing", "no artifact"):
        path.unlink()
    else:
        path.write_bytes(
            {"truncated": data[:-1], "altered": data[:-1] + b"\x00", "manifest": data[: len(data) // 2]}[damage]
        )
    with pytest.raises(NotAnArtifact if damage == "no artifact" else ArtifactDamaged):
        open_artifact(folder)


class TestCompare:
    reference = np.array([[0.0, 1.0], [3.0, -1.0]], dtype=np.float32)

    def test_a_difference_within_the_tolerance_passes(self) -> None:
        shifted = self.reference + np.float32(0.5 * TOLERANCE * self.reference.std())
        assert compare(self.reference, shifted).same_top1

    def test_a_larger_difference_fails(self) -> None:
        shifted = self.reference + np.float32(1.5 * TOLERANCE * self.reference.std())
        with pytest.raises(ParityError, match="differs from its source"):
            compare(self.reference, shifted)

    def test_another_answer_fails_however_close(self) -> None:
        close = np.array([[1.0, 1.0 + 1e-6], [30.0, -10.0]], dtype=np.float32)
        with pytest.raises(ParityError, match="top-1"):
            compare(close, np.ascontiguousarray(close[:, ::1] + np.array([[2e-6, 0], [0, 0]], dtype=np.float32)))

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_no_number_is_never_equal(self, value: float) -> None:
        broken = np.full((2, 2), value, dtype=np.float32)
        with pytest.raises(ParityError):
            compare(broken, broken)
