"""The agent that runs on the board: it owns the wire format, times inference and touches nothing else.

Nothing here is installed on the device; the host pushes the package as one `.pyz` and runs it over SSH.
"""

__dist__ = "groupnl-deploy"
