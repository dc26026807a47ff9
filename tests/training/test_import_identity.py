"""Files that are not what they are called: twins by every kind of evidence, how they were built, their images."""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
import safetensors.torch
import torch

from device_agent.manifest import View
from groupnl_deploy.errors import UsageError
from groupnl_deploy.images.bench_images import bench_images
from groupnl_deploy.images.preprocessing import as_input
from groupnl_deploy.models.registry import create_model, list_models, model_spec
from groupnl_deploy.models.spec import ConvSpec
from groupnl_deploy.training import twins
from groupnl_deploy.training.checkpoint import load_checkpoint, load_model
from groupnl_deploy.training.claims import Claims, gather
from groupnl_deploy.training.first_norm import USUAL, better_preparation
from groupnl_deploy.training.identity import function_of, require_the_named, undecided
from groupnl_deploy.training.imports import import_weights
from groupnl_deploy.training.impossible import looks_untouched, require_possible
from groupnl_deploy.training.preparation import ImageOptions, prepare
from groupnl_deploy.training.twins import network_in, published_as, twins_of

TF = [entry.name for entry in list_models() if entry.name.startswith("tf_")]
NO_DIGEST = "0" * 64


def claims(file="weights.pth", folder="net", **said):
    return gather(Path("/nowhere") / folder / file, said, NO_DIGEST)


@pytest.mark.parametrize(
    "text, network",
    [
        ("tf_mobilenetv3_large_100-427764d5.pth", "tf_mobilenetv3_large_100"),
        ("tf_efficientnetv2_s_21ft1k-d7dafa41.pth", "tf_efficientnetv2_s"),
        ("TF-EfficientNet-Lite0.pt", "tf_efficientnet_lite0"),
        ("tf_mobilenetv3_gnl_large_100", "tf_mobilenetv3_large_100"),
        ("resnetaa50_a1h-4cf422b3.pth", "resnetaa50"),
        ("resnetblur50.bt_in1k", "resnetblur50"),
        ("my_resnetblur18_run3.tar", "resnetblur18"),
        ("msra_resnet50-5891d200.pth", "msra_resnet50"),
        ("efficientnet_es_pruned75-1b7248cf.pth", "efficientnet_es"),
        ("mobilenetv3_large_100_1k_miil_78_0-66471c13.pth", "mobilenetv3_large_100"),
        ("gluon_resnet50_v1b", "resnet50"),
        ("tv_resnet34", "resnet34"),
        ("resnet50-0676ba61.pth", "resnet50"),
        ("gnl_resnet50", "resnet50"),
        ("resnet18_cifar", "resnet18_cifar"),
        ("resnet50d", None),
        ("seresnet50", None),
        ("resnetrs50", None),
        ("tf_resnet50", None),
        ("mobilenetv3_large_100_tf.pth", None),
        ("efficientnet_lite0-tensorflow.pth", None),
        ("resnet50_aa.pth", None),
        ("resnet18-blur.pth", None),
        ("resnet101_msra.pth", None),
        ("tf_mobilenetv3_large_100_from_tf.pth", "tf_mobilenetv3_large_100"),
        ("resnet18_cifar_aa", "resnet18_cifar"),
        ("model_best.pth.tar", None),
    ],
)
def test_the_network_that_a_text_names(text, network):
    assert network_in(text) == network


def test_the_table_of_twins_is_of_networks_that_are_here_or_are_not():
    assert {twin.name for twin in twins_of("resnet50")} >= {"resnetaa50", "resnetblur50"}
    assert [twin.name for twin in twins_of("resnet18")] == ["resnetblur18"]
    for name in TF:
        plain = name.removeprefix("tf_")
        assert [twin.name for twin in twins_of(name)] == [plain] and twins_of(name)[0].known
        assert [twin.name for twin in twins_of(plain)] == [name] and "SAME" in twins_of(plain)[0].why
    assert not any(twin.known for twin in twins_of("resnet50"))
    assert twins_of("resnet18_cifar") == twins_of("mobilenetv2_100") == ()
    registered = {entry.name for entry in list_models()}
    assert set(twins._families()) <= registered
    assert all(twin.why for name in registered for twin in twins_of(name))


EVIDENCE = [
    ({"arch": "{}"}, "the file says"),
    ({"model_name": "{}"}, "the file says"),
    ({"pretrained_cfg": {"architecture": "{}"}}, "the file says"),
    ({"args": {"model": "{}"}}, "training's options"),
    ({"hyper_parameters": {"model_name": "{}"}}, "training's options"),
    ({"metadata": {"architecture": "{}"}}, "its metadata"),
    ({"metadata": {"pretrained_cfg": '{"architecture": "{}"}'}}, "its metadata"),
    ({"file": "{}-427764d5.pth"}, "its file name"),
    ({"file": "{}.in1k.safetensors"}, "its file name"),
    ({"folder": "models--timm--{}.in1k"}, "the folder"),
    ({"folder": "{}.in1k"}, "the folder"),
    ({"folder": "{}"}, "the folder"),
]


def named(value, name):
    """The case with the network's name in its place."""
    if isinstance(value, dict):
        return {key: named(item, name) for key, item in value.items()}
    return value.replace("{}", name)


@pytest.mark.parametrize("case, who", EVIDENCE, ids=str)
@pytest.mark.parametrize(
    "asked, twin",
    [("mobilenetv3_large_100", TF[-1]), (TF[-1], "mobilenetv3_large_100"), ("resnet50", "resnetaa50")],
)
def test_a_twin_is_refused_by_name_whatever_names_it(asked, twin, case, who):
    found = claims(**named(case, twin))
    with pytest.raises(UsageError) as caught:
        require_the_named("weights.pth", model_spec(asked), found)
    assert f"is {twin}, not {asked}" in caught.value.message and who in caught.value.message
    known = twin in {entry.name for entry in list_models()}
    assert (f"--model {twin}" in caught.value.remedy) == known
    assert known or f"cannot build {twin}" in caught.value.remedy


@pytest.mark.parametrize("case, who", EVIDENCE, ids=str)
def test_who_names_the_network_itself_decides(case, who):
    for name in ("mobilenetv3_large_100", TF[-1], "resnet50"):
        found = claims(**named(case, name))
        require_the_named("weights.pth", model_spec(name), found)
        assert undecided(model_spec(name), found) == ()


def test_where_nothing_is_said_every_twin_is_named():
    assert [twin.name for twin in undecided(model_spec("resnet18"), claims())] == ["resnetblur18"]
    assert [twin.name for twin in undecided(model_spec(TF[0]), claims())] == [TF[0].removeprefix("tf_")]
    assert [twin.name for twin in undecided(model_spec("efficientnet_gnl_es"), claims())] == ["tf_efficientnet_es"]
    # Nobody makes GroupNL of a network that blurs; and the two knobs turned are the other network.
    assert undecided(model_spec("gnl_resnet50"), claims()) == ()
    turned = model_spec("efficientnet_es", padding="same", bn_eps=1e-3)
    require_the_named("weights.pth", turned, claims(arch="tf_efficientnet_es"))
    assert undecided(turned, claims(arch="tf_efficientnet_es")) == ()
    with pytest.raises(UsageError, match="is tf_efficientnet_es"):
        half = model_spec("efficientnet_es", padding="same")
        require_the_named("weights.pth", half, claims(arch="tf_efficientnet_es"))


@pytest.mark.parametrize(
    "conv, words",
    [
        (ConvSpec.preset("groupnl-sparse"), "sinusoidal, phi_sign -1, its seeds normalised (released)"),
        (ConvSpec.preset("groupnl", "paper"), "sinusoidal, phi_sign +1, its seeds not normalised (paper)"),
        (ConvSpec.preset("groupnl", nlf="laplace"), "it is laplace, its seeds normalised"),
        (ConvSpec.preset("ghost"), None),
    ],
    ids=str,
)
def test_what_groupnl_computes_with_its_weights_is_said(conv, words):
    said = "".join(function_of(replace(model_spec("resnet18"), conv=conv)))
    assert (words in said) if words else said == ""


def test_the_strongest_word_counts():
    found = claims(arch="resnet50", file="resnetblur50.pth")
    require_the_named("weights.pth", model_spec("resnet50"), found)
    assert [twin.name for twin in undecided(model_spec("resnet50"), found)] == [
        "resnetblur50"
    ]  # it is told all the same
    with pytest.raises(UsageError, match="resnetaa50"):
        require_the_named("weights.pth", model_spec("resnet50"), claims(arch="resnetaa50", file="resnet50.pth"))


@pytest.mark.parametrize(
    "said, words",
    [
        ({"args": {"bn_eps": 1e-3}}, "--bn-eps 0.001"),
        ({"model_args": {"bn_eps": 1e-3}}, "--bn-eps 0.001"),
        ({"args": {"model_kwargs": {"bn_tf": True}}}, "--bn-eps 0.001"),
        ({"args": {"bn_tf": True}}, "--bn-eps 0.001"),
        ({"args": {"bn_tf": False}}, None),
        ({"metadata": {"bn_eps": ".001"}}, "--bn-eps 0.001"),
        ({"args": {"model_kwargs": {"pad_type": "same"}}}, "--padding same"),
        ({"args": {"model_kwargs": {"pad_type": "SAME"}}}, "--padding same"),
        ({"args": {"model_kwargs": {"pad_type": "valid"}}}, "cannot build it so"),
        ({"args": {"model_kwargs": {"aa_layer": "blurpool"}}}, "cannot build it so"),
        ({"args": {"model_kwargs": {"output_stride": 16}}}, "cannot build it so"),
        ({"args": {"model_kwargs": {"act_layer": "silu"}}}, "cannot build it so"),
        ({"global_pool": "max"}, "cannot build it so"),
        ({"args": {"gp": "avgmax"}}, "cannot build it so"),
        ({"args": {"gp": "avg", "bn_eps": None, "model_kwargs": {"drop_rate": 0.2, "num_classes": 5}}}, None),
        ({"args": {"bn_eps": 1e-5, "model_kwargs": {"pad_type": "", "output_stride": 32}}}, None),
    ],
    ids=str,
)
def test_how_it_was_built(said, words):
    spec = model_spec("mobilenetv2_100")
    if words is None:
        require_the_named("a.pth", spec, claims(**said))
        return
    with pytest.raises(UsageError) as caught:
        require_the_named("a.pth", spec, claims(**said))
    assert "built otherwise" in caught.value.message and words in caught.value.remedy


def test_the_remedies_for_how_it_was_built_work():
    both = {"args": {"bn_eps": 1e-3, "model_kwargs": {"pad_type": "same"}}}
    require_the_named("a.pth", model_spec("mobilenetv2_100", padding="same", bn_eps=1e-3), claims(**both))
    with pytest.raises(UsageError, match=r"pad_type=same"):
        require_the_named("a.pth", model_spec("mobilenetv2_100", bn_eps=1e-3), claims(**both))


def test_a_published_file_is_known_by_its_digest_whatever_it_is_called():
    found = gather(Path("/nowhere/weights.pth"), {}, "427764d5" + "0" * 56)
    assert found.network.network == "tf_mobilenetv3_large_100" and found.mean.value == (0.5, 0.5, 0.5)
    with pytest.raises(UsageError, match="its digest"):
        require_the_named("weights.pth", model_spec("mobilenetv3_large_100"), found)
    assert published_as(NO_DIGEST, "resnet50.a3_in1k").input_shape == (3, 160, 160)
    assert published_as(NO_DIGEST, "resnet50.a3_in1k_mine") is None


IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), (3, 224, 224))
HALF = (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    "name, options, said, expected, assumed",
    [
        ("mobilenetv3_large_100", {}, {}, IMAGENET, "mean 0.485,0.456,0.406 (ImageNet's; --mean"),
        (TF[-1], {}, {}, (HALF, HALF, (3, 224, 224)), "mean 0.5 (timm's for tf_mobilenetv3_large_100"),
        ("resnet18", {"mean": (0.0,), "std": (1.0,)}, {}, ((0.0,) * 3, (1.0,) * 3, (3, 224, 224)), "input 3,224,224"),
        ("resnet18", {"input_shape": (1, 64, 48)}, {}, ((0.449,), (0.226,), (1, 64, 48)), "mean 0.449 (ImageNet's"),
        (
            "mobilenetv3_large_100",
            {},
            {"file": "mobilenetv3_large_100_1k_miil_78_0-66471c13.pth"},
            ((0.0,) * 3, (1.0,) * 3, (3, 224, 224)),
            None,
        ),
        (
            "resnet18",
            {},
            {"pretrained_cfg": {"mean": [0.1, 0.2, 0.3], "std": [1, 2, 3], "input_size": [3, 160, 160]}},
            ((0.1, 0.2, 0.3), (1.0, 2.0, 3.0), (3, 160, 160)),
            None,
        ),
        ("resnet18", {}, {"args": {"mean": [0.5], "img_size": 96}}, (HALF, IMAGENET[1], (3, 96, 96)), "std 0.229"),
        (
            "resnet18",
            {},
            {"metadata": {"mean": "[0.5, 0.5, 0.5]", "std": "0.25"}},
            (HALF, (0.25,) * 3, IMAGENET[2]),
            "input",
        ),
        ("resnet18", {"mean": HALF}, {"args": {"mean": [0.1, 0.1, 0.1]}}, (HALF, *IMAGENET[1:]), "std 0.229"),
        # Pixels from 0 to 255 are said to be that by their mean.
        ("resnet18", {}, {"args": {"mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375]}}, IMAGENET, "in"),
        ("resnet18", {}, {"mean": [127.5], "std": 1}, (HALF, (1 / 255,) * 3, IMAGENET[2]), "input"),
        # What a file says of itself counts before what timm says of its name.
        (
            "mobilenetv3_large_100",
            {},
            {"args": {"model": "mobilenetv3_large_100.miil_in21k", "mean": HALF, "std": HALF, "img_size": 96}},
            (HALF, HALF, (3, 96, 96)),
            None,
        ),
        # What is no mean, no std and no shape says nothing.
        ("resnet18", {}, {"mean": [float("nan")] * 3, "std": [0, 1, 1], "input_size": [3, -1, 4]}, IMAGENET, "mean"),
        ("resnet18", {}, {"mean": "0.5", "std": {}, "input_size": [True, 2, 3]}, IMAGENET, "mean"),
    ],
    ids=str,
)
def test_how_images_are_prepared(name, options, said, expected, assumed):
    found = prepare(model_spec(name), ImageOptions(**options), claims(**said))
    for value, wanted in zip((*found.mean, *found.std), (*expected[0], *expected[1]), strict=True):
        assert value == pytest.approx(wanted, rel=1e-3)
    assert found.spec.input_shape == expected[2]
    assert bool(found.assumed) == (assumed is not None) and (assumed or "") in "".join(found.assumed)


def test_a_mean_of_the_wrong_length_is_refused():
    with pytest.raises(UsageError, match="--mean has 2 numbers"):
        prepare(model_spec("resnet18"), ImageOptions(mean=(0.1, 0.2)), Claims())


@pytest.mark.parametrize(
    "options, words",
    [
        ({"mean": (123.675, 116.28, 103.53)}, "--mean 0.485,0.456,0.406"),
        ({"std": (58.395, 57.12, 57.375)}, "--std 0.229,0.224,0.225"),
        ({"mean": (1e300,)}, "--mean 0.5"),
        ({"std": (1e-50,)}, "--std 0.5"),
    ],
)
def test_a_mean_or_std_of_other_pixels_is_refused_with_the_right_one(options, words):
    with pytest.raises(UsageError, match="none of pixels from 0 to 1") as caught:
        prepare(model_spec("resnet18"), ImageOptions(**options), Claims())
    assert words in caught.value.remedy


def thin(name):
    spec = model_spec(name, width=0.25, num_classes=5)
    return spec, create_model(spec).state_dict()


def test_a_folder_of_the_hub_is_read_whole_and_kept(tmp_path):
    spec, state = thin("tf_mobilenetv3_large_100")
    safetensors.torch.save_file(state, tmp_path / "model.safetensors")
    card = {
        "input_size": [3, 96, 80],
        "mean": [0.5] * 3,
        "std": [0.25] * 3,
        "crop_pct": 0.9,
        "interpolation": "bicubic",
    }
    config = {
        "architecture": "tf_mobilenetv3_large_100",
        "num_classes": 5,
        "global_pool": "avg",
        "pretrained_cfg": card,
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    imported = import_weights(tmp_path / "model.safetensors", spec, tmp_path / "net")
    kept = load_checkpoint(tmp_path / "net")
    assert (kept.mean, kept.std, kept.spec.input_shape) == (HALF, (0.25,) * 3, (3, 96, 80))
    assert "crop_pct 0.9, interpolation bicubic" in " ".join(imported.notes)
    assert kept.assumed == imported.checkpoint.assumed and "never saw an image" in kept.assumed[0]
    assert kept.imported.images == imported.notes and kept.view == View(0.9, "bicubic")
    with pytest.raises(UsageError, match=r"config.json beside it says “tf_mobilenetv3_large_100”"):
        import_weights(tmp_path / "model.safetensors", thin("mobilenetv3_large_100")[0], tmp_path / "other")
    assert not (tmp_path / "other").exists()
    (tmp_path / "config.json").write_text(json.dumps(config | {"pretrained_cfg": card | {"crop_mode": "squash"}}))
    squashed = import_weights(tmp_path / "model.safetensors", spec, tmp_path / "squashed")
    assert squashed.checkpoint.view is None and "crop and resize images so before" in " ".join(squashed.notes)
    (tmp_path / "config.json").write_text("{not json")
    assert "could also be" in import_weights(tmp_path / "model.safetensors", spec, tmp_path / "b").checkpoint.assumed[0]


def test_what_was_assumed_is_kept_in_the_checkpoint(tmp_path):
    spec, state = thin("mobilenetv3_large_100")
    options = argparse.Namespace(mean=None, std=None, model_kwargs={}, bn_eps=None)
    torch.save({"state_dict": state, "args": options}, tmp_path / "a.pth")
    kept = load_model(tmp_path / "net")[0] if import_weights(tmp_path / "a.pth", spec, tmp_path / "net") else None
    assert kept.assumed[0].startswith("could also be tf_mobilenetv3_large_100, which has the same keys")
    assert "--model tf_mobilenetv3_large_100" in kept.assumed[0]
    assert "nothing says how its images were prepared" in kept.assumed[1]


def norm(**changes):
    """One BatchNorm's tensors, and those of a second that is well."""
    state = {"a.running_mean": torch.ones(4), "a.running_var": torch.ones(4), "b.running_var": torch.ones(2)}
    return state | {f"a.{key}": value for key, value in changes.items()}


@pytest.mark.parametrize(
    "state, words",
    [
        (norm(running_var=torch.tensor([1, -0.5, 1, -2])), "a.running_var (2 of 4, the least -2)"),
        (norm(running_var=torch.tensor([1.0, float("nan"), 1, 1])), "NaN or infinite: a.running_var"),
        (norm(running_var=torch.tensor([1.0, float("inf"), 1, 1])), "NaN or infinite: a.running_var"),
        (norm(running_mean=torch.tensor([1e300], dtype=torch.float64)), "beyond the range of float32"),
        (norm(running_var=torch.zeros(4)), "no variance in any channel: a.running_var"),
        ({"a.running_mean": torch.zeros(4), "a.running_var": torch.zeros(4)}, "no variance in any channel"),
        (norm(weight=torch.zeros(4, dtype=torch.float8_e4m3fn)), "no ordinary floats"),
        (norm(weight=torch.zeros(4, dtype=torch.complex64)), "no ordinary floats"),
        (norm(running_var=torch.tensor([0.0, 1, 1, 1])), None),
        (norm(running_mean=torch.zeros(4), running_var=torch.zeros(4)), None),
        (norm(num_batches_tracked=torch.tensor(-3)), None),
        (norm(running_var=-torch.zeros(4) + torch.tensor([0.0, 0, 0, 1])), None),
    ],
)
def test_states_that_no_training_leaves(state, words):
    if words is None:
        require_possible("a.pth", MappingProxyType(state))
        return
    with pytest.raises(UsageError) as caught:
        require_possible("a.pth", state)
    assert words in caught.value.message


def test_a_network_that_never_saw_an_image():
    assert looks_untouched(create_model(model_spec("resnet18_cifar", width=0.125)).state_dict())
    assert not looks_untouched(norm()) and not looks_untouched({"weight": torch.ones(3)})


def settled(name, mean, std, width=0.5):
    """A network of random weights whose BatchNorms saw photographs, others than those that an import looks at."""
    spec = model_spec(name, width=width, num_classes=5, input_shape=(3, 96, 96))
    model = create_model(spec)
    photographs = torch.tensor(bench_images(None, (3, 96, 96), 24).images[8:])
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        model.train()(as_input(photographs, mean, std))
    return spec, model.eval()


@pytest.mark.parametrize("name", ["mobilenetv3_large_100", pytest.param("resnet18", marks=pytest.mark.slow)])
@pytest.mark.parametrize("trained", USUAL)
def test_the_first_batchnorm_tells_the_usual_preparations_apart(name, trained):
    spec, model = settled(name, *USUAL[trained], width=0.25)
    for assumed, usual in USUAL.items():
        sentence = better_preparation(model, spec, *usual)
        assert (sentence is None) == (assumed == trained), sentence
        assert sentence is None or f"fit {trained} better" in sentence


def test_it_keeps_still_where_it_knows_nothing():
    spec, model = settled("resnet18", *USUAL["ImageNet's"], width=0.25)
    small = model_spec("resnet18_cifar", width=0.25)
    assert better_preparation(create_model(small).eval(), small, *USUAL["ImageNet's"]) is None
    model.bn1.running_var.mul_(100)  # fits nothing: neither does it speak
    assert better_preparation(model, spec, *USUAL["pixels from -1 to 1"]) is None


def test_an_import_says_which_preparation_fits_better(tmp_path):
    spec, model = settled("mobilenetv3_large_100", *USUAL["pixels from -1 to 1"], width=0.25)
    torch.save(model.state_dict(), tmp_path / "a.pth")
    kept = import_weights(tmp_path / "a.pth", spec, tmp_path / "net").checkpoint
    assert any("--mean 0.5 --std 0.5" in sentence for sentence in kept.assumed)
    images = ImageOptions(mean=(0.5,), std=(0.5,))
    kept = import_weights(tmp_path / "a.pth", spec, tmp_path / "other", images=images).checkpoint
    assert [sentence[:13] for sentence in kept.assumed] == ["could also be"]


def test_a_first_layer_of_one_channel_says_what_its_images_are(tmp_path):
    spec = model_spec("resnet18_cifar", width=0.125)
    grey = model_spec("resnet18_cifar", width=0.125, input_shape=(1, 32, 32))
    torch.save(create_model(grey).state_dict(), tmp_path / "a.pth")
    made = import_weights(tmp_path / "a.pth", spec, tmp_path / "net")
    kept = made.checkpoint
    assert kept.spec == grey and len(kept.mean) == len(kept.std) == 1
    assert "input 1,32,32: so its first layer says" in made.notes
    with pytest.raises(UsageError) as caught:
        images = ImageOptions(input_shape=(3, 32, 32))
        import_weights(tmp_path / "a.pth", spec, tmp_path / "other", images=images)
    assert "--input 1,32,32" in caught.value.remedy
