"""What a doctor says of a version: that it ran on such a board, that it dies there, or that nobody knows."""

from dataclasses import replace

import pytest

from device_agent.machine import Machine
from device_agent.messages.doctor import BackendFound, Runtime
from groupnl_deploy.deploy.certified import certified_set
from groupnl_deploy.deploy.doctor_certified import certificates
from groupnl_deploy.deploy.examined import Examined
from tests.remote.test_doctor_rules import SYSTEM_PYTHON, pi


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


def test_a_certified_one_is_fine_and_what_is_missing_or_elsewhere_is_not_judged() -> None:
    newest = certified_set("rpi4", "onnxruntime", "3.11")
    assert newest is not None
    (finding,) = certificates(with_onnxruntime(str(newest.main.version)))
    assert finding.severity == "fine"
    assert list(certificates(with_onnxruntime(None))) == []
    x86 = with_onnxruntime("1.21.0")
    machine = Machine("linux", "x86_64", 64, "glibc", "2.36", 16)
    assert list(certificates(replace(x86, readiness=replace(x86.readiness, machine=machine)))) == []
