"""The campaign file and the pipeline's order, without training anything."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from device_agent.strict import to_json
from device_agent.wire import Deployment
from groupnl_deploy.campaign import pipeline
from groupnl_deploy.campaign.config import load_campaign
from groupnl_deploy.campaign.pipeline import STAGES, run_campaign, steps
from groupnl_deploy.deploy.inventory import add_device, remove_device
from groupnl_deploy.errors import UsageError
from groupnl_deploy.models.spec import InvalidSpec
from groupnl_deploy.progress import Silence
from groupnl_deploy.remote.device import Device

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


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (MINIMAL + '\n[[models]]\nlabel = "b"\nmodel = "resnet99"\n', "resnet99"),
        (MINIMAL + '\n[push]\ndevice = "nopi"\n', "nopi"),
        (MINIMAL.replace("digits", "digit"), "“digit”"),
        (MINIMAL + "width = 0.01\n", "width"),
    ],
)
def test_a_wrong_word_shows_before_anything_is_made(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises((UsageError, InvalidSpec), match=words):
        run_campaign(load_campaign(write(tmp_path, text)), Silence())
    assert not (tmp_path / "out").exists()


def bench_key(tmp_path: Path, text: str, artifact: str = "a" * 64) -> object:
    """What the bench step reads, with a deployment as the push step would have left it."""
    campaign = load_campaign(write(tmp_path, text))
    step = next(step for step in steps(campaign, Silence()) if step.stage == "bench")
    path = Path(campaign.out) / "deployments" / "a-torch.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(to_json(Deployment(campaign.push.device, artifact, "net", "torch", "b" * 64, "now", None)))
    return step.reads()


def test_a_bench_is_done_again_when_anything_it_depends_on_changes(tmp_path: Path) -> None:
    text = MINIMAL + '\n[push]\ndevice = "pi"\n'
    add_device(Device("pi", "ssh", host="one.local"))
    keys = [bench_key(tmp_path, text)]
    assert bench_key(tmp_path, text) == keys[0]
    keys.append(bench_key(tmp_path, text, artifact="c" * 64))
    keys.append(bench_key(tmp_path, text + "[bench.workload]\nthreads = 3\n"))
    keys.append(bench_key(tmp_path, text + '[bench.meter]\nmeter = "km003c"\nport = "emulator"\n'))
    remove_device("pi")
    add_device(Device("pi", "ssh", host="another.local"))
    keys.append(bench_key(tmp_path, text))
    assert len({to_json(key) for key in keys}) == len(keys)


def test_an_invalid_bench_is_told_when_it_ends_and_not_after_all_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    reporter = Silence()
    monkeypatch.setattr(reporter, "note", said.append)
    monkeypatch.setattr(pipeline, "bench_device", lambda *_, **__: None)
    row = SimpleNamespace(problems=("something computed beside it",))
    monkeypatch.setattr(pipeline, "build_report", lambda folders: SimpleNamespace(rows=(row,)))
    bench_key(tmp_path, MINIMAL)
    campaign = load_campaign(write(tmp_path, MINIMAL))
    next(step for step in steps(campaign, reporter) if step.stage == "bench").make()
    assert said == ["a-pytorch is INVALID: something computed beside it."]


def test_what_a_failed_step_was_to_replace_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    product = tmp_path / "out" / "checkpoints" / "a"
    product.mkdir(parents=True)
    (product / "precious").write_text("kept")

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "train_checkpoint", fail)
    with pytest.raises(KeyboardInterrupt):
        run_campaign(load_campaign(write(tmp_path, MINIMAL)), Silence(), redo_from="train")
    assert (product / "precious").read_text() == "kept"
    assert list((tmp_path / "out" / "replaced").iterdir()) == []


def test_two_models_may_not_share_a_label(tmp_path: Path) -> None:
    second = MINIMAL + '\n[[models]]\nlabel = "a"\nmodel = "resnet18_cifar"\n'
    with pytest.raises(UsageError, match="label of its own"):
        load_campaign(write(tmp_path, second))


def test_stages_in_the_wrong_order_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="comes after"):
        run_campaign(load_campaign(write(tmp_path, MINIMAL)), Silence(), redo_from="bench", last="export")
    assert not (tmp_path / "out").exists()


def test_what_a_name_alone_does_not_mean_is_said_before_anything_is_trained(tmp_path: Path, monkeypatch) -> None:
    model = 'model = "tf_efficientnet_es"\nconv = "standard"\nwidth = 0.25\npadding = "symmetric"\n'
    path = write(tmp_path, f'[train]\ndataset = "digits"\n\n[[models]]\nlabel = "light"\n{model}')
    monkeypatch.setattr(pipeline, "steps", lambda campaign, reporter: iter(()))
    said: list[str] = []
    monkeypatch.setattr(Silence, "note", lambda self, text: said.append(text))
    (departure,) = run_campaign(load_campaign(path), Silence(), last="train").departures
    assert departure.fields == ("num_classes", "input_shape", "padding") and departure.own_params == 5_438_392
    assert said == [f"light: {' '.join(departure.sentences)}"] and "10 classes, images of 3x32x32" in said[0]
