"""How a package that is missing on the device gets there: a remedy that works on today's Raspberry Pi OS too."""

import sys

from device_agent.backend_table import BACKENDS

IN_ENVIRONMENT = sys.prefix != sys.base_prefix
"""Whether this Python is a virtual environment's; pip refuses to install into Debian's own (PEP 668)."""


def install_remedy(python: str, backend: str, in_environment: bool) -> str:
    """What to type so that `python` on the device has all that a backend needs, not the one package that was missed."""
    packages = BACKENDS[backend].packages if backend in BACKENDS else "numpy"
    if in_environment:
        return f"On the device, run: {python} -m pip install {packages}"
    return (
        "Give it an environment of its own. On the device: python3 -m venv ~/.groupnl-venv && "
        f"~/.groupnl-venv/bin/pip install {packages}. Then, here: groupnl device remove NAME, and groupnl device add "
        "NAME --host HOST --python .groupnl-venv/bin/python, with your own NAME and HOST."
    )
