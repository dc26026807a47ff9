"""A profile by layers, from operators that are made by hand, to the digit; its tables and their marks."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from device_agent.messages.profile import OperatorTime, Profiled
from groupnl_deploy.bench.check import Check
from groupnl_deploy.bench.run import BenchRun, save_run
from groupnl_deploy.cli.main import app
from groupnl_deploy.models.layer_roles import LayerRole, layer_roles
from groupnl_deploy.models.registry import model_spec
from groupnl_deploy.report.profile import OUTSIDE, Steady, layers_of, module_path, run_profile
from groupnl_deploy.report.profile_tables import profile_section
from groupnl_deploy.report.row import build_row
from tests.bench.test_run_energy import block_means, make_run

BLOCK = "/layer1/layer1.0"
ROLES = {
    "conv1": LayerRole("standard", "layer"),
    "bn1": LayerRole("BatchNorm2d", "behind"),
    "relu": LayerRole("ReLU", "behind"),
    "layer1": LayerRole("Sequential", "around"),
    "layer1.0": LayerRole("BasicBlock", "around"),
    "layer1.0.conv1": LayerRole("groupnl", "layer", seeds=True),
    "layer1.0.bn1": LayerRole("BatchNorm2d", "behind"),
    "layer1.0.relu": LayerRole("ReLU", "behind"),
    "avgpool": LayerRole("AdaptiveAvgPool2d", "around"),
    "fc": LayerRole("linear", "layer"),
}
# Two inferences of 1.0 and 1.5 ms, of which the operators took 2.0 ms.
PROFILED = Profiled(
    (1_000_000, 1_500_000),
    (
        OperatorTime("/relu/Relu_nchwc", "Conv", 2, 400_000, ("/relu/Relu", "/bn1/B", "/conv1/Conv")),
        OperatorTime("seeds", "Conv", 2, 500_000, (f"{BLOCK}/conv1/conv1/Conv",), (0,)),
        OperatorTime("ReorderOutput", "ReorderOutput", 2, 50_000, (), (1,)),
        OperatorTime("sin", "Sin", 2, 300_000, (f"{BLOCK}/conv1/Sin",), (2,)),
        OperatorTime("affine", "Conv", 2, 150_000, (f"{BLOCK}/relu/Relu", f"{BLOCK}/bn1/Conv"), (3, 2)),
        OperatorTime("sum", "Add", 2, 200_000, (f"{BLOCK}/relu_1/Relu", f"{BLOCK}/Add"), (4, 0)),
        OperatorTime("pool", "GlobalAveragePool", 2, 100_000, ("/avgpool/GlobalAveragePool",), (5,)),
        OperatorTime("flat", "Flatten", 2, 100_000, ("/Flatten",), (6,)),
        OperatorTime("fc", "Gemm", 2, 200_000, ("/fc/Gemm",), (7,)),
    ),
)


def test_operators_go_to_their_layer_and_what_follows_a_layer_to_that_one() -> None:
    assert layers_of(PROFILED.operators, ROLES) == (
        "conv1",
        *["layer1.0.conv1"] * 4,
        "layer1.0",  # the sum reads from two, and its activation from the sum
        "avgpool",
        OUTSIDE,
        "fc",
    )


def test_shares_times_and_energies_are_exact() -> None:
    found = run_profile(PROFILED, ROLES, Steady(0.5, energy_j=0.010, emulated=True))
    assert (found.runs, found.wall_ms, found.covered, found.slowdown) == (2, 1.25, 0.8, 2.5)
    layer = found.layers[1]
    assert (layer.layer, layer.kind, layer.operators) == ("layer1.0.conv1", "groupnl", 4)
    numbers = (layer.ms, layer.share, layer.seeds_ms, layer.generated_ms, layer.energy_estimate_j)
    assert numbers == pytest.approx((0.5, 0.5, 0.25, 0.25, 0.005), rel=1e-12)
    conv = found.kinds[0]
    assert (conv.kind, conv.calls) == ("Conv", 3)
    assert (conv.ms, conv.share, conv.energy_estimate_j) == pytest.approx((0.525, 0.525, 0.00525), rel=1e-12)
    assert sum(one.energy_estimate_j or 0 for one in found.layers) == pytest.approx(0.010, rel=1e-12)
    assert sum(one.share for one in found.kinds) == pytest.approx(1.0, rel=1e-12)


def test_without_a_meter_there_is_no_energy_and_never_a_zero() -> None:
    found = run_profile(PROFILED, ROLES, Steady(0.5))
    assert found.emulated is None
    assert {one.energy_estimate_j for one in (*found.layers, *found.kinds, *found.operators)} == {None}


def test_of_a_network_that_nobody_knows_the_names_tell_what_they_can() -> None:
    found = run_profile(PROFILED, {}, Steady(0.5))
    assert [one.layer for one in found.layers] == [
        *("conv1", "layer1.0.conv1.conv1", "layer1.0.conv1", "layer1.0.bn1", "layer1.0", "avgpool"),
        *("/Flatten", "fc"),
    ]
    assert {one.kind for one in found.layers} == {None}


def test_a_convolution_with_an_activation_inside_is_where_the_convolution_stands() -> None:
    """OpenVINO has kinds of its own, and calls a fused operator by the first of its nodes."""
    inside = ("/a/act/Relu", "/a/conv/Conv")
    for name, kind in (("/a/conv/Conv/WithoutBiases", "Convolution"), ("/a/act/Relu_nchwc", "FusedConv")):
        assert layers_of([OperatorTime(name, kind, 20, 1, inside)], {}) == ("a.conv",)


def test_torchs_modules_are_named_as_they_are() -> None:
    operators = [
        OperatorTime("layer1.0.conv1.conv/aten::conv2d", "aten::conv2d", 1, 3, ("layer1.0.conv1.conv",)),
        OperatorTime("layer1.0.relu/aten::relu_", "aten::relu_", 1, 1, ("layer1.0.relu",)),
        OperatorTime("/aten::add_", "aten::add_", 1, 1, ()),
    ]
    assert layers_of(operators, ROLES) == ("layer1.0.conv1", "layer1.0", OUTSIDE)
    found = run_profile(Profiled((10,), tuple(operators)), ROLES, Steady(1.0))
    assert found.layers[0].seeds_ms == 3e-6


@pytest.mark.parametrize(
    ("operators", "seeds_ms", "generated_ms"),
    [
        ((("Conv", "conv1/conv1/Conv"), ("Generate", "conv1/conv1/Generate")), 1.0, 2.0),
        ((("GroupNL", "conv1/conv1/GroupNL"),), None, None),  # one operator does both
    ],
)
def test_native_operators_are_of_their_layer(
    operators: Any, seeds_ms: float | None, generated_ms: float | None
) -> None:
    times = [
        OperatorTime(name, kind, 1, (1 + place) * 1_000_000, (f"{BLOCK}/{name}",))
        for place, (kind, name) in enumerate(operators)
    ]
    (layer,) = run_profile(Profiled((9_000_000,), tuple(times)), ROLES, Steady(9.0)).layers
    assert (layer.layer, layer.seeds_ms, layer.generated_ms) == ("layer1.0.conv1", seeds_ms, generated_ms)


@pytest.mark.parametrize(
    ("origin", "path"),
    [
        ("/conv1/Conv", "conv1"),
        ("/layer2/layer2.0/downsample/downsample.0/conv1/Conv", "layer2.0.downsample.0.conv1"),
        ("/blocks/blocks.1/blocks.1.0/se/conv_reduce/Conv", "blocks.1.0.se.conv_reduce"),
        ("/Flatten", ""),
        ("node_conv2d_3", "node_conv2d_3"),
    ],
)
def test_pytorchs_names_of_nodes_are_read(origin: str, path: str) -> None:
    assert module_path(origin) == path


def test_a_networks_own_roles_tell_its_convolutions_apart() -> None:
    roles = layer_roles(model_spec("mobilenetv3_gnl_large_100"))
    assert roles["conv_stem"] == LayerRole("standard", "layer")
    assert roles["blocks.0.0.conv_dw"] == LayerRole("groupnl-sparse", "layer", seeds=True)
    assert roles["blocks.0.0.conv_pw"].kind == "1x1" and roles["blocks.0.0.bn1"].part == "behind"
    assert roles["blocks.2.0.se"] == LayerRole("SqueezeExcite", "around") and roles["classifier"].kind == "linear"
    assert not any(name.startswith("blocks.0.0.conv_dw.") for name in roles)
    plain = layer_roles(model_spec("mobilenetv3_large_100"))
    assert plain["blocks.0.0.conv_dw"].kind == "depthwise"


def profiled_run(profiled: Profiled = PROFILED) -> BenchRun:
    run = make_run()
    return dataclasses.replace(
        run,
        request=dataclasses.replace(run.request, profile=True),
        result=dataclasses.replace(
            run.result,
            profile=profiled,
            phases=(*run.result.phases, dataclasses.replace(run.result.phases[-1], phase="profile")),
        ),
    )


def shown(folder: Path, *more: str) -> Any:
    done = CliRunner().invoke(app, ["report", str(folder), "--allow-invalid", *more])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_report_shows_it_marked_and_json_has_all_of_it(tmp_path: Path) -> None:
    save_run(tmp_path / "run", profiled_run(), block_means())
    text = " ".join(shown(tmp_path / "run", "--profile").split())
    for words in ("By layer", "By operator", "est.", "EMULATED", "80.0 %", "an estimate"):
        assert words in text
    assert "By kind of layer" not in text  # nobody knows the network
    # 6 W for 10 s and 1,000 inferences are 60 mJ each; the pool's share of them is 5 %.
    assert "GlobalAveragePool 1 5.0 0.050 3.000*" in text
    row = build_row(profiled_run(), block_means(), "run")
    assert row.profile is not None and row.profile.kinds[0].energy_estimate_j == pytest.approx(0.525 * 0.060)
    assert '"energy_estimate_j"' in shown(tmp_path / "run", "--json")
    page = shown(tmp_path / "run", "--format", "html")
    assert "Where the time of an inference goes" in page and "layer1.0.conv1.conv1" in page and "3.000*" in page


def test_an_estimate_of_doubtful_joules_is_marked_though_its_time_is_sound() -> None:
    row = build_row(profiled_run(), block_means(), "run")
    check = Check("measurements missing", "energy", "invalid", 0.1, 0.01, "a hole", "the cable")
    (table, *_) = profile_section(dataclasses.replace(row, checks=(check,))).tables
    (share, time, joules) = table.rows[0][3:6]
    assert joules.endswith("*!") and not (share + time).endswith("!")


def test_a_profile_that_failed_says_why_and_spoils_nothing(tmp_path: Path) -> None:
    save_run(tmp_path / "run", profiled_run(Profiled((), (), "the profiler failed: no room")), None)
    text = shown(tmp_path / "run", "--profile")
    assert "There is no profile: the profiler failed: no room." in text


def test_what_was_not_profiled_or_cannot_be_shown_so_is_refused(tmp_path: Path) -> None:
    save_run(tmp_path / "run", make_run(), None)
    command = ["report", str(tmp_path / "run"), "--profile", "--allow-invalid"]
    for more, words in ((), "Bench again with --profile"), (("--format", "csv"), "--profile is for tables"):
        done = CliRunner().invoke(app, [*command, *more])
        assert done.exit_code == 2 and words in " ".join(done.stderr.replace("│", "").split()), done.output
