"""GEARnn: its phases, their records, and the same way after an interruption."""

import json
from dataclasses import replace
from importlib.util import find_spec

import pytest
import torch
from typer.testing import CliRunner

from groupnl_deploy.cli.main import app
from groupnl_deploy.errors import UsageError
from groupnl_deploy.growth.step import GrowthSettings
from groupnl_deploy.images.source import DataSource
from groupnl_deploy.models.registry import model_spec, with_one_width
from groupnl_deploy.progress import Silence
from groupnl_deploy.training import gearnn
from groupnl_deploy.training.checkpoint import checkpoint_id, load_checkpoint, load_model
from groupnl_deploy.training.gearnn import Gearnn, growth_of, phases_of, train_gearnn
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.running import Running

SPEC = with_one_width(model_spec("vgg11_cifar", num_classes=10, input_shape=(3, 32, 32)), 4)
RECIPE = Recipe(batch_size=64)
SHORT = Gearnn(growth=GrowthSettings(0.5, k_new=2), e1=1, e2=1, er=0)
DIGITS = DataSource("digits")
NEEDS_TIMM = pytest.mark.skipif(find_spec("timm") is None, reason="the extra `train` is not installed: make zoo")


def run(out, settings=SHORT, spec=SPEC, recipe=RECIPE):
    return train_gearnn(spec, recipe, DIGITS, out, settings, Silence())


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    out = tmp_path_factory.mktemp("gearnn") / "net"
    run(out)
    return out


def test_the_way_of_both_variants(tmp_path):
    """One: views throughout. Two: plain images, then views. Each phase counts its own epochs."""
    one, two = (
        phases_of(replace(SHORT, variant=variant, e1=3, e2=4, er=5), RECIPE, tmp_path / "net") for variant in (1, 2)
    )
    told = [(phase.name, phase.out.name, phase.recipe and (phase.recipe.epochs, phase.recipe.augmix)) for phase in two]
    assert told == [
        ("first", "net.first", (3, None)),
        ("grow", "net.grow", None),
        ("second", "net.second", (4, None)),
        ("robust", "net", (5, (1, 3, 4))),
    ]
    assert [phase.recipe and phase.recipe.augmix for phase in one] == [(1, 3, 4), None, (1, 3, 4)]
    assert one[-1].out.name == "net" and two[-1].recipe.jsd == 12


def test_each_phase_leaves_a_checkpoint_that_begins_with_the_one_before(grown):
    first, wider, last = (grown.with_name(f"{grown.name}{end}") for end in (".first", ".grow", ""))
    assert load_checkpoint(first).init is None
    assert load_checkpoint(wider).init == checkpoint_id(first)
    assert load_checkpoint(last).init == checkpoint_id(wider)
    record = growth_of(last)
    assert [(one.name, one.epochs) for one in record.phases] == [("first", 1), ("grow", 1), ("second", 1)]
    assert record.phases[-1].accuracy == load_checkpoint(last).accuracy
    assert record.phases[0].accuracy == load_checkpoint(first).accuracy == record.accuracy_before
    assert record.phases[1].accuracy == record.accuracy_after
    assert record.added == record.budget == int(0.5 * 8 * 4)
    assert sum(one.final for one in record.layers) == 8 * 4 + record.added
    assert dict(load_checkpoint(last).spec.widths) == dict(load_checkpoint(wider).spec.widths)
    assert growth_of(wider).phases == ()


@pytest.mark.parametrize("where", ["train_checkpoint", "grow_checkpoint", "_finish"])
def test_what_was_stopped_goes_on_to_the_same_bits(where, grown, tmp_path, monkeypatch):
    done, calls = getattr(gearnn, where), []

    def stopped(*args, **how):
        calls.append(args)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return done(*args, **how)

    monkeypatch.setattr(gearnn, where, stopped)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "net")
    assert not (tmp_path / "net").exists()
    kept = {path.name: checkpoint_id(path) for path in tmp_path.iterdir() if path.is_dir()}
    run(tmp_path / "net")
    assert all(checkpoint_id(tmp_path / name) == found for name, found in kept.items())
    (_, one), (_, other) = load_model(grown), load_model(tmp_path / "net")
    for key, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[key]), key


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"recipe": replace(RECIPE, lr=0.01)},
            r"net\.first is there, .* another recipe \(lr 0.05 instead of 0.01",
        ),
        ({"spec": with_one_width(SPEC, 5)}, r"net\.first is there, and is of another network"),
        ({"settings": replace(SHORT, e1=3)}, r"net\.first is there, and is of another recipe \(epochs 1 instead of 3"),
        ({"settings": replace(SHORT, growth=GrowthSettings(0.6, k_new=2))}, r"net\.grow is there, .* another growth"),
    ],
)
def test_folders_of_another_way_are_refused_and_stay(changes, said, grown, tmp_path):
    for end in (".first", ".grow"):
        (tmp_path / f"net{end}").symlink_to(grown.with_name(f"{grown.name}{end}"))
    with pytest.raises(UsageError, match=said) as caught:
        run(tmp_path / "net", **changes)
    assert "name another --out" in caught.value.remedy
    assert not (tmp_path / "net").exists()


def test_a_record_of_growth_that_is_damaged_says_what_to_remove(grown, tmp_path):
    (tmp_path / "growth.json").write_text('{"added": "many"}')
    with pytest.raises(gearnn.VerificationFailed, match="cannot be read") as caught:
        growth_of(tmp_path)
    assert f"Remove {tmp_path}" in caught.value.remedy


def test_resume_goes_on_and_refuses_to_begin(grown, tmp_path):
    out, how = tmp_path / "net", {"running": Running(resume=True)}
    with pytest.raises(UsageError, match="nothing to resume: no phase"):
        train_gearnn(SPEC, RECIPE, DIGITS, out, SHORT, Silence(), **how)
    for end in (".first", ".grow"):
        (tmp_path / f"net{end}").symlink_to(grown.with_name(f"{grown.name}{end}"))
    train_gearnn(SPEC, RECIPE, DIGITS, out, SHORT, Silence(), **how)
    assert growth_of(out).phases[-1].name == "second"


@NEEDS_TIMM
@pytest.mark.parametrize("variant", [1, 2])
def test_both_variants_train_on_views(variant, tmp_path):
    settings = replace(SHORT, variant=variant, e1=1, e2=1, er=1, views=(1, 3, 2))
    trained = run(tmp_path / "net", settings)
    assert trained.checkpoint.recipe.augmix == (1, 3, 2)
    assert [one.name for one in growth_of(tmp_path / "net").phases][-1] == ("second" if variant == 1 else "robust")


@pytest.mark.parametrize(
    ("words", "said", "remedy"),
    [
        ("--gamma 0.5", "--gamma says how a network grows, and without --method gearnn none does", "--method gearnn"),
        ("--method gearn --gamma 0.5", "no method “gearn”", "gearnn"),
        ("--method gearnn", "How far the network shall grow is not said", "--gamma 0.9"),
        ("--method gearnn --gamma 9 --k-new 2", "--gamma 9 asks for", "--gamma"),
        ("--method gearnn --gamma 0.5 --epochs 3", "each phase has its own epochs", "--e1, --e2 and --er"),
        ("--method gearnn --gamma 0.5 --wdj 1,3", "must be three whole numbers", "--wdj 1,3,4"),
        ("--method gearnn --gamma 0.5 --wdj 1,2,4", "augmix is 1,2,4", "a depth of 1 or 3"),
        ("--method gearnn --gamma 0.5 --e1 0", "--e1 is 0", "--er alone may be 0"),
        ("--method gearnn --gamma 0.5 --eg 0", "--eg is 0", "--eg 1"),
        ("--method gearnn --gamma 0.5 --w0 0", "--w0 is 0", "--w0 45"),
        ("--method gearnn --gamma 0.5 --nproc 2", "grows in one process", "groupnl grow"),
        ("--method gearnn --gamma 0.5 --conv groupnl-sparse", "No layer of this network can grow", "standard"),
    ],
)
def test_a_way_that_cannot_be_is_refused_before_anything_is_trained(words, said, remedy, tmp_path):
    line = ["train", "--model", "vgg11_cifar", "--width", "0.125", "--out", str(tmp_path / "net"), *words.split()]
    result = CliRunner().invoke(app, [*line, *([] if "--conv" in words else ["--conv", "standard"])])
    assert result.exit_code == 2, result.output
    told = " ".join(result.output.split())
    assert said in told and remedy in told
    assert not list(tmp_path.iterdir())


def test_one_command_grows_a_network_and_shows_what_became_of_it(tmp_path):
    words = "train --method gearnn --model vgg11_cifar --conv standard --w0 4 --gamma 0.5 --k-new 2 --er 0"
    line = [*words.split(), "--e1", "1", "--e2", "1", "--out", str(tmp_path / "net")]
    result = CliRunner().invoke(app, line)
    assert result.exit_code == 0, result.output
    assert "features.0" in result.output and "second" in result.output
    assert json.loads((tmp_path / "net" / "growth.json").read_text())["added"] == 16
