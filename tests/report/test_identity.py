"""Two runs that differ in anything have rows that differ, each difference in a column of its own."""

import csv
import dataclasses
import io
import json
from typing import Any

import pytest

from device_agent.manifest import Source, TensorInfo
from device_agent.messages.bench import NativeRan
from device_agent.strict import to_dict
from groupnl_deploy.bench.run import BenchRun
from groupnl_deploy.models.spec import ConvSpec, ModelSpec
from groupnl_deploy.report.build import Report
from groupnl_deploy.report.identity import KNOB_NAMES, Identity
from groupnl_deploy.report.render import render
from groupnl_deploy.report.row import ReportRow, build_row
from groupnl_deploy.report.tables import columns, notes
from groupnl_deploy.report.traits import LAST_RESORTS, TRAITS, Trait, differing, shared
from tests.report.test_report import MANIFEST, make_run, make_trace

GROUPNL = ConvSpec.preset("groupnl", "released")
SPEC = ModelSpec("resnet18_cifar", GROUPNL, width=0.25)


def run_of(spec: ModelSpec = SPEC, manifest: Any = MANIFEST, **changes: Any) -> BenchRun:
    manifest = dataclasses.replace(
        manifest,
        **{"label": spec.label, "model": to_dict(spec), "optimize": "full", "opset": 18}
        | {"target": "generic", "inputs": (TensorInfo("input", (1, *spec.input_shape)),)}
        | {"outputs": (TensorInfo("logits", (1, spec.num_classes)),)}
        | changes,
    )
    return make_run(manifest=manifest)


def row_of(run: BenchRun, name: str = "run", metered: bool = False) -> ReportRow:
    return build_row(run, make_trace() if metered else None, name)


def conv(**knobs: Any) -> BenchRun:
    return run_of(dataclasses.replace(SPEC, conv=dataclasses.replace(GROUPNL, **knobs)))


def spec(**changes: Any) -> BenchRun:
    return run_of(dataclasses.replace(SPEC, **changes))


def result(**changes: Any) -> BenchRun:
    run = run_of()
    return dataclasses.replace(run, result=dataclasses.replace(run.result, **changes))


def board(**changes: Any) -> BenchRun:
    return result(board_before=dataclasses.replace(run_of().result.board_before, **changes))


def settings(**changes: Any) -> BenchRun:
    return result(settings=dataclasses.replace(run_of().result.settings, **changes))


def workload(**changes: Any) -> BenchRun:
    return settings(workload=dataclasses.replace(run_of().result.settings.workload, **changes))


def whole(**changes: Any) -> BenchRun:
    return dataclasses.replace(run_of(), **changes)


GROUPED = dataclasses.replace(SPEC, conv=ConvSpec("grouped", group_size=16))
CHANGES: dict[str, tuple[BenchRun, tuple[str, ...]]] = {
    "network": (spec(name="resnet34_cifar"), ("network",)),
    "untrained": (run_of(trained=False), ("trained",)),
    "width": (spec(width=0.5), ("width",)),
    "width, in its seventh digit": (spec(width=0.2500001), ("width",)),
    "convolution": (spec(conv=ConvSpec("standard")), ("convolution",)),
    "sparse": (conv(method="groupnl-sparse"), ("convolution",)),
    "ratio": (conv(ratio=4), ("ratio",)),
    "groups": (conv(nl_groups=8), ("nl_groups",)),
    "function": (conv(nlf="gaussian"), ("nlf",)),
    "semantics": (spec(conv=ConvSpec.preset("groupnl", "paper")), ("semantics",)),
    "normalise": (conv(normalize=False), ("semantics", "normalize")),
    "sign": (conv(phi_sign=1), ("semantics", "phi_sign")),
    "phi": (conv(phi_range=(1.0, 3.0)), ("semantics", "phi_range")),
    "omega": (conv(omega_range=(1.0, 3.0)), ("semantics", "omega_range")),
    "BN position": (conv(bn_position="seeds"), ("bn_position",)),
    "padding": (spec(padding="same"), ("padding",)),
    "epsilon": (spec(bn_eps=1e-3), ("bn_eps",)),
    "own widths": (spec(widths={"layer1.0.conv1": 24}), ("widths",)),
    "dynamic": (run_of(batch="dynamic"), ("batch",)),
    "seed": (spec(seed=1), ("seed",)),
    "input shape": (spec(input_shape=(3, 64, 64)), ("input_shape",)),
    "classes": (spec(num_classes=100), ("classes",)),
    "format": (run_of(format="torch", opset=None, target=None), ("format",)),
    "level": (run_of(optimize="none"), ("level",)),
    "quantized": (run_of(quantized=True), ("quantized",)),
    "target": (run_of(target="rpi4"), ("target",)),
    "opset": (run_of(opset=17), ("opset",)),
    "backend": (result(backend="null"), ("backend",)),
    "threads": (settings(threads=1), ("threads",)),
    "spinning": (settings(spinning=False), ("spinning",)),
    "arena": (settings(arena=False), ("arena",)),
    "graph level": (settings(graph_level="basic"), ("graph_level",)),
    "device": (whole(device="pi5"), ("device",)),
    "board": (board(model="Raspberry Pi 5"), ("board",)),
    "kernel": (board(kernel="7"), ("system",)),
    "Python": (board(python="3.13"), ("system",)),
    "governor": (board(governor="powersave"), ("governor",)),
    "runtime": (result(versions={"onnxruntime": "1.20.0", "numpy": "2.4.6"}), ("versions",)),
    "image source": (whole(images=dataclasses.replace(run_of().images, source="photographs")), ("image_source",)),
    "idle": (workload(idle_s=9.0), ("idle_s",)),
    "warm-up": (workload(warmup_s=9.0), ("warmup_s",)),
    "cooled": (workload(cool_to_c=50.0), ("cool_to_c",)),
    "window": (workload(min_seconds=9.0), ("min_seconds",)),
    "iterations": (workload(min_iterations=9), ("min_iterations",)),
    "agent": (result(agent_sha256="d" * 64), ("agent_sha256",)),
    "our version": (whole(host={"groupnl": "9"}), ("groupnl",)),
    "another training": (run_of(source=Source("checkpoint", "d" * 64)), ("source_sha256",)),
    "another artifact": (whole(artifact_sha256="d" * 64), ("artifact_sha256",)),
    "another day": (whole(created_at="2026-11-22T00:00:00+00:00"), ("created_at",)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_one_change_is_a_column_and_in_json_and_csv(change: str) -> None:
    run, expected = CHANGES[change]
    host = {"groupnl": "1"}
    rows = (row_of(dataclasses.replace(run_of(), host=host)), row_of(dataclasses.replace(run, host=run.host or host)))
    assert tuple(trait.name for trait in differing(rows)) == expected
    report = Report(rows)
    shown = [[column.cell(row) for column in columns(report)[: 1 + len(expected)]] for row in rows]
    assert shown[0] != shown[1]
    lines = list(csv.DictReader(io.StringIO(render(report, "csv"))))
    documents = json.loads(render(report, "json"))["rows"]
    for name in expected:
        assert lines[0][name] != lines[1][name]
        first, second = (document["knobs"].get(name, document.get(name)) for document in documents)
        assert first != second


RAN = NativeRan("model.onnx", 16, "d" * 64, "avx512")


@pytest.mark.parametrize(
    ("field", "value", "trait"),
    [("file", "b.onnx", "model_file"), ("library_sha256", "e" * 64, "library_sha256"), ("instructions", "avx2", None)],
)
def test_what_ran_of_two_native_artifacts_is_a_column(field: str, value: str, trait: str | None) -> None:
    rows = (row_of(result(native=RAN)), row_of(result(native=dataclasses.replace(RAN, **{field: value}))))
    assert tuple(found.name for found in differing(rows)) == (trait or field,)
    documents = json.loads(render(Report(rows), "json"))["rows"]
    assert documents[0][trait or field] != documents[1][trait or field]


def test_what_ran_is_told_of_native_rows_alone() -> None:
    rows = (row_of(result(native=RAN)), row_of(run_of(optimize="native")))
    assert [trait.name for trait in differing(rows)] == ["level"]
    assert "Where it applies: instructions avx512" in shared([rows[0], row_of(run_of())])


def test_that_they_are_quantized_is_said_of_those_that_are() -> None:
    assert "quantized yes" in shared([row_of(run_of(quantized=True))]) and "uantized" not in shared([row_of(run_of())])


def test_two_of_one_kind_differ_in_their_name_alone_and_share_a_row_of_the_table() -> None:
    rows = (row_of(run_of(), "first"), row_of(run_of(), "second"))
    assert [trait.name for trait in differing(rows)] == ["run"]
    assert "| Runs |" in render(Report(rows), "markdown")


def test_another_meter_is_a_column() -> None:
    usb = dataclasses.replace(make_trace(), facts=dataclasses.replace(make_trace().facts, meter="km003c-usb"))
    rows = (build_row(run_of(), make_trace(), "run"), build_row(run_of(), usb, "run"))
    assert [trait.heading for trait in differing(rows)] == ["Read with"]


def test_every_field_of_an_identity_is_a_trait_or_known_not_to_be_one() -> None:
    traits = {trait.name for trait in (*TRAITS, *LAST_RESORTS)}
    fields = {field.name for field in dataclasses.fields(Identity)}
    assert fields - traits == {"model", "knobs"}  # the label is made of others; each knob is a trait
    assert traits - fields == set(KNOB_NAMES)


def test_what_one_row_alone_has_is_no_difference_but_what_two_have_is() -> None:
    """The standard net reads no knob; the grouped and the mono net have others."""
    standard, groupnl = row_of(spec(conv=ConvSpec("standard"))), row_of(run_of())
    assert [trait.name for trait in differing((standard, groupnl))] == ["convolution"]
    mono = row_of(spec(conv=ConvSpec("mono", ratio=4)))
    assert [trait.name for trait in differing((standard, groupnl, mono))] == ["convolution", "ratio"]
    grouped = row_of(run_of(GROUPED)), row_of(spec(conv=ConvSpec("grouped", num_groups=4)))
    assert [trait.name for trait in differing(grouped)] == ["group_size", "num_groups"]


def test_waves_of_a_function_without_waves_are_no_difference() -> None:
    laplace = [conv(nlf="laplace"), conv(nlf="laplace", phi_range=(1.0, 5.0))]
    assert [trait.name for trait in differing([row_of(run) for run in laplace])] == []


def test_a_knob_of_another_version_is_a_column_too() -> None:
    told = [dataclasses.replace(row_of(run_of()), knobs={"twist": value}) for value in (1, 2)]
    assert [trait.heading for trait in differing(told)] == ["Twist"]
    assert next(csv.DictReader(io.StringIO(render(Report(tuple(told)), "csv"))))["twist"] == "1"


def test_what_is_the_same_is_said_once_below_the_table() -> None:
    rows = (row_of(run_of()), row_of(result(backend="null")))
    said = shared(rows)
    for word in ("width 0.25", "conv groupnl", "ratio 2", "input 3x32x32", "level full", "opset 18", "device pi"):
        assert word in said
    assert "backend" not in said and said in notes(Report(rows))
    headings = [column.heading for column in columns(Report(rows))]
    assert headings[:2] == ["Model", "Backend"] and "Device" not in headings
    assert shared(()) == ""


def test_columns_of_the_csv_are_the_same_whatever_the_rows_are() -> None:
    heads = {
        render(Report(rows), "csv").splitlines()[0] for rows in ((), (row_of(run_of()),), (row_of(run_of(GROUPED)),))
    }
    assert len(heads) == 1
    for name in ("network", "convolution", "ratio", "input_shape", "classes", "format", "level", "target", "opset"):
        assert name in next(iter(heads)).split(",")


def test_no_two_traits_share_a_name_or_a_heading() -> None:
    from groupnl_deploy.report.tables import _ACCURACY, _ENERGY, _SPEED

    traits: tuple[Trait, ...] = (*TRAITS, *LAST_RESORTS)
    headings = [trait.heading for trait in traits] + [column.heading for column in (*_SPEED, *_ENERGY, *_ACCURACY)]
    assert len(set(headings)) == len(headings)
    assert len({trait.name for trait in traits}) == len(traits)
