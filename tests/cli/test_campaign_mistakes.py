"""A mistake in a campaign file is told in the file's words: table, key, line, and no option of the command line."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from groupnl_deploy.campaign.words import key_name, line_of, speaking_of
from groupnl_deploy.cli.main import app
from groupnl_deploy.errors import TrainingDiverged

CAMPAIGN = """\
schema_version = 1
out = "job"

[train]
dataset = "digits"
epochs = 1

[[models]]
label = "one"
model = "resnet18_cifar"
conv = "groupnl"
width = 0.125

[[models]]
label = "two"
model = "resnet18_cifar"
conv = "standard"
width = 0.125

[export]
formats = ["onnx"]
optimize = "full"
target = "generic"

[push]
device = "local"

[bench]
backends = ["onnxruntime"]

[bench.workload]
threads = 1
images = 10
idle_s = 5.0
warmup_s = 2.0
min_iterations = 100
min_seconds = 10.0

[bench.meter]
meter = "km003c"
port = "emulator"
sign = 1

[bench.meter.emulator]
busy_a = 1.0

[report]
formats = ["json"]
"""


def run(folder: Path, text: str) -> Result:
    (folder / "job.toml").write_text(text, encoding="utf-8")
    return CliRunner().invoke(app, ["run", str(folder / "job.toml")], env={"NO_COLOR": "1"})


# What stands there, what is written instead, and the place that must be named.
MISTAKES = [
    ('dataset = "digits"', 'datset = "digits"', "[train] datset"),
    ('dataset = "digits"', 'dataset = "digit"', "[train] dataset"),
    ('dataset = "digits"', "dataset = 3", "[train] dataset"),
    ("epochs = 1", "epochs = 0", "[train] epochs"),
    ("epochs = 1", 'epochs = "1"', "[train] epochs"),
    ("epochs = 1", "seed = -1", "[train] seed"),
    ("epochs = 1", "threads = -1", "[train] threads"),
    ("epochs = 1", "threads = 1.5", "[train] threads"),
    ('label = "two"', 'label = "one"', "[[models]] number 2, label"),
    ('label = "two"', 'label = "../two"', "[[models]] number 2, label"),
    (
        'label = "two"\nmodel = "resnet18_cifar"',
        'label = "two"\nmodel = "resnet19_cifar"',
        "[[models]] number 2, model",
    ),
    ('conv = "groupnl"', 'conv = "groupn"', "[[models]] number 1, conv"),
    ('conv = "groupnl"', 'conv = "groupnl"\nratio = 0', "[[models]] number 1, ratio"),
    ('conv = "groupnl"', 'conv = "groupnl"\nnlf = "sine"', "[[models]] number 1, nlf"),
    ('conv = "groupnl"', 'conv = "groupnl"\nphi_range = [5.0, 1.0]', "[[models]] number 1, phi_range"),
    ('conv = "groupnl"', 'conv = "groupnl"\nnlf = "laplace"\nphi_sign = 1', "[[models]] number 1, nlf"),
    ('conv = "groupnl"', 'conv = "groupnl"\ngroup_size = 4', "[[models]] number 1, group_size"),
    ('conv = "standard"', 'conv = "standard"\nratio = 4', "[[models]] number 2, ratio"),
    ('conv = "standard"', 'conv = "standard"\nsemantics = "paper"', "[[models]] number 2, semantics"),
    ('conv = "standard"', 'conv = "grouped"', "[[models]] number 2, group_size"),
    ('conv = "standard"\nwidth = 0.125', 'conv = "standard"\nwidth = -1.0', "[[models]] number 2, width"),
    ('conv = "standard"\nwidth = 0.125', 'conv = "standard"\nwidth = nan', "[[models]] number 2, width"),
    ('optimize = "full"', 'optimize = "most"', "[export] optimize"),
    ('target = "generic"', 'target = "rpi5"', "[export] target"),
    ('formats = ["onnx"]', 'formats = ["onx"]', "[export] formats"),
    ('formats = ["onnx"]', 'formats = ["torch"]', "[export] formats"),
    ('device = "local"', 'device = "pi7"', "[push] device"),
    ('backends = ["onnxruntime"]', 'backends = ["onnx"]', "[bench] backends"),
    ("threads = 1", "threads = -1", "[bench.workload] threads"),
    ("images = 10", "images = -1", "[bench.workload] images"),
    ("idle_s = 5.0", "idle_s = -5.0", "[bench.workload] idle_s"),
    ("idle_s = 5.0", "idle_s = 1.0", "[bench.workload] idle_s"),
    ("warmup_s = 2.0", "warmup_s = 0.1", "[bench.workload] warmup_s"),
    ("warmup_s = 2.0", "warmup_s = inf", "[bench.workload] warmup_s"),
    ("min_iterations = 100", "min_iterations = 3", "[bench.workload] min_iterations"),
    ("min_iterations = 100", "min_iterations = 0", "[bench.workload] min_iterations"),
    ("min_seconds = 10.0", "min_seconds = 3.0", "[bench.workload] min_seconds"),
    ("min_seconds = 10.0", 'min_seconds = "10"', "[bench.workload] min_seconds"),
    ('meter = "km003c"', 'meter = "km003"', "[bench.meter] meter"),
    ('meter = "km003c"', 'meter = "replay"', "[bench.meter]"),
    ('meter = "km003c"', 'meter = "hwmon"', "[bench.meter] port"),
    ('port = "emulator"', "port = 3", "[bench.meter] port"),
    ('port = "emulator"', 'port = "emulater"', "[bench.meter] port"),
    ('meter = "km003c"', 'meter = "emulator"', "[bench.meter] meter"),
    ('meter = "km003c"\n', "", "[bench.meter] meter"),
    ('label = "two"\n', "", "[[models]] number 2, label"),
    ("schema_version = 1", "schema_version = 9", "schema_version, line 1 of"),
    ("sign = 1", "sign = 2", "[bench.meter] sign"),
    ("sign = 1", "rate_hz = 50", "[bench.meter] rate_hz"),
    ("busy_a = 1.0", "busy_a = 99.0", "[bench.meter.emulator] busy_a"),
    ('[report]\nformats = ["json"]', '[report]\nformats = ["pdf"]', "[report] formats"),
]


@pytest.mark.parametrize(("old", "new", "place"), MISTAKES)
def test_a_mistake_names_its_table_key_and_line_and_no_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, place: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert CAMPAIGN.count(old) == 1
    text = CAMPAIGN.replace(old, new)
    done = run(tmp_path, text)
    assert done.exit_code == 2 and done.stdout == "", done.output
    assert place in done.stderr, done.stderr
    assert "[bench.meters" not in done.stderr, "the file has [bench.meter]"
    assert not re.search(r"(?<!\w)--[a-z]", re.sub(r"groupnl [a-z]+[^.;,`]*", "", done.stderr)), done.stderr
    line = re.search(r"line (\d+) of", done.stderr)
    assert line, done.stderr
    changed = {number for number, line in enumerate(text.splitlines(), 1) if line not in CAMPAIGN.splitlines()}
    if changed:
        near = {number + step for number in changed for step in range(-5, 2)}  # a key left out: its table's
        assert int(line[1]) in near, done.stderr
    assert not (tmp_path / "job").exists()


WORDS = [
    ("epochs = 1", "epochs = 1.5", ": expected an integer, found 1.5 ([train] epochs, line 6 of "),
    ('out = "job"', "out = 3", ": expected a string, found 3 (out, line 2 of "),
    ("busy_a = 1.0", "busy_a = true", ": expected a float, found true ([bench.meter.emulator] busy_a, line"),
    ("images = 10", "images = [10, 20]", ": expected an integer, found [10, 20] ([bench.workload] images, line"),
    ("[train]", "[trian]", "Try:   Did you mean “train”?"),
]


@pytest.mark.parametrize(("old", "new", "said"), WORDS)
def test_a_wrong_type_is_called_what_toml_calls_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(tmp_path, CAMPAIGN.replace(old, new))
    assert done.exit_code == 2 and said in done.stderr, done.stderr


def test_lines_are_found_under_every_kind_of_header() -> None:
    text = 'a = 1\n# b = 2\n[one]\nb = 2\n[[many]]\nc = 3\n[[many]]\n"c" = 4\nd.e = 5\n[one.two] # x\nf = 6\n'
    wanted = {("a",): 1, ("one", "b"): 4, ("many", 0, "c"): 6, ("many", 1, "c"): 8, ("many", 1, "d", "e"): 9}
    assert {place: line_of(text, place) for place in wanted} == wanted
    assert line_of(text, ("one", "two", "f")) == 11 and line_of(text, ("one", "absent")) == 3
    assert line_of(text, ("none",)) is None
    assert key_name(("one", "two", "f")) == "[one.two] f" and key_name(("a",)) == "a"


def test_what_the_command_line_sets_is_a_key_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "job.toml").write_text(CAMPAIGN)
    with pytest.raises(TrainingDiverged) as caught, speaking_of(tmp_path / "job.toml"):
        raise TrainingDiverged(
            "The loss became nan.", "Such as --lr 1e-05, or --set clip_norm=0.1, or --set freeze=fc."
        )
    assert caught.value.remedy == "Such as [train] lr = 1e-05, or [train] clip_norm = 0.1, or [train] freeze = “fc”."
