"""Words on the command line and in the campaign file: what was meant comes first; commands can be copied."""

import shlex
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from groupnl_deploy.campaign.load import load_campaign
from groupnl_deploy.cli.exits import explain
from groupnl_deploy.cli.main import app
from groupnl_deploy.errors import UsageError
from groupnl_deploy.models.methods import CONVOLUTIONS
from groupnl_deploy.models.registry import UnknownModel, model_spec
from groupnl_deploy.words import command_line, duration_text, known_word, nearest_word

CAMPAIGN = (
    'out = "out"\n[train]\ndataset = "digits"\n[[models]]\nlabel = "a"\nmodel = "resnet18_cifar"\nconv = "{conv}"\n'
)


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))))
def test_a_shell_reads_a_suggested_command_as_it_was_meant(words: list[str]) -> None:
    assert shlex.split(command_line(*words)) == ["groupnl", *words]


def test_the_next_step_quotes_a_folder_with_a_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["models", "init", "resnet18_cifar", "--width", "0.125", "--out", "a net"])
    assert "Next: groupnl export 'a net' --format onnx --out ARTIFACT" in done.stderr


def test_of_many_known_words_the_nearest_are_named_and_the_others_counted() -> None:
    steps = [f"bench-gnl-seed{seed}" for seed in range(1000)] + ["train-gnl"]
    with pytest.raises(UsageError) as caught:
        known_word("step", "trian-gnl", steps)
    assert "known are train-gnl, " in caught.value.message and "and 998 others." in caught.value.message
    assert caught.value.remedy == "Did you mean “train-gnl”?"


def test_the_model_that_was_meant_comes_before_all_that_are_known() -> None:
    with pytest.raises(UnknownModel) as caught:
        model_spec("resnet18_cifra")
    said = explain(caught.value)
    assert said.message == "Unknown model “resnet18_cifra”."
    assert said.remedy.startswith("Did you mean “resnet18_cifar”?") and "vgg19_cifar" in said.remedy
    with pytest.raises(UnknownModel, match="mobilenetv3_large_100”"):
        model_spec("mobilenetv3")


def test_an_input_too_large_for_the_memory_is_told_as_that() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.zeros(1 << 58, dtype=torch.uint8)
    said = explain(caught.value)
    assert said.message == "Memory ran out." and said.exit_code == 1


def test_a_misspelt_convolution_in_a_campaign_gets_a_suggestion(tmp_path: Path) -> None:
    (tmp_path / "job.toml").write_text(CAMPAIGN.format(conv="gruopnl"))
    with pytest.raises(UsageError) as caught:
        load_campaign(tmp_path / "job.toml")
    assert "“gruopnl”" in caught.value.message and "depthwise" not in caught.value.message
    assert caught.value.remedy == "Did you mean “groupnl”?"


def test_a_campaign_knows_the_convolutions_of_the_command_line(tmp_path: Path) -> None:
    for conv in CONVOLUTIONS:
        (tmp_path / "job.toml").write_text(CAMPAIGN.format(conv=conv))
        assert load_campaign(tmp_path / "job.toml").models[0].config.conv == conv


@pytest.mark.parametrize("command", [("bench", "--device", "local", "--backend", "null"), ("power", "record")])
def test_a_misspelt_emulator_gets_a_suggestion(command: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, [*command, "--meter", "km003c", "--port", "emulater", "--out", "x"])
    assert done.exit_code == 2 and "Did you mean “emulator”?" in done.stderr


@pytest.mark.parametrize(
    ("word", "known", "nearest"),
    [
        ("mobilenetv3", ["mobilenetv2_100", "mobilenetv3_large_100"], "mobilenetv3_large_100"),
        ("resnet", ["resnet101", "resnet18"], "resnet18"),
        ("onx", ["onnx", "torch"], "onnx"),
        ("xyz", ["onnx", "torch"], None),
        ("", ["onnx"], None),
    ],
)
def test_a_word_that_was_not_finished_is_the_one_that_begins_with_it(
    word: str, known: list[str], nearest: str | None
) -> None:
    assert nearest_word(word, known) == nearest


def test_an_emulator_that_is_called_a_meter_is_told_where_its_name_goes() -> None:
    done = CliRunner().invoke(app, ["bench", "--device", "local", "--backend", "null", "--meter", "emulator"])
    assert done.exit_code == 2 and "--meter km003c with --port emulator" in done.stderr


def test_an_export_names_the_options_that_torch_has_no_use_for() -> None:
    command = ["export", "net", "--out", "x", "--format", "torch"]
    for options, named in (
        (["--opset", "13"], "--opset is for ONNX"),
        (["--opset", "13", "--batch", "dynamic"], "--opset and --batch are for ONNX"),
    ):
        done = CliRunner().invoke(app, [*command, *options])
        assert done.exit_code == 2 and named in done.stderr


def test_the_opsets_are_in_the_help() -> None:
    said = " ".join(CliRunner().invoke(app, ["export", "--help"]).stdout.split())
    assert "13 to 20 for generic, 13 to 18 for rpi4" in said


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "1 s"), (89, "89 s"), (120, "2 min"), (5_400, "1 h 30 min"), (36_000, "10 h 0 min")]
)
def test_times_are_as_long_as_people_need(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
