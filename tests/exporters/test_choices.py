"""The words of an export: each spelled once, taken from there by the command line and the campaign file."""

import subprocess
import sys
from dataclasses import fields
from inspect import signature

from exporters.choices import BATCHES, LEVELS
from exporters.optimize import passes
from exporters.options import ExportOptions
from exporters.targets import TARGETS
from groupnl_deploy.campaign.cell import ExportPoint
from groupnl_deploy.cli.export import export


def test_every_level_has_its_passes() -> None:
    names = {level: [step.name for step in passes(level, TARGETS["generic"])] for level in LEVELS}
    assert set(names["none"]) < set(names["standard"]) < set(names["full"])
    # Of a model with operators of ours only some files have it, behind all others.
    assert set(names["full"]) - {"multiply_pixels"} < set(names["native"])


def test_library_command_line_and_campaign_file_have_the_same_defaults() -> None:
    library = {field.name: field.default for field in fields(ExportOptions)}
    command = {name: option.default for name, option in signature(export).parameters.items()}
    campaign = {field.name: field.default for field in fields(ExportPoint)}
    assert library == {name: command[name] for name in library}
    assert all(library[name] == campaign[name] for name in library)
    assert library["optimize"] in LEVELS and library["target"] in TARGETS and library["batch"] in BATCHES


def test_the_words_need_neither_torch_nor_onnx() -> None:
    code = "import sys, exporters.choices, exporters.targets; "
    code += "print({'numpy', 'torch', 'onnx', 'onnx_ir'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
