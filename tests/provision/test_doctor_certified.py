"""What a doctor says of a version: that it ran on such a board, that it dies there, or that nobody knows."""

from dataclasses import replace

import pytest

from device_agent.machine import Machine
from device_agent.messages.accept import Acceptance
from device_agent.messages.doctor import BackendFound, Runtime
from groupnl_deploy.deploy.acceptance import _with_command, require_accepted
from groupnl_deploy.deploy.certified import certified_set
from groupnl_deploy.deploy.doctor_certified import certificates
from groupnl_deploy.deploy.doctor_packages import packages
from groupnl_deploy.deploy.examined import Examined
from groupnl_deploy.deploy.getting_packages import is_uncertified
from groupnl_deploy.errors import AnswersRefused, NotAccepted
from tests.remote.test_doctor_rules import NOTHING, PI, SYSTEM_PYTHON, pi


def with_onnxruntime(version: str | None, **changes: object) -> Examined:
    packages = {"numpy": "2.4.6", "onnxruntime": version}
    missing = () if version else ("onnxruntime",)
    backend = BackendFound(Runtime("onnxruntime", None, "3.11.2", packages), SYSTEM_PYTHON, missing, False)
    return pi(backends=(backend,), **changes)


@pytest.mark.parametrize(
    ("version", "severity", "said"),
    [("1.21.0", "warning", "illegal instruction"), ("1.0.0", "note", "nobody has run it on such a board (rpi4) yet")],
)
def test_another_version_is_named_with_the_way_to_a_certified_one(version: str, severity: str, said: str) -> None:
    (finding,) = certificates(with_onnxruntime(version))
    assert finding.severity == severity and said in finding.what
    assert finding.remedy and "groupnl device provision pi --backend onnxruntime" in finding.remedy


X86 = Machine("linux", "x86_64", 64, "glibc", "2.36", 16)


@pytest.mark.parametrize(
    ("machine", "python", "backend", "uncertified"),
    [
        (PI, "3.11.2", "onnxruntime", False),
        (PI, "3.13.5", "null", False),  # is given what onnxruntime needs
        (PI, "3.14.0", "onnxruntime", True),
        (X86, "3.11.2", "pytorch", True),
        (replace(X86, bits=32), "3.11.2", "pytorch", False),  # there is none, whatever is said
    ],
)
def test_the_command_asks_for_what_nobody_ran_where_nothing_else_is_to_be_had(
    machine: Machine, python: str, backend: str, uncertified: bool
) -> None:
    assert is_uncertified(machine, python, backend) == uncertified


def test_the_remedies_of_doctor_and_push_are_not_refused_on_a_board_without_a_certified_set() -> None:
    command = "groupnl device provision pi --backend onnxruntime --uncertified"
    bare = pi(backends=NOTHING)
    finding, _ = packages(replace(bare, readiness=replace(bare.readiness, machine=X86)))
    assert finding.remedy and f"`{command}`" in finding.remedy
    finding, _ = packages(bare)
    assert finding.remedy and "--uncertified" not in finding.remedy
    lacking = Acceptance(
        "a" * 64, "net", "onnx", "onnxruntime", "not_accepted", True, "missing_library", "", "", None, None
    )
    too_old, crashed = replace(lacking, code="runtime_too_old"), replace(lacking, verdict="refused", code="crashed")
    for acceptance, kind in ((lacking, NotAccepted), (too_old, NotAccepted), (crashed, AnswersRefused)):
        with pytest.raises(kind) as caught:
            require_accepted(_with_command(acceptance, "pi", X86, "3.11.2"), "pi")
        assert command in caught.value.remedy and "known to work" not in caught.value.remedy
        with pytest.raises(kind) as caught:
            require_accepted(_with_command(acceptance, "pi", PI, "3.11.2"), "pi")
        assert command.removesuffix(" --uncertified") in caught.value.remedy and "--unc" not in caught.value.remedy


def test_on_this_machine_pip_is_told_to_replace_a_package_that_is_too_old_and_not_one_that_is_missing() -> None:
    lacking = Acceptance("a" * 64, "net", "ncnn", "ncnn", "not_accepted", True, "missing_library", "", "", None, None)
    for code, replaces in (("missing_library", False), ("runtime_too_old", True)):
        remedy = _with_command(replace(lacking, code=code), "local", X86, "3.11.2").remedy or ""
        assert "-m pip install" in remedy and ("--force-reinstall" in remedy) == replaces


def test_a_certified_one_is_fine_and_what_is_missing_or_elsewhere_is_not_judged() -> None:
    newest = certified_set("rpi4", "onnxruntime", "3.11")
    assert newest is not None
    (finding,) = certificates(with_onnxruntime(str(newest.main.version)))
    assert finding.severity == "fine"
    assert list(certificates(with_onnxruntime(None))) == []
    x86 = with_onnxruntime("1.21.0")
    assert list(certificates(replace(x86, readiness=replace(x86.readiness, machine=X86)))) == []
