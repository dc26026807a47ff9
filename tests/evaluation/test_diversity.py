"""How diverse maps are: the effective rank against its definition, and a trained network's layers."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from groupnl_deploy.cli.main import app
from groupnl_deploy.evaluation.diversity import covariance_of, effective_rank, layers_of
from groupnl_deploy.models.registry import create_model, model_spec
from groupnl_deploy.training.checkpoint import save_checkpoint


def test_the_effective_rank_is_that_of_its_definition():
    maps = torch.randn(3, 4, 5, 6, generator=torch.Generator().manual_seed(0))
    rows = maps.double().numpy().transpose(1, 0, 2, 3).reshape(4, -1)
    values = np.linalg.svd(rows - rows.mean(axis=1, keepdims=True), compute_uv=False)
    shares = values / values.sum()
    assert effective_rank(covariance_of(maps)) == pytest.approx(np.exp(-(shares * np.log(shares)).sum()), rel=1e-12)


@pytest.mark.parametrize(("covariance", "rank"), [(np.eye(5), 5), (np.ones((3, 3)), 1), (np.zeros((2, 2)), 1)])
def test_its_ends(covariance, rank):
    assert effective_rank(covariance) == pytest.approx(rank, abs=1e-6)


@pytest.mark.parametrize("nlf", ["sinusoidal", "monomial"])
def test_layers_stand_in_the_order_of_computation_with_ranks_within_their_maps(nlf):
    spec = model_spec("resnet18_cifar", "groupnl", knobs={"nlf": nlf, "nl_groups": 2}, width=0.125)
    found = layers_of(create_model(spec).eval(), torch.randn(4, 3, 32, 32))
    assert found[0].name == "layer1.0.conv1" and (found[0].seeds, found[0].outputs) == (4, 8)
    assert all(1 <= one.seed_rank <= one.seeds and one.seed_rank <= one.output_rank <= one.outputs for one in found)


@pytest.fixture
def groupnl(net, record, tmp_path):
    """A checkpoint of GroupNL, whose weights nobody trained, for the same pictures."""
    spec = model_spec("vgg11_cifar", "groupnl", width=0.125, num_classes=3, input_shape=record.spec.input_shape)
    save_checkpoint(tmp_path / "groupnl", replace(record.draft, spec=spec), create_model(spec))
    return tmp_path / "groupnl"


def test_the_command_shows_layers_of_one_and_a_line_of_each(net, groupnl):
    words = ["models", "diversity", str(groupnl), "--data", str(net.pictures), "--images", "5"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0 and "features.0" in done.stdout and "5 test images" in done.stdout, done.output
    (one,) = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)["networks"]
    assert one["images"] == 5 and one["accuracy"] > 0.9 and one["gain"] >= 1
    for other, says in ((groupnl, "named twice"), (net.checkpoint, "has no GroupNL layer")):
        refused = CliRunner().invoke(app, [*words, str(other)])
        assert refused.exit_code == 2 and says in refused.stderr
