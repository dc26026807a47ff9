"""A campaign whose networks go on from checkpoints, and one whose [train] changes its recipe."""

from dataclasses import replace
from pathlib import Path

import pytest

from groupnl_deploy.campaign.load import load_campaign
from groupnl_deploy.campaign.sources import sources_of
from groupnl_deploy.errors import UsageError
from groupnl_deploy.models.spec import ConvSpec, ModelSpec
from groupnl_deploy.training.checkpoint import initialise_checkpoint, save_checkpoint
from groupnl_deploy.training.recipes import RECIPES

NET = ModelSpec("vgg11_cifar", ConvSpec("standard"), width=0.125, num_classes=7, seed=3)
CAMPAIGN = 'schema_version = 1\nout = "out"\n[train]\ndataset = "digits"\n[[models]]\nlabel = "a"\ninit = "net"\n'


@pytest.fixture(autouse=True)
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save_checkpoint(Path("net"), *initialise_checkpoint(NET))


def campaign(*changes: tuple[str, str]):
    text = CAMPAIGN
    for old, new in changes:
        text = text.replace(old, new)
    Path("job.toml").write_text(text)
    return load_campaign(Path("job.toml"))


def test_the_network_is_the_checkpoints_for_the_classes_of_the_images_and_the_recipe_a_fine_tuning() -> None:
    train = 'dataset = "digits"\nfreeze = ["features.4", "features.8"]\nepochs = 2\nlr = 0.5'
    first, second = sources_of(campaign(('dataset = "digits"', train)))
    assert first.spec == second.spec == replace(NET, num_classes=10)
    assert first.training.init == Path("net")
    tuned = replace(RECIPES["finetune"], augmentation="shift", epochs=2, lr=0.5)
    assert [one.training.recipe for one in (first, second)] == [
        replace(tuned, freeze=stage) for stage in ("features.4", "features.8")
    ]
    assert [one.label for one in (first, second)] == ["a", "a-features.8"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([('init = "net"', 'init = "net"\nmodel = "vgg11_cifar"')], ["needs a model", "Leave init out"]),
        ([('init = "net"', 'init = "net"\nwidth = 0.5')], ["width would do nothing beside init", "Leave width out"]),
        ([('[train]\ndataset = "digits"\n', "")], ["has no [train]", "Add [train]"]),
        ([('init = "net"', 'init = "nets"')], ["nets does not exist", "Did you mean net?"]),
        (
            [('init = "net"', 'model = "vgg11_cifar"'), ('"digits"', '"digits"\nfreeze = "features.0"')],
            ["[train] freeze would keep random weights", "as [[models]] init"],
        ),
        ([('"digits"', '"digits"\nflip = false')], ["[train] flip would do nothing", "Leave [train] flip out"]),
        ([('"digits"', '"digits"\nrecipe = "tune"')], ["no recipe “tune”", "finetune"]),
        ([('"digits"', '"digits"\nlr = -1')], ["lr is -1", "positive"]),
    ],
)
def test_what_does_not_go_together_is_refused_in_the_files_words(changes, words) -> None:
    with pytest.raises(UsageError) as caught:
        sources_of(campaign(*changes))
    said = f"{caught.value.message} {caught.value.remedy} {caught.value}"
    assert all(word in said for word in words), said
