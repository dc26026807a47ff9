"""A wheelhouse for a board, by this machine's own pip from an index in a folder."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from groupnl_deploy.cli.main import app
from groupnl_deploy.deploy import pip
from groupnl_deploy.deploy.resolve import resolve
from groupnl_deploy.deploy.wheelhouse import make_wheelhouse, read_wheelhouse
from groupnl_deploy.deploy.wheels import TARGETS, Wheel, WheelSet
from groupnl_deploy.errors import UsageError, VerificationFailed
from groupnl_deploy.progress import Silence
from tests.rigs.made_wheels import make_wheel

RPI4 = TARGETS["rpi4"]
ARM, X86 = "cp311-cp311-manylinux_2_28_aarch64", "cp311-cp311-manylinux_2_28_x86_64"


@pytest.mark.slow
def test_dependencies_are_those_of_the_board_and_not_of_this_machine(index: Path) -> None:
    runtime = ["helper<2", "numpy>=1", 'x86only; platform_machine == "x86_64"', 'extra1; extra == "more"']
    make_wheel(index, "onnxruntime", "1.0", tag=X86)
    newest = make_wheel(index, "onnxruntime", "0.9", requires=runtime, tag=ARM)
    make_wheel(index, "numpy", "2.0", requires=["helper>=1"])
    make_wheel(index, "helper", "2.0")
    make_wheel(index, "helper", "1.5")
    found = resolve(RPI4, "onnxruntime", "3.11", None, Silence())
    assert [(wheel.package, str(wheel.version)) for wheel in found.wheels] == [
        ("helper", "1.5"),
        ("numpy", "2.0"),
        ("onnxruntime", "0.9"),
    ]
    assert found.main == newest


def test_a_build_for_cuda_is_refused_before_it_is_downloaded(index: Path) -> None:
    make_wheel(index, "torch", "2.99", requires=['nvidia-cublas; platform_system == "Linux"'], tag=ARM)
    with pytest.raises(UsageError, match=r"torch 2\.99 for this target is a build for CUDA: it needs nvidia-cublas"):
        resolve(RPI4, "pytorch", "3.11", None, Silence())


def test_what_the_index_does_not_have_is_said(index: Path) -> None:
    make_wheel(index, "onnxruntime", "1.0", tag=X86)
    with pytest.raises(UsageError, match=r"no wheel of onnxruntime==1\.0 for aarch64 in the index"):
        pip.look_up("onnxruntime==1.0", RPI4, "3.11")


@pytest.mark.slow
def test_a_wheelhouse_is_whole_or_not_there(index: Path, tmp_path: Path) -> None:
    wheels = (make_wheel(index, "numpy", "2.0"), make_wheel(index, "onnxruntime", "1.0", tag=ARM))
    installer = make_wheel(index, "pip", "99.0")
    wanted = WheelSet("rpi4", "onnxruntime", "3.11", None, wheels)
    made = make_wheelhouse(wanted, tmp_path / "wheels", Silence(), installer)
    assert {path.name for path in made.folder.iterdir()} == {
        "wheelhouse.json",
        "requirements.txt",
        *(wheel.file for wheel in (*wheels, installer)),
    }
    assert made.set.unpacked_bytes and not made.is_certified
    assert (made.folder / "requirements.txt").read_text() == wanted.requirements

    other = WheelSet("rpi4", "onnxruntime", "3.11", None, (wheels[0], Wheel(wheels[1].file, "0" * 64)))
    with pytest.raises(VerificationFailed, match="another digest"):
        make_wheelhouse(other, tmp_path / "other", Silence(), installer)
    assert [path.name for path in tmp_path.iterdir() if "other" in path.name] == []

    (made.folder / wheels[1].file).write_bytes(b"altered")
    with pytest.raises(VerificationFailed, match="was altered"):
        read_wheelhouse(made.folder)
    (made.folder / wheels[1].file).unlink()
    with pytest.raises(VerificationFailed, match="is missing"):
        read_wheelhouse(made.folder)


def test_a_folder_that_is_no_wheelhouse(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="whels does not exist"):
        read_wheelhouse(tmp_path / "whels")
    (tmp_path / "wheels").touch()
    with pytest.raises(UsageError, match="is a file"):
        read_wheelhouse(tmp_path / "wheels")
    with pytest.raises(UsageError, match="is no wheelhouse"):
        read_wheelhouse(tmp_path)
    (tmp_path / "wheelhouse.json").write_text(json.dumps({"schema_version": 99}))
    with pytest.raises(VerificationFailed, match="schema_version 99"):
        read_wheelhouse(tmp_path)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--backend", "tflite"], "no backend “tflite”"),
        (["--target", "rpi5"], "no target “rpi5”"),
        (["--python", "3.9"], "no Python that wheels can be had for"),
        (["--python", "3.11", "--version", "1.21.0"], "does not run on rpi4"),
        (["--python", "3.11", "--version", "1.21.0", "--uncertified"], "does not run on rpi4"),
    ],
)
def test_wrong_words_are_refused_with_nothing_written(words: list[str], said: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["device", "wheelhouse", *words, "--out", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())
    assert not (tmp_path / "out").exists()
