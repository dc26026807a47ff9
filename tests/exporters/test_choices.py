"""The words of an export: each spelled once, taken from there by the command line and the campaign file."""

import subprocess
import sys
from dataclasses import fields
from inspect import signature

import pytest

from exporters.choices import BATCHES, DEFAULT_OPSET, LEVELS, NEWEST, OPSETS, TARGETS, opsets, require_readable
from exporters.costs import load_costs
from exporters.errors import ExportFailed
from exporters.optimize import passes
from groupnl_deploy.campaign.config import ExportConfig
from groupnl_deploy.cli.ship import export
from groupnl_deploy.export import ExportOptions


def test_every_level_has_its_passes() -> None:
    names = {level: [step.name for step in passes(level, load_costs("generic"))] for level in LEVELS}
    assert set(names["none"]) < set(names["standard"]) < set(names["full"])


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_reads_all_opsets_up_to_its_newest_and_the_default_among_them(target) -> None:
    readable, newest = opsets(target), NEWEST[target]
    assert DEFAULT_OPSET in readable and set(readable) == {opset for opset in OPSETS if opset <= newest.opset}
    require_readable(newest.opset, newest.ir_version, target)
    for opset, ir_version in ((newest.opset + 1, newest.ir_version), (newest.opset, newest.ir_version + 1)):
        with pytest.raises(ExportFailed, match=f"runtime of {target} reads opset {newest.opset} and IR"):
            require_readable(opset, ir_version, target)


def test_library_command_line_and_campaign_file_have_the_same_defaults() -> None:
    library = {field.name: field.default for field in fields(ExportOptions)}
    command = {name: option.default for name, option in signature(export).parameters.items()}
    campaign = {field.name: field.default for field in fields(ExportConfig)}
    assert library == {name: command[name] for name in library}
    assert all(library[name] == campaign[name] for name in ("optimize", "target"))
    assert library["optimize"] in LEVELS and library["target"] in TARGETS and library["batch"] in BATCHES


def test_the_words_need_neither_torch_nor_onnx() -> None:
    code = "import sys, exporters.choices; print({'numpy', 'torch', 'onnx', 'onnx_ir'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
