"""What is told where a package is missing: something that pip does, with all that the backend needs."""

import pytest

from device_agent.backend_table import BACKENDS
from device_agent.packages import install_remedy


@pytest.mark.parametrize("backend", BACKENDS)
def test_in_an_environment_one_line_installs_everything(backend: str) -> None:
    said = install_remedy("/home/pi/env/bin/python", backend, in_environment=True)
    assert said.endswith(f"on the device: /home/pi/env/bin/python -m pip install {BACKENDS[backend].packages}")
    assert "groupnl device provision NAME --backend" in said


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_systems_own_python_is_left_alone(backend: str) -> None:
    """Raspberry Pi OS 12 refuses `python3 -m pip install` (PEP 668)."""
    said = install_remedy("/usr/bin/python3", backend, in_environment=False)
    assert "/usr/bin/python3" not in said and "pip" not in said
    assert f"groupnl device provision NAME --backend {backend.replace('null', 'onnxruntime')}" in said
