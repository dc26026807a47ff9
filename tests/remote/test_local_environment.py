import sys
from pathlib import Path

import pytest

from groupnl_deploy.remote.local import LocalTransport


def test_the_hosts_thread_settings_do_not_reach_the_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    monkeypatch.setenv("MKL_NUM_THREADS", "1")
    monkeypatch.setenv("KEPT", "yes")
    code = "import os; print([os.environ.get(n) for n in ('OMP_WAIT_POLICY', 'MKL_NUM_THREADS', 'KEPT')])"
    with LocalTransport(tmp_path / "board", sys.executable) as transport:
        assert transport.run([sys.executable, "-c", code]).stdout.decode().strip() == "[None, None, 'yes']"
