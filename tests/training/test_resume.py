"""Whether a state is gone on from: never where it was trained on other images."""

from dataclasses import replace

import pytest
import torch

from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.split import Split, SplitFile
from groupnl_deploy.training.loop import train
from groupnl_deploy.training.recipe import Recipe
from groupnl_deploy.training.running import Running
from groupnl_deploy.training.state import load_state, save_state


def split(*files):
    return Split(tuple(SplitFile(digest * 64, label, part) for digest, label, part in files))


BEFORE = split(("a", 0, "train"), ("b", 1, "train"), ("c", 1, "test"))
ADDED = split(("b", 1, "train"), ("c", 1, "test"), ("d", 0, "train"), ("e", 0, "test"))


@pytest.fixture
def begun(tmp_path, thin_spec, few_digits):
    """A training of two epochs that was stopped after the first, on files."""
    data = replace(few_digits, name="folder", sha256="1" * 64, split=BEFORE)

    def stop(now):
        if now.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(thin_spec, Recipe(epochs=2), data, stop, tmp_path / "net.resume")
    return data, tmp_path / "net.resume"


@pytest.mark.parametrize(
    ("now", "change", "text"),
    [
        (
            split(("b", 1, "train"), ("c", 1, "test"), ("d", 0, "train"), ("e", 0, "test")),
            {},
            "2 files added, 1 file gone",
        ),
        (split(("a", 1, "train"), ("b", 1, "test"), ("c", 1, "test")), {}, "2 of another class or part"),
        (BEFORE, {"class_names": ("zero", *"123456789")}, "classes were 0, 1, 2, 3, 4 and 5 more, and are zero, 1"),
        (None, {}, "“folder” has changed since"),
        (BEFORE, {"sha256": "1" * 64, "split_seed": 7}, "split by the seed 0, and now by 7"),
        (None, {"name": "digits", "sha256": None}, "“folder”, and not “digits”"),
    ],
)
def test_a_state_of_other_images_is_refused_and_kept(begun, thin_spec, now, change, text):
    data, folder = begun
    changed = replace(data, **({"sha256": "2" * 64} | change), split=now)
    with pytest.raises(UsageError, match=text) as caught:
        train(thin_spec, Recipe(epochs=3), changed, lambda progress: None, folder)
    assert f"remove {folder} to begin again" in caught.value.remedy
    assert load_state(folder).epoch == 1


def test_the_same_images_again_are_gone_on_with(begun, thin_spec):
    data, folder = begun
    assert (folder / "split.json").exists()
    assert train(thin_spec, Recipe(epochs=2), data, lambda progress: None, folder).resumed_from_epoch == 1


def test_a_state_of_an_older_version_is_left_out_of_account_and_with_resume_refused(begun, thin_spec):
    data, folder = begun
    state = load_state(folder)
    save_state(folder, replace(state, tensors=state.tensors | {"random.torch": torch.zeros(1)}))
    with pytest.raises(UsageError, match="older version"):
        train(thin_spec, Recipe(epochs=2), data, lambda progress: None, folder, running=Running(resume=True))
    assert "random.torch" in load_state(folder).tensors
    result = train(thin_spec, Recipe(epochs=2), data, lambda progress: None, folder)
    assert result.resumed_from_epoch == 0 and "starting from the beginning" in result.note
