"""A training that begins with a checkpoint: what is taken, what is refused, what is kept of it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.dataset import Statistics
from groupnl_deploy.images.in_memory import InMemoryImages
from groupnl_deploy.models.registry import create_model
from groupnl_deploy.models.spec import ConvSpec
from groupnl_deploy.training.checkpoint import (
    CheckpointDraft,
    checkpoint_id,
    initialise_checkpoint,
    load_checkpoint,
    save_checkpoint,
    save_trained,
)
from groupnl_deploy.training.initial import begin_with
from groupnl_deploy.training.loop import train
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.train import initial_of

SHORT = Recipe(epochs=1, lr=1e-6, warmup_epochs=0, seed=9)


def ignore(progress):
    return None


@pytest.fixture(scope="module")
def net(tmp_path_factory, trained):
    folder = tmp_path_factory.mktemp("begun") / "net"
    save_trained(folder, trained)
    return folder


@pytest.fixture(scope="module")
def three_digits(few_digits):
    def first(part):
        chosen = np.flatnonzero(part.labels < 3)
        return InMemoryImages(part.pixels[chosen], part.labels[chosen])

    return replace(few_digits, class_names=("0", "1", "2"), train=first(few_digits.train), test=first(few_digits.test))


def begun(net, spec, class_names, seed=9):
    model = create_model(spec)
    note = begin_with(model, initial_of(net), spec, class_names, seed)
    return model.state_dict(), note


def test_the_same_classes_keep_the_head(net, trained, thin_spec, few_digits):
    weights, note = begun(net, thin_spec, few_digits.class_names)
    assert all(torch.equal(weights[key], value) for key, value in trained.model.state_dict().items())
    assert "its head classifier included" in note and checkpoint_id(net)[:12] in note


@pytest.mark.parametrize("names", [("0", "1", "2"), tuple("abcdefghij")], ids=["fewer", "others"])
def test_other_classes_get_a_new_head_drawn_by_the_trainings_seed(net, trained, thin_spec, names):
    spec = replace(thin_spec, num_classes=len(names))
    weights, note = begun(net, spec, names)
    old = trained.model.state_dict()
    assert all(torch.equal(weights[key], old[key]) for key in old if not key.startswith("classifier."))
    assert torch.equal(weights["classifier.weight"], create_model(replace(spec, seed=9)).classifier.weight)
    assert not torch.equal(weights["classifier.weight"], begun(net, spec, names, seed=8)[0]["classifier.weight"])
    assert f"a new head, classifier, for {len(names)} classes" in note


def test_images_of_another_size_fit(net, trained, thin_spec, few_digits):
    weights, _ = begun(net, replace(thin_spec, input_shape=(3, 64, 48)), few_digits.class_names)
    assert torch.equal(weights["classifier.weight"], trained.model.classifier.weight)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"name": "resnet34_cifar"}, "name vgg11_cifar there and resnet34_cifar here"),
        ({"width": 0.25}, "width 0.125 there and 0.25 here"),
        ({"conv": ConvSpec("standard")}, "conv method groupnl there and standard here"),
        ({"conv": ConvSpec("groupnl", phi_sign=1)}, "conv phi_sign -1 there and 1 here"),
        ({"input_shape": (1, 32, 32)}, "channels of an image 3 there and 1 here"),
    ],
)
def test_another_network_is_refused_with_all_that_differs(net, thin_spec, few_digits, change, text):
    with pytest.raises(UsageError, match=text) as caught:
        begun(net, replace(thin_spec, **change), few_digits.class_names)
    assert "Leave out what describes the network" in caught.value.remedy


def test_the_checkpoint_keeps_what_it_began_with_and_its_mean_and_std(net, tmp_path, thin_spec, three_digits):
    initial = initial_of(net)
    spec = replace(thin_spec, num_classes=3)
    other = replace(three_digits, declared=Statistics((0.5,) * 3, (0.25,) * 3))
    result = train(spec, replace(SHORT, batch_size=4), other, ignore, init=initial)
    checkpoint = save_trained(tmp_path / "mine", result)
    assert checkpoint.init == checkpoint_id(net) == load_checkpoint(tmp_path / "mine").init
    assert (checkpoint.mean, checkpoint.std) == initial.statistics != other.statistics
    assert checkpoint.data.class_names == ("0", "1", "2")


def test_an_imported_head_of_as_many_classes_stays_and_an_untrained_net_expects_no_statistics(tmp_path, thin_spec):
    model = create_model(thin_spec)
    draft = CheckpointDraft(spec=thin_spec, data=None, trained=True, mean=(0.1,) * 3, std=(0.2,) * 3)
    save_checkpoint(tmp_path / "imported", draft, model)
    save_checkpoint(tmp_path / "untrained", *initialise_checkpoint(thin_spec))
    assert initial_of(tmp_path / "imported").keeps_head(thin_spec, tuple("abcdefghij"))
    assert initial_of(tmp_path / "imported").statistics == ((0.1,) * 3, (0.2,) * 3)
    assert initial_of(tmp_path / "untrained").statistics is None


def test_an_interrupted_fine_tuning_ends_with_the_same_bits(net, tmp_path, thin_spec, few_digits):
    recipe = Recipe(
        epochs=2, lr_decay_by_depth=0.7, decay_vectors=False, label_smoothing=0.1, freeze="features.4", seed=5
    )

    def stop(now):
        if (now.epoch, now.step) == (2, 2):
            raise KeyboardInterrupt

    initial = initial_of(net)
    with pytest.raises(KeyboardInterrupt):
        train(thin_spec, recipe, few_digits, stop, tmp_path / "resume", init=initial)
    resumed = train(thin_spec, recipe, few_digits, ignore, tmp_path / "resume", init=initial)
    assert resumed.resumed_from_epoch == 1
    whole = train(thin_spec, recipe, few_digits, ignore, init=initial)
    assert all(torch.equal(value, resumed.state.tensors[key]) for key, value in whole.state.tensors.items())


def test_a_state_of_another_beginning_is_left_out_of_account(net, tmp_path, thin_spec, few_digits):
    train(thin_spec, SHORT, few_digits, ignore, tmp_path / "resume")
    seen = []
    train(thin_spec, SHORT, few_digits, seen.append, tmp_path / "resume", init=initial_of(net))
    assert "another beginning (random weights instead of the checkpoint" in seen[0].note
