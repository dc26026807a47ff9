"""The campaign file and the pipeline's order, without training anything."""

from pathlib import Path

import pytest

from groupnl_deploy.config import load_campaign
from groupnl_deploy.errors import UsageError
from groupnl_deploy.pipeline import STAGES, run_campaign, steps
from groupnl_deploy.progress import Silence

ROOT = Path(__file__).parents[2]
MINIMAL = '[train]\ndataset = "digits"\n\n[[models]]\nlabel = "a"\nmodel = "resnet18_cifar"\n'


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "job.toml"
    path.write_text(f'schema_version = 1\nout = "{tmp_path / "out"}"\n{text}')
    return path


def test_the_checked_in_example_is_valid_and_names_every_stage() -> None:
    campaign = load_campaign(ROOT / "examples" / "digits.toml")
    assert campaign.push.device == "local" and campaign.bench.meter.port == "emulator"
    assert [model.conv for model in campaign.models] == ["standard", "groupnl"]
    assert list(dict.fromkeys(step.stage for step in steps(campaign, Silence()))) == list(STAGES)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("dataset =", "datset ="), ["job.toml.train", "unknown key “datset”", "dataset, epochs, seed"]),
        (('model = "resnet18_cifar"', "width = 1.0"), ["models[0]", "missing key “model”"]),
        (('label = "a"', 'label = "../a"'), ["label"]),
        (("[train]", '[bench]\nbackends = ["onnx"]\n[train]'), ["no backend “onnx”", "onnxruntime"]),
        (("[train]", '[export]\nformats = ["onnx"]\n[train]'), ["pytorch needs the format torch"]),
        (("[train]", '[bench.workload]\nmin_seconds = "10"\n[train]'), ["bench.workload.min_seconds", "float"]),
        (
            ("[train]", '[bench.meter]\nmeter="km003c"\nport="emulator"\n[bench.workload]\nmin_seconds=3\n[train]'),
            ["at least 10 s"],
        ),
        (("[train]", "[train"), ["not valid TOML"]),
    ],
)
def test_a_mistake_in_the_file_names_itself(tmp_path: Path, change: tuple[str, str], words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        load_campaign(write(tmp_path, MINIMAL.replace(*change)))
    for word in words:
        assert word in caught.value.message


def test_two_models_may_not_share_a_label(tmp_path: Path) -> None:
    second = MINIMAL + '\n[[models]]\nlabel = "a"\nmodel = "resnet18_cifar"\n'
    with pytest.raises(UsageError, match="label of its own"):
        load_campaign(write(tmp_path, second))


def test_stages_in_the_wrong_order_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="comes after"):
        run_campaign(load_campaign(write(tmp_path, MINIMAL)), Silence(), redo_from="bench", last="export")
    assert not (tmp_path / "out").exists()
