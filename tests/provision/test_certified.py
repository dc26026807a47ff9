"""What is known of wheels on boards: the table holds together, and each verdict comes with its evidence."""

import pytest
from packaging.utils import parse_wheel_filename

from device_agent.machine import Machine
from groupnl_deploy.deploy.certified import CertifiedSet, certified, certified_set, require_certified_set, table
from groupnl_deploy.deploy.wheels import (
    TARGETS,
    Wheel,
    WheelSet,
    backend_packages,
    require_python,
    target_of,
)
from groupnl_deploy.errors import UsageError

SETS = [pytest.param(one, id=str(one.set)) for one in table().sets]
DIGEST = "0" * 64


@pytest.mark.parametrize(
    ("package", "version", "state"),
    [
        ("onnxruntime", "1.21.0", "dies"),
        ("onnxruntime", "1.21.1", "unknown"),
        ("torch", "2.4.0", "dies"),
        ("torch", "2.10.0", "dies"),
        ("torch", "2.10.0+cpu", "dies"),
        ("torch", "2.13.0", "cuda"),
        ("torch", "2.13.0+cpu", "unknown"),
        ("Torch", "2.9.1", "certified"),
        ("onnxruntime", "1.32.0", "certified"),
        ("openvino", "2026.4.1", "certified"),
        ("ncnn", "1.0.20261020", "certified"),
        ("no-such-package", "1.0", "unknown"),
    ],
)
def test_verdicts(package: str, version: str, state: str) -> None:
    verdict = certified(package, version, "rpi4")
    assert verdict.state == state
    assert verdict.evidence
    assert verdict.refused == (state in ("dies", "cuda"))
    assert certified(package, version, "x86").state == "unknown"


@pytest.mark.parametrize("one", SETS)
def test_every_set_is_for_its_target_and_python(one: CertifiedSet) -> None:
    platforms, interpreter = TARGETS[one.set.target].platforms, f"cp{one.set.python.replace('.', '')}"
    assert {*backend_packages(one.set.backend)} <= {wheel.package for wheel in one.set.wheels}
    for wheel in one.set.wheels:
        tags = parse_wheel_filename(wheel.file)[3]
        assert any(tag.platform in (*platforms, "any") for tag in tags), wheel
        assert any(tag.interpreter in (interpreter, "py3") or tag.abi == "abi3" for tag in tags), wheel
        assert not certified(wheel.package, str(wheel.version), one.set.target).refused


@pytest.mark.parametrize("python", ["3.11", "3.13"])
def test_a_fresh_raspberry_pi_os_has_every_backend(python: str) -> None:
    for backend in ("ncnn", "onnxruntime", "openvino", "pytorch"):
        assert certified_set("rpi4", backend, python) is not None, backend


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("1.21.0", "does not run on rpi4: illegal instruction"),
        ("1.0.0", "No set of wheels with onnxruntime 1.0.0 is certified for rpi4 with Python 3.11."),
        ("newest", "is no version of a package"),
    ],
)
def test_what_is_not_certified_is_refused_with_what_is(version: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        require_certified_set("rpi4", "onnxruntime", "3.11", version)
    assert said in caught.value.message
    assert "1." in caught.value.remedy


def test_a_target_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="no target “rpi5”"):
        certified("numpy", "2.0", "rpi5")


@pytest.mark.parametrize("python", ["3", "3.11.2", "2.7", "3.10", "python3.11"])
def test_a_python_that_is_none_is_refused(python: str) -> None:
    with pytest.raises(UsageError):
        require_python(python)


@pytest.mark.parametrize(
    ("machine", "target"),
    [
        (Machine("linux", "aarch64", 64, "glibc", "2.36", 0), "rpi4"),
        (Machine("linux", "x86_64", 64, "glibc", "2.36", 0), "x86"),
        (Machine("linux", "aarch64", 32, "glibc", "2.36", 0), None),
        (Machine("linux", "aarch64", 64, "musl", None, 0), None),
        (Machine("linux", "riscv64", 64, "glibc", "2.36", 0), None),
        (Machine("macos", "arm64", 64, None, None, 0), None),
    ],
)
def test_the_target_of_a_machine(machine: Machine, target: str | None) -> None:
    found = target_of(machine)
    assert (found and found.name) == target


def test_a_set_is_named_by_its_bytes() -> None:
    wheels = (Wheel("numpy-2.0-py3-none-any.whl", DIGEST), Wheel("onnxruntime-1.32.0-py3-none-any.whl", DIGEST))
    one = WheelSet("rpi4", "onnxruntime", "3.11", None, wheels)
    other = WheelSet("rpi4", "onnxruntime", "3.11", 5, (Wheel("numpy-2.0-py3-none-any.whl", "1" * 64), wheels[1]))
    assert one.requirements.splitlines()[0] == f"numpy==2.0 --hash=sha256:{DIGEST}"
    assert one.digest != other.digest
    with pytest.raises(ValueError, match="each other package once"):
        WheelSet("rpi4", "onnxruntime", "3.11", None, (*wheels, wheels[0]))
    with pytest.raises(ValueError, match="needs onnxruntime"):
        WheelSet("rpi4", "onnxruntime", "3.11", None, wheels[:1])
