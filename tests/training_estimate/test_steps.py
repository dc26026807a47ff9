"""Steps of a training as artifacts: what they compute, how they are proved, and what becomes of an altered one."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from device_agent.arrays import read_arrays
from device_agent.backends import Subject
from device_agent.backends.pytorch_cpu import PyTorchBackend
from device_agent.manifest import MANIFEST_FILE
from device_agent.settings import Settings
from device_agent.training_step import STEP_OPTIMISERS, TrainingStep
from exporters.artifact import open_artifact
from groupnl_deploy.errors import UsageError, VerificationFailed
from groupnl_deploy.growth.step import GrowthSettings, GrowthStep
from groupnl_deploy.models.registry import create_model, model_spec, with_one_width
from groupnl_deploy.models.training_step import step_of
from groupnl_deploy.recheck import require_artifact
from groupnl_deploy.training.gearnn import Gearnn
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training_estimate.artifact import step_artifact
from groupnl_deploy.training_estimate.steps import Step, parts_of

SPEC = with_one_width(model_spec("vgg11_cifar", num_classes=10, input_shape=(3, 32, 32)), 4)
GROUPNL = model_spec("resnet18_cifar", "groupnl", width=0.125, num_classes=10, input_shape=(3, 32, 32))
GROWTH = GrowthSettings(0.5, k_new=8)
WAY = Gearnn(growth=GROWTH, e1=2, e2=3, er=4)


def step(kind="train", spec=SPEC, optimiser="sgd"):
    if kind == "train":
        return Step(kind, spec, TrainingStep("train", optimiser), 6)
    bundles = GrowthStep(spec, create_model(spec), GROWTH).bundles
    return Step(kind, spec, TrainingStep(kind, k_new=GROWTH.k_new, bundles=bundles), 6)


EVERY = [
    *(step(optimiser=word) for word in STEP_OPTIMISERS),
    step("optimise"),
    step("score"),
    step("train", GROUPNL),
    step("score", GROUPNL),
]


def batch(spec=SPEC):
    torch.manual_seed(0)
    return torch.randn(6, *spec.input_shape), torch.randint(0, 10, (6,))


@pytest.mark.parametrize(
    "one", EVERY, ids=lambda one: f"{one.step.called}, {one.step.optimiser}, {one.spec.conv.method}"
)
def test_a_step_computes_gradients_and_answers_each_time_alike(one):
    """What learns has its gradients and its optimiser's state, and the rate of zero leaves every weight."""
    module = step_of(one.spec, one.step)
    before = {name: value.clone() for name, value in module.named_parameters()}
    answers = [module.step(*batch(one.spec)) for _ in range(3)]
    assert all(torch.equal(answers[0], other) for other in answers[1:])
    assert all(torch.equal(value, before[name]) for name, value in module.named_parameters())
    if one.step.kind == "score":
        assert all(value.grad.abs().sum() > 0 for value in module.probe.slopes.variables())
        assert all(value.grad is None for value in module.parameters()), "step B asks for slopes alone"
    else:
        learned = [value for value in module.parameters() if value.requires_grad]
        assert learned and all(value.grad is not None and value.grad.abs().sum() > 0 for value in learned)
        assert all(module._optimiser.state[value] for value in learned)
    if one.step.kind != "train":
        own = [value for name, value in module.named_parameters() if name.startswith("probe.network.")]
        assert own and not any(value.requires_grad for value in own), "the network's own weights stay"


@pytest.mark.parametrize("one", EVERY[-4:], ids=lambda one: f"{one.step.kind}-{one.spec.conv.method}")
def test_a_device_rebuilds_it_from_specification_and_file(one, tmp_path: Path):
    """The artifact passes the check before a push; a backend gives the golden answer, in as many steps as one likes."""
    artifact = step_artifact(tmp_path / "step", one)
    require_artifact(artifact)
    manifest = artifact.manifest
    assert manifest.trained is False and manifest.source.kind == "specification" and manifest.form == "step"
    assert manifest.label == f"{one.spec.label}: {one.step.called}, 6 images"
    backend = PyTorchBackend()
    backend.load(Subject(artifact.directory, manifest, tmp_path), Settings(threads=1))
    inputs = read_arrays(artifact.path("golden_input"), manifest.inputs)
    right = read_arrays(artifact.path("golden_output"), manifest.outputs)["logits"]
    for _ in range(2):
        found = backend.outputs(backend.run(backend.prepare(inputs)))["logits"]
        assert abs(found - right).max() <= manifest.golden.tolerances[0]
    assert backend.profile(Subject(artifact.directory, manifest, tmp_path), Settings(threads=1), []).problem


def test_the_same_step_is_the_same_artifact(tmp_path: Path):
    """So what a device has is not sent again."""
    first, second = (step_artifact(tmp_path / name, EVERY[3]) for name in ("one", "two"))
    assert first.sha256 == second.sha256
    assert step_artifact(tmp_path / "one", EVERY[3]).sha256 == first.sha256, "one that is there is taken"


@pytest.mark.parametrize(
    ("altered", "says"),
    [
        ({"label": "resnet18"}, "its label is resnet18"),
        ({"trained": True}, "its trained is True"),
        ({"step": {"kind": "optimise", "optimiser": "sgd", "k_new": 9, "bundles": [0, 1]}}, "another network's"),
        ({"optimize": "full"}, "its optimize is full"),
        ({"source": {"kind": "specification", "sha256": "0" * 64, "file": None}}, "its source is"),
    ],
)
def test_an_altered_manifest_is_refused(altered, says, tmp_path: Path):
    artifact = step_artifact(tmp_path / "step", EVERY[3])
    path = artifact.directory / MANIFEST_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | altered))
    with pytest.raises(VerificationFailed, match=says):
        require_artifact(open_artifact(artifact.directory))


@pytest.mark.parametrize(
    "changes",
    [
        {"form": "eager"},
        {"step": None},
        {"format": "onnx"},
        {"form": "eager", "step": None},
    ],
    ids=str,
)
def test_a_manifest_that_contradicts_itself_is_none(changes, tmp_path: Path):
    manifest = step_artifact(tmp_path / "step", EVERY[0]).manifest
    with pytest.raises(ValueError, match=r"form is|format"):
        replace(manifest, **changes)


@pytest.mark.parametrize(
    "fields", [{"kind": "train", "bundles": (1,)}, {"kind": "score"}, {"kind": "train", "k_new": 1}]
)
def test_candidates_belong_to_growth(fields):
    with pytest.raises(ValueError, match="no step"):
        TrainingStep(**fields)


def told(parts):
    return [(one.phase, one.passes, one.step.name, one.step.images, one.count) for one in parts]


def test_the_parts_of_the_second_variant():
    """1,437 images in batches of 32 are 44 whole steps and a rest of 29, which is one too."""
    assert told(parts_of(SPEC, Recipe(batch_size=32), WAY, 1437)) == [
        ("first", 2, "backbone", 32, 90),
        ("grow", 1, "probe-optimised", 32, 45),
        ("grow", 1, "probe-scored", 32, 45),
        ("second", 3, "grown", 32, 135),
        ("robust", 4, "grown-4-views", 128, 180),
    ]


def test_the_parts_of_the_first_variant_and_of_random_choice():
    """Views throughout, and nothing scored."""
    way = replace(WAY, variant=1, growth=replace(GROWTH, select="random", epochs=2))
    assert told(parts_of(SPEC, Recipe(batch_size=32), way, 64)) == [
        ("first", 2, "backbone-4-views", 128, 4),
        ("grow", 2, "probe-optimised", 128, 4),
        ("second", 3, "grown-4-views", 128, 6),
    ]


def test_the_network_that_stands_in_for_the_grown_one_has_its_channels():
    parts = parts_of(SPEC, Recipe(batch_size=32), WAY, 64)
    widths = dict(next(one for one in parts if one.phase == "second").step.spec.widths)
    assert sum(widths.values()) == 8 * 4 + int(0.5 * 8 * 4) and set(widths.values()) == {6}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"precision": "bf16"}, "precision bf16"),
        ({"freeze": "features.0"}, "freeze"),
        ({"accumulate": 2}, "accumulate 2"),
    ],
)
def test_a_training_of_other_steps_is_refused(changes, says):
    with pytest.raises(UsageError, match=says) as caught:
        parts_of(SPEC, Recipe(**changes), WAY, 64)
    assert "Leave" in caught.value.remedy


def test_a_network_of_the_users_own_code_is_refused():
    """A device has not got that code."""
    with pytest.raises(UsageError, match=r"net\.py:net is code of your own"):
        parts_of(replace(SPEC, code="net.py:net"), Recipe(), WAY, 64)
