"""What `import groupnl_deploy as gnl` promises: the page, the script, and one line for every object."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import groupnl_deploy as gnl
from groupnl_deploy.models import own
from tests.images.pictures import class_folders

ROOT = Path(__file__).parents[2]


def test_the_page_promises_what_there_is() -> None:
    named = set(re.findall(r"gnl\.(\w+)", (ROOT / "docs/api.md").read_text()))
    assert named == set(gnl._WHERE) <= set(dir(gnl))
    assert all(callable(getattr(gnl, name)) for name in named - {"__version__"})


def test_importing_the_package_imports_nothing_slow() -> None:
    code = (
        "import sys, groupnl_deploy as gnl; print(gnl.__version__, sorted({'torch', 'numpy', 'onnx'} & {*sys.modules}))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == f"{gnl.__version__} []\n"


def test_a_name_that_is_none_says_which_there_are() -> None:
    with pytest.raises(AttributeError, match=r"has no “train”; it has .*train_network"):
        _ = gnl.train


def test_a_network_that_the_caller_trained_is_kept_as_just_that(tmp_path: Path) -> None:
    network = gnl.build_network("vgg11_cifar", "groupnl", ratio=2, width=0.125, num_classes=3)
    gnl.save_network(network, tmp_path / "fresh")
    assert not gnl.load_network(tmp_path / "fresh").about.trained
    with torch.no_grad():
        network.module.get_parameter("classifier.bias").add_(1)
    gnl.save_network(network, str(tmp_path / "mine"), mean=(0.5,) * 3, std=(0.25,) * 3)
    again = gnl.load_network(tmp_path / "mine")
    assert again.about.trained and again.about.accuracy is None and "another program" in again.about.assumed[0]
    assert (again.about.mean, again.spec) == ((0.5,) * 3, network.spec)
    images = torch.zeros(1, 3, 32, 32)
    assert torch.equal(again(images), network.module.eval()(images))
    assert gnl.export_network(tmp_path / "mine", tmp_path / "art", optimize="none").manifest.trained
    assert str(again) == (
        "vgg11_cifar x0.125 groupnl (released), 3x32x32 to 3 classes, "
        f"{sum(p.numel() for p in again.module.parameters()):,} parameters, trained"
    )


class Small(nn.Sequential):
    def __init__(self, width: int = 8) -> None:
        layers = nn.Conv2d(3, width, 3), nn.ReLU(), nn.Conv2d(width, 16, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
        super().__init__(*layers, nn.Flatten(), nn.Linear(16, 4))


def test_a_module_of_ones_own_is_wrapped_kept_and_loaded_with_its_code_alone(tmp_path: Path) -> None:
    module = Small()
    plain = gnl.wrap_network(module, input_shape=(3, 16, 16))
    images = torch.rand(2, 3, 16, 16)
    assert torch.equal(plain(images), module.eval()(images)) and plain.spec.num_classes == 4
    other = gnl.wrap_network(module, "groupnl", input_shape=(3, 16, 16), ratio=2)
    assert [type(it).__name__ for it in other.module.modules()].count("GroupNLConv2d") == 1
    gnl.save_network(gnl.wrap_network(module, input_shape=(3, 16, 16), trained=True), tmp_path / "mine")
    provided = dict(own._builders)
    own._builders.clear()  # as in another process
    with pytest.raises(gnl.GroupNLError, match="a network of your own, memory:Small"):
        gnl.load_network(tmp_path / "mine")
    with pytest.raises(gnl.GroupNLError, match="is not what was given"):
        gnl.load_network(tmp_path / "mine", code=Small(4))
    again = gnl.load_network(tmp_path / "mine", code=Small())
    assert again.about.trained and torch.equal(again(images), module(images))
    assert gnl.export_network(tmp_path / "mine", tmp_path / "art").manifest.outputs[0].shape == (1, 4)
    own._builders.update(provided)


def test_a_wrapped_network_with_layers_of_ours_keeps_their_weights() -> None:
    net = gnl.build_network(
        "vgg11_cifar", "groupnl", semantics="paper", width=0.125, num_classes=3, input_shape=(3, 32, 32)
    )
    again = gnl.wrap_network(net.module, input_shape=(3, 32, 32), trained=True)
    weights = again.module.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in net.module.state_dict().items())


def test_a_network_that_did_not_change_is_kept_as_what_it_was(tmp_path: Path) -> None:
    photos = gnl.DataSource("folder", str(class_folders(tmp_path / "photos")), (3, 32, 32))
    network = gnl.build_network("vgg11_cifar", "standard", width=0.125, data=photos)
    trained = gnl.train_network(network, photos, tmp_path / "net", gnl.Recipe(epochs=1, batch_size=4))
    gnl.save_network(trained, tmp_path / "copy")
    assert gnl.load_network(tmp_path / "copy").about == trained.about
    found = gnl.evaluate_network(tmp_path / "copy")
    assert found.evaluation.accuracy == trained.about.accuracy and "\n" not in str(found)


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (lambda: gnl.build_network("resnet18_cifr"), ["Unknown model", "resnet18_cifar"]),
        (lambda: gnl.build_network("resnet18_cifar", ration=2), ["“ration” is no keyword", "“ratio”"]),
        (lambda: gnl.build_network("resnet18_cifar", "grupnl"), ["grupnl", "groupnl"]),
        (lambda: gnl.build_network("resnet18_cifar", data="ditigs"), ["ditigs", "digits"]),
        (lambda: gnl.wrap_network(Small, input_shape=(3, 16, 16)), ["is no module", "Net()"]),
        (lambda: gnl.wrap_network(Small(), input_shape=(16, 16)), ["Input_shape is (16, 16)", "channels"]),
        (lambda: gnl.wrap_network(Small(), input_shape=(3, 16, 16), widht=2), ["“widht” is no keyword"]),
        (lambda: gnl.load_network("nowhere"), ["does not exist"]),
        (lambda: gnl.export_network(gnl.wrap_network(Small(), input_shape=(3, 16, 16)), "x"), ["save_network"]),
        (lambda: gnl.export_network("nowhere", "x", optimise="none"), ["“optimise” is no keyword", "“optimize”"]),
        (lambda: gnl.export_network("nowhere", "x", "onx"), ["onx", "onnx"]),
        (lambda: gnl.bench_artifact(seconds=1, backend="null"), ["“seconds” is no keyword", "min_seconds"]),
        (lambda: gnl.render(gnl.report_runs(), "xml"), ["xml", "markdown"]),
    ],
)
def test_every_mistake_is_an_error_of_the_one_family_that_is_promised(mistake, words, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(gnl.GroupNLError) as caught:
        mistake()
    assert all(word in f"{caught.value.message} {caught.value.remedy}" for word in words), caught.value
    assert list(tmp_path.iterdir()) == []


def test_mean_and_std_that_fit_no_image_are_refused(tmp_path: Path) -> None:
    network = gnl.build_network("resnet18_cifar", "standard", width=0.125)
    with pytest.raises(gnl.GroupNLError, match="one number for each channel"):
        gnl.save_network(network, tmp_path / "net", mean=(0.5,), std=(0.5,))
    assert not (tmp_path / "net").exists()
