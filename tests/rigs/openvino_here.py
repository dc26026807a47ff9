"""Whether this Python has OpenVINO, which `make setup` installs."""

from importlib.util import find_spec

import pytest

NEEDS_OPENVINO = pytest.mark.skipif(
    find_spec("openvino") is None, reason="the extra `openvino` is not installed: make setup"
)
