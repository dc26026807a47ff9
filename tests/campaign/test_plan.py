"""Campaign files and the plans that they make, without training anything."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from device_agent.messages.ledger import Deployment
from device_agent.strict import to_json
from groupnl_deploy.campaign import bench_job, run, train_job
from groupnl_deploy.campaign.demo import demo_text
from groupnl_deploy.campaign.load import load_campaign
from groupnl_deploy.campaign.plan import STAGE_NAMES, Plan, plan_of
from groupnl_deploy.campaign.run import Choice, list_jobs, run_campaign
from groupnl_deploy.campaign.sources import sources_of
from groupnl_deploy.campaign.stage import Stage
from groupnl_deploy.campaign.words import CampaignMistake
from groupnl_deploy.deploy.inventory import add_device, remove_device
from groupnl_deploy.errors import UsageError
from groupnl_deploy.jobs.run import Ended
from groupnl_deploy.models.registry import model_spec
from groupnl_deploy.models.spec import InvalidSpec
from groupnl_deploy.progress import Silence
from groupnl_deploy.remote.device import Device
from groupnl_deploy.training.checkpoint import initialise_checkpoint, save_checkpoint

ROOT = Path(__file__).parents[2]
MINIMAL = '[train]\ndataset = "digits"\n\n[[models]]\nlabel = "a"\nmodel = "resnet18_cifar"\n'


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "job.toml"
    path.write_text(f'schema_version = 1\nout = "{tmp_path / "out"}"\n{text}')
    return path


def planned(tmp_path: Path, text: str) -> Plan:
    campaign = load_campaign(write(tmp_path, text))
    return plan_of(campaign, sources_of(campaign))


def names(plan: Plan, kind: str) -> list[str]:
    return [job.name for job in plan.jobs if job.kind == kind]


def test_the_checked_in_example_is_valid_and_names_every_stage() -> None:
    campaign = load_campaign(ROOT / "examples" / "digits.toml")
    assert campaign.devices == ("local",) and campaign.meters["local"].port == "emulator"
    assert [model.config.conv for model in campaign.models] == ["standard", "groupnl"]
    steps = list_jobs(campaign)
    assert list(dict.fromkeys(step.stage for step in steps)) == [name for name in STAGE_NAMES if name != "evaluate"]
    *benches, report = [step.key for step in steps][-5:]
    assert sorted(benches) == [
        "bench-groupnl-onnxruntime",
        "bench-groupnl-pytorch",
        "bench-standard-onnxruntime",
        "bench-standard-pytorch",
    ]
    assert report == "report-all"


SWEEP = """
[train]
dataset = "digits"
seeds = [0, 1]

[[models]]
label = "gnl"
model = "resnet18_cifar"
ratio = [2, 4]
phi_range = [[1.0, 2.0], [1.0, 5.0]]

[export]
formats = ["onnx", "torch"]
optimize = ["none", "full"]
target = ["generic", "rpi4"]

[bench]
backends = ["onnxruntime", "pytorch"]
threads = [1, 4]
arena = [true, false]
repeats = 3
"""


def test_every_list_is_an_axis_and_every_product_is_made_once(tmp_path: Path) -> None:
    plan = planned(tmp_path, SWEEP)
    networks = [
        f"gnl{knobs}{seed}"
        for knobs in ("", "-phi-range1-5", "-ratio4", "-ratio4-phi-range1-5")
        for seed in ("", "-seed1")
    ]
    assert names(plan, "train") == networks
    onnx, torch = 4 * len(networks), 2 * len(networks)
    assert len(names(plan, "export")) == len(names(plan, "push")) == onnx + torch
    assert len(names(plan, "bench")) == 3 * (onnx * 4 + torch * 2)  # PyTorch has no arena to leave out
    assert len({job.product for job in plan.jobs}) == len({job.key for job in plan.jobs}) == len(plan.jobs)
    assert "gnl-onnxruntime" in names(plan, "bench")  # the first of every list leaves no trace
    assert "gnl-ratio4-seed1-full-rpi4-onnxruntime-threads4-no-arena-run3" in names(plan, "bench")
    assert plan.left_out == (
        "target is for the format onnx",
        "onnxruntime runs the format onnx alone",
        "pytorch runs the format torch alone",
        "pytorch does not read arena",
    )


def test_native_operators_are_left_out_for_a_backend_that_has_none(tmp_path: Path) -> None:
    text = MINIMAL + '[export]\nformats = "onnx"\noptimize = ["full", "native"]\n'
    plan = planned(tmp_path, text + '[bench]\nbackends = ["onnxruntime", "openvino"]\n')
    assert sorted(names(plan, "bench")) == ["a-native-onnxruntime", "a-onnxruntime", "a-openvino"]
    assert plan.left_out == ("openvino does not run native operators",)


def test_a_list_that_grows_at_its_end_moves_nothing(tmp_path: Path) -> None:
    before = planned(tmp_path, SWEEP)
    longer = SWEEP.replace("[0, 1]", "[0, 1, 2]").replace("[1, 4]", "[1, 4, 2]").replace("repeats = 3", "repeats = 4")
    after = planned(tmp_path, longer.replace("ratio = [2, 4]", "ratio = [2, 4, 8]"))
    assert {job.key for job in before.jobs} < {job.key for job in after.jobs}
    assert {job.key: job for job in before.jobs}["train-gnl-ratio4"] in after.jobs


def test_repeats_come_round_by_round_each_in_an_order_that_the_seed_decides(tmp_path: Path) -> None:
    text = MINIMAL + "[bench]\nbackends = 'onnxruntime'\nrepeats = 2\nthreads = [1, 2, 3, 4, 5, 6]\norder_seed = {}\n"
    order = names(planned(tmp_path, text.format(1)), "bench")
    assert sorted(order) != order == names(planned(tmp_path, text.format(1)), "bench")
    first, second = order[:6], order[6:]
    assert all(name.endswith("-run2") for name in second) and not any(name.endswith("-run2") for name in first)
    assert first != [name.removesuffix("-run2") for name in second]
    assert order != names(planned(tmp_path, text.format(2)), "bench")


def test_several_devices_share_artifacts_and_each_has_its_own_meter(tmp_path: Path) -> None:
    add_device(Device("pi", "ssh", host="one.local"))
    add_device(Device("pi2", "ssh", host="two.local"))
    text = MINIMAL + '[push]\ndevices = ["pi", "pi2"]\n[bench]\nbackends = "onnxruntime"\n'
    plan = planned(tmp_path, text + '[bench.meters.pi2]\nmeter = "km003c"\nport = "/dev/ttyACM0"\n')
    assert names(plan, "push") == ["a-onnx", "a-torch", "a-onnx-pi2", "a-torch-pi2"]
    assert {job.name: job.measures for job in plan.jobs if job.kind == "bench"} == {
        "a-onnxruntime": False,
        "a-onnxruntime-pi2": True,
    }
    with pytest.raises(UsageError, match="One meter cannot measure 2 devices"):
        planned(tmp_path, text + '[bench.meter]\nmeter = "km003c"\n')
    port = 'meter = "km003c"\nport = "/dev/ttyACM0"\n'
    with pytest.raises(UsageError, match="have one port"):
        planned(tmp_path, text + f"[bench.meters.pi]\n{port}[bench.meters.pi2]\n{port}")
    with pytest.raises(UsageError, match="measures nothing"):
        planned(tmp_path, text + f"[bench.meters.pi3]\n{port}")


def test_a_checkpoint_that_is_there_is_exported_where_it_lies(tmp_path: Path) -> None:
    text = f'[[models]]\nlabel = "old"\ncheckpoint = "{tmp_path}/old"\n'
    with pytest.raises(CampaignMistake, match="old does not exist"):
        planned(tmp_path, text)
    save_checkpoint(tmp_path / "old", *initialise_checkpoint(model_spec("resnet18_cifar", width=0.125)))
    plan = planned(tmp_path, text)
    assert [job.kind for job in plan.jobs] == ["export", "export", "push", "push", "bench", "bench", "report"]
    assert plan.jobs[0].checkpoint == tmp_path / "old" and not plan.jobs[0].needs


def test_without_a_training_networks_keep_their_random_weights(tmp_path: Path) -> None:
    plan = planned(tmp_path, '[[models]]\nlabel = "a"\nmodel = "mobilenetv3_large_100"\nwidth = [1.0, 0.5]\n')
    assert names(plan, "train") == ["a", "a-width0.5"]
    assert {job.source.training for job in plan.jobs if job.kind == "train"} == {None}
    assert plan.jobs[0].source.spec.input_shape == (3, 224, 224)


def test_what_keeps_its_random_weights_is_not_called_trained_and_stays_done_in_folders_of_older_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(Silence, "note", lambda self, text: said.append(text))
    campaign = load_campaign(write(tmp_path, '[[models]]\nlabel = "a"\nmodel = "resnet18_cifar"\nwidth = 0.125\n'))
    run_campaign(campaign, Silence(), Choice(last="train"))
    assert "step 1 of 1: init a" in said and not any("train a" in text or "train-a" in text for text in said)
    assert [path.name for path in (tmp_path / "out" / "stamps").iterdir()] == [
        "train-a.json"
    ]  # as it was always called
    first, second, *_ = list_jobs(campaign)
    assert (first.key, first.stage, first.up_to_date, second.needs) == ("init-a", "train", True, ("init-a",))
    with pytest.raises(UsageError) as caught:
        list_jobs(campaign, Choice(only=("train-a",)))
    assert "Did you mean “init-a”?" in caught.value.remedy


def test_a_plan_without_a_possible_cell_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to benchmark: pytorch does not read spinning"):
        planned(tmp_path, MINIMAL + '[export]\nformats = "torch"\n[bench]\nbackends = "pytorch"\nspinning = false\n')


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            ('dataset = "digits"', 'dataset = "digits"\nseeds = []'),
            ["seeds: the list has no value", "[train] seeds, line"],
        ),
        (('dataset = "digits"', 'dataset = "digits"\nseeds = [1, 1]'), ["1 stands there twice"]),
        (('dataset = "digits"', 'dataset = "digits"\nseed = 1\nseeds = [1]'), ["stands beside seed"]),
        (
            ('dataset = "digits"', 'dataset = "digits"\nseeds = [0, "a"]'),
            ["train.seeds: expected an integer, found 'a'"],
        ),
        (("[train]", "[bench]\nrepeats = [1, 2]\n[train]"), ["repeats: expected an integer"]),
        (("[train]", "[bench]\nrepeats = 0\n[train]"), ["[bench] repeats is 0", "[bench] repeats, line"]),
        (('dataset = "digits"', 'dataset = "digits"\nseeds = [1, true]'), ["expected an integer, found true"]),
        (("[train]", "[export]\nbatch = true\n[train]"), ["batch: true is not one of"]),
        (("[train]", "[[train]]"), ["expected a table of keys, found a list", "line 3"]),
        (("[train]", '[bench.meters.local]\nmeter = "km03c"\n[train]'), ["[bench.meters.local] meter, line"]),
        (("[train]", '[bench.meter]\nmeter = "km03c"\n[train]'), ["[bench.meter] meter, line"]),
        (("[train]", '[bench.meters.pi]\nmeter = "km003c"\n[train]'), ["[bench.meters] pi, line"]),
        (
            ("[train]", '[bench.meters.local]\nmeter = "km003c"\nport = "emulator"\nsign = 3\n[train]'),
            ["The sign of the current is 3 ([bench.meters.local] sign, line"],
        ),
        (('label = "a"', 'label = "a b"'), ["“a b”", "[[models]] number 1, label, line"]),
        (('label = "a"', 'label = "a.resume"'), ["“a.resume”"]),
        (("[train]", "[bench]\nthreads = [1, -4]\n[train]"), ["[bench] threads is -4"]),
        (("[train]", "[bench]\nthreads = 1\n[bench.workload]\nthreads = 2\n[train]"), ["threads stands in two tables"]),
        (("[train]", "[export]\nopset = 99\n[train]"), ["Opset 99", "[export] opset, line"]),
        (('model = "resnet18_cifar"', 'checkpoint = "x"\nratio = 4'), ["ratio would do nothing beside checkpoint"]),
        (('model = "resnet18_cifar"', ""), ["a model, by its name, or as module", "or a checkpoint"]),
        (('label = "a"', 'label = ["a", "b"]'), ["expected a string"]),
    ],
)
def test_a_mistake_in_an_axis_names_itself(tmp_path: Path, change: tuple[str, str], words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        load_campaign(write(tmp_path, MINIMAL.replace(*change)))
    assert all(word in str(caught.value) for word in words), caught.value


@pytest.mark.parametrize(
    ("keys", "label", "place"),
    [
        ("", "a-seed1", "checkpoints/a-seed1: of"),
        ('[export]\nformats = "onnx"\noptimize = ["full", "none"]\n', "a-none", "runs/a-none-onnxruntime: of"),
    ],
)
def test_products_that_would_share_a_place_are_refused(tmp_path: Path, keys: str, label: str, place: str) -> None:
    text = keys + '[bench]\nbackends = "onnxruntime"\n' + MINIMAL.replace('"digits"', '"digits"\nseeds = [0, 1]')
    campaign = load_campaign(write(tmp_path, text + MINIMAL[MINIMAL.index("\n[[") :].replace('"a"', f'"{label}"')))
    with pytest.raises(CampaignMistake, match=rf"{place} \[\[models\]\] number 1 and of number 2") as caught:
        plan_of(campaign, sources_of(campaign))
    assert caught.value.place == ("models", 1, "label")


def test_a_name_that_no_file_may_have_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    with pytest.raises(CampaignMistake, match="too long a name"):
        planned(tmp_path, MINIMAL.replace('"a"', f'"{"a" * 190}"'))


def test_a_form_of_an_export_keeps_its_name_when_a_level_is_added_behind(tmp_path: Path) -> None:
    """A format without graph passes has one optimized form, whichever of two levels asks for it first."""
    text = MINIMAL + '[export]\nformats = ["onnx", "torch"]\noptimize = ["none", "standard"{}]\n'
    shorter, longer = planned(tmp_path, text.format("")), planned(tmp_path, text.format(', "full"'))
    assert {job.key for job in shorter.jobs} < {job.key for job in longer.jobs}
    assert names(longer, "export") == [
        "a-onnx",
        "a-onnx-standard",
        "a-onnx-full",
        "a-torch",
        "a-torch-standard",
    ]


def test_native_operators_are_for_onnx_and_left_out_of_the_other_format(tmp_path: Path) -> None:
    plan = planned(tmp_path, MINIMAL + '[export]\nformats = ["onnx", "torch"]\noptimize = ["full", "native"]\n')
    assert names(plan, "export") == ["a-onnx", "a-onnx-native", "a-torch"]
    assert any("native operators are for the formats onnx and ncnn" in reason for reason in plan.left_out)


@pytest.mark.parametrize("batches", ['[1, "dynamic"]', '["dynamic", 1]'])
def test_a_dynamic_batch_is_left_out_of_the_format_that_has_none(batches: str, tmp_path: Path) -> None:
    export = f'[export]\nformats = ["onnx", "ncnn"]\nbatch = {batches}\n[bench]\nbackends = ["onnxruntime", "ncnn"]\n'
    plan = planned(tmp_path, MINIMAL + export)
    assert sum("ncnn" in name for name in names(plan, "export")) == 1 and len(names(plan, "export")) == 3
    assert any("ncnn computes one image at a time" in reason for reason in plan.left_out)


def test_nothing_but_a_dynamic_batch_in_that_format_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    export = '[export]\nformats = ["ncnn"]\nbatch = "dynamic"\n[bench]\nbackends = ["ncnn"]\n'
    with pytest.raises(UsageError, match="nothing to benchmark: ncnn computes one image at a time"):
        planned(tmp_path, MINIMAL + export)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("dataset =", "datset ="), ["job.toml.train", "unknown key “datset”", "dataset, data, input, recipe, epochs"]),
        (('model = "resnet18_cifar"', "width = 1.0"), ["[[models]] number 1", "a model, by its name"]),
        (('label = "a"', 'label = "../a"'), ["label"]),
        (("[train]", '[bench]\nbackends = ["onnx"]\n[train]'), ["no backend “onnx”", "onnxruntime"]),
        (
            ("[train]", '[export]\nformats = ["onnx"]\n[bench]\nbackends = "pytorch"\n[train]'),
            ["pytorch needs the format torch"],
        ),
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


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (MINIMAL.replace('"digits"', '"cifar99"\ndata = "nowhere"'), ("train", "dataset")),
        (MINIMAL.replace('"digits"', '"cifar10"\ndata = "nowhere"'), ("train", "data")),
        (MINIMAL.replace('"digits"', '"cifar10"'), ("train", "dataset")),
        (MINIMAL + '[evaluate]\ndataset = "cifar10c"\ndata = "nowhere"\n', ("evaluate", "data")),
    ],
)
def test_images_that_are_not_at_hand_are_told_at_the_key_that_says_where_they_lie(
    tmp_path: Path, text: str, place: tuple[str, str]
) -> None:
    with pytest.raises(CampaignMistake) as caught:
        run_campaign(load_campaign(write(tmp_path, text)), Silence())
    assert caught.value.place == place


def bench_of(tmp_path: Path, text: str, artifact: str = "a" * 64) -> bench_job.BenchJob:
    """The first benchmark, with a deployment as the push would have left it."""
    job = next(job for job in planned(tmp_path, text).jobs if isinstance(job, bench_job.BenchJob))
    job.deployment.parent.mkdir(parents=True, exist_ok=True)
    job.deployment.write_text(to_json(Deployment(job.device, artifact, "net", "torch", "b" * 64, "now", None)))
    return job


def bench_key(tmp_path: Path, text: str, artifact: str = "a" * 64) -> object:
    """What the first benchmark reads."""
    return bench_of(tmp_path, text, artifact).reads()


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
    monkeypatch.setattr(bench_job, "bench_cell", lambda *_, **__: None)
    row = SimpleNamespace(problems=("something computed beside it",))
    monkeypatch.setattr(bench_job, "build_report", lambda folders: SimpleNamespace(rows=(row,)))
    job = bench_of(tmp_path, MINIMAL)
    job.make(reporter)
    assert said == [f"{job.name} is INVALID: something computed beside it."]


@pytest.mark.slow
def test_what_a_failed_step_was_to_replace_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    product = tmp_path / "out" / "checkpoints" / "a"
    product.mkdir(parents=True)
    (product / "precious").write_text("kept")

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(train_job, "train_cell", fail)
    with pytest.raises(KeyboardInterrupt):
        run_campaign(load_campaign(write(tmp_path, MINIMAL)), Silence(), Choice(again_from="train"))
    assert (product / "precious").read_text() == "kept"
    assert list((tmp_path / "out" / "replaced").iterdir()) == []


def test_one_step_alone_needs_what_it_reads(tmp_path: Path) -> None:
    campaign = load_campaign(write(tmp_path, MINIMAL))
    with pytest.raises(UsageError, match="push-a-onnx needs export-a-onnx, which is not made yet"):
        run_campaign(campaign, Silence(), Choice(only=("push-a-onnx",)))
    with pytest.raises(UsageError, match="no step “push-a-onx”") as caught:
        run_campaign(campaign, Silence(), Choice(only=("push-a-onx",)))
    assert caught.value.remedy == "Did you mean “push-a-onnx”? --list shows all."
    with pytest.raises(UsageError, match="bench-a-pytorch comes after --to export"):
        list_jobs(campaign, Choice(only=("train-a", "bench-a-pytorch"), last="export"))
    assert [step.key for step in list_jobs(campaign, Choice(only=("train-a",)))] == ["train-a"]


def test_two_models_may_not_share_a_label(tmp_path: Path) -> None:
    second = MINIMAL + '\n[[models]]\nlabel = "a"\nmodel = "resnet18_cifar"\n'
    with pytest.raises(UsageError, match="label of its own"):
        load_campaign(write(tmp_path, second))


def test_stages_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(UsageError, match="comes after"):
        Choice(again_from="bench", last="export")


def test_what_a_name_alone_does_not_mean_is_said_before_anything_is_trained(tmp_path: Path, monkeypatch) -> None:
    model = 'model = "tf_efficientnet_es"\nconv = "standard"\nwidth = 0.25\npadding = "symmetric"\n'
    path = write(tmp_path, f'[train]\ndataset = "digits"\n\n[[models]]\nlabel = "light"\n{model}')
    monkeypatch.setattr(run, "run_jobs", lambda *_: Ended(()))
    said: list[str] = []
    monkeypatch.setattr(Silence, "note", lambda self, text: said.append(text))
    (departure,) = run_campaign(load_campaign(path), Silence(), Choice(last="train")).departures
    assert departure.fields == ("num_classes", "input_shape", "padding") and departure.own_params == 5_438_392
    assert said[1:] == [f"light: {' '.join(departure.sentences)}"] and "10 classes, images of 3x32x32" in said[1]


def test_backends_that_are_left_out_follow_the_formats(tmp_path: Path) -> None:
    assert names(planned(tmp_path, MINIMAL + '[export]\nformats = "onnx"\n'), "bench") == ["a-onnxruntime"]


def test_formats_that_are_left_out_have_one_for_each_backend(tmp_path: Path) -> None:
    """So the line of the demo's file that names four backends is all that it takes."""
    line = 'backends = ["onnxruntime", "ncnn", "openvino", "pytorch"]'
    demo = demo_text(Path("runs/digits"))
    assert f"# {line}\n" in demo
    (tmp_path / "four.toml").write_text(re.sub(r"(?m)^backends = .*", line, demo))
    campaign = load_campaign(tmp_path / "four.toml")
    plan = plan_of(campaign, sources_of(campaign))
    formats = {"onnxruntime": "onnx", "ncnn": "ncnn", "openvino": "onnx", "pytorch": "torch"}
    assert {*names(plan, "bench")} == {f"{net}-{backend}" for net in ("standard", "groupnl") for backend in formats}
    assert {*names(plan, "export")} == {f"{net}-{one}" for net in ("standard", "groupnl") for one in formats.values()}
    assert plan.left_out == tuple(f"{backend} runs the format {one} alone" for backend, one in formats.items())


def test_a_training_of_nothing_is_refused(tmp_path: Path) -> None:
    text = '[train]\ndataset = "digits"\n[[models]]\nlabel = "old"\ncheckpoint = "old"\n'
    with pytest.raises(UsageError, match=r"\[train\] would do nothing"):
        load_campaign(write(tmp_path, text))


def test_a_stage_names_axes_that_there_are() -> None:
    with pytest.raises(ValueError, match="the stage weigh names the axis 'exports'; a cell has source, export, device"):
        Stage("weigh", ("source", "exports"), lambda of: None)
