"""What every target must be: one that is added is tested by these the day it is registered."""

import re

import pytest

from exporters.choices import DEFAULT_OPSET, OPSETS
from exporters.costs import TABLES
from exporters.errors import ExportFailed
from exporters.targets import DEFAULT_TARGET, TARGETS, target_named

# The newest opset and IR version that releases of ONNX Runtime read: each was given files of every version, and the
# exports of two networks at every opset. 1.15 says that it reads opset 19, and cannot reshape at it.
READ_BY = {(1, 15): (18, 9), (1, 16): (19, 9), (1, 17): (20, 9), (1, 18): (21, 10), (1, 20): (21, 10)}


@pytest.fixture(params=TARGETS.values(), ids=TARGETS)
def target(request):
    return request.param


def test_it_is_called_as_its_file(target) -> None:
    assert TARGETS[target.name] is target_named(target.name) is target


def test_help_says_what_it_is_and_what_runs_there(target) -> None:
    assert str(target) == (
        f"{target.name} ({target.description}, {target.machine}, ONNX Runtime {target.oldest_runtime} or newer)"
    )
    assert re.fullmatch(r"[a-z0-9_]+-linux-gnu(eabihf)?", target.machine) and target.block >= 0


def test_its_oldest_runtime_reads_what_it_promises(target) -> None:
    release = tuple(int(number) for number in target.oldest_runtime.split(".")[:2])
    known = [read for tried, read in READ_BY.items() if tried <= release]
    assert known, f"nobody has tried what ONNX Runtime {target.oldest_runtime} reads"
    assert target.newest_opset <= known[-1][0] and target.newest_ir_version <= known[-1][1]


def test_it_reads_all_opsets_up_to_its_newest_and_the_default_among_them(target) -> None:
    assert DEFAULT_OPSET in target.opsets
    assert set(target.opsets) == {opset for opset in OPSETS if opset <= target.newest_opset}
    assert target.opset_refusal(target.opsets[-1]) is None
    assert target.oldest_runtime in target.opset_refusal(target.opsets[-1] + 1)


def test_a_model_that_its_oldest_runtime_cannot_read_is_refused(target) -> None:
    opset, ir_version = target.newest_opset, target.newest_ir_version
    target.require_readable(opset, ir_version)
    for newer in ((opset + 1, ir_version), (opset, ir_version + 1)):
        with pytest.raises(ExportFailed, match=f"ONNX Runtime {target.oldest_runtime}, the oldest for {target.name}"):
            target.require_readable(*newer)


def test_its_cost_table_is_there(target) -> None:
    assert (TABLES / f"{target.cost_table}.json").is_file() and target.costs.sparse


def test_its_native_models_are_plain_or_in_blocks_that_runtimes_have(target) -> None:
    blocks = target.native_blocks
    assert blocks and len(set(blocks)) == len(blocks) and set(blocks) <= {0, 8, 16}
    assert target.machine.startswith("x86_64") or blocks == (0,), "only x86 builds have a layout in blocks"
    assert target.block in blocks or blocks == (0,)


def test_the_default_is_one_of_them_and_another_name_is_refused_with_all() -> None:
    assert DEFAULT_TARGET in TARGETS
    with pytest.raises(ExportFailed) as caught:
        target_named("rpi3000")
    assert all(name in caught.value.remedy for name in TARGETS)
