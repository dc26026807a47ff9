"""The joules of a command on the emulated Pi: its own Debian, shell, sshd and clock."""

import json
from pathlib import Path

import pytest

from tests.pi.machine import USER, EmulatedPi
from tests.pi.person import Groupnl

pytestmark = pytest.mark.pi


def test_a_command_on_the_board_has_its_joules_and_both_clocks(pi: EmulatedPi, groupnl: Groupnl, home: Path) -> None:
    fingerprint = pi.run("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub").split()[1]
    where = ["--host", pi.address, "--user", USER, "--identity", pi.identity]
    groupnl("device", "add", "measured", *where, "--fingerprint", fingerprint)
    line = "uname -m; pwd; printf '%s|' \"$@\"; sleep 6; exit 3"
    options = ["--port", "emulator", "--idle", 2, "--json", "--out", "joules"]
    words = ["sh", "-c", line, "sh", "a b", "$HOME"]
    done = groupnl("power", "run", "--device", "measured", *options, "--", *words, code=3)
    (run,) = json.loads(done.stdout)["runs"]
    assert run["valid"] and run["exit_code"] == 3, run["problems"]
    assert run["energy"]["gross_j"] == pytest.approx(6.222 * run["energy"]["duration_s"], rel=0.1)
    assert run["clock"]["end_s"] - run["clock"]["start_s"] == pytest.approx(6.0, abs=2.0)
    assert (home / "joules/run-1/stdout").read_bytes() == f"aarch64\n/home/{USER}\na b|$HOME|".encode()
    groupnl("power", "run", "--device", "measured", "--port", "emulator", "--", "no-such-program", code=127)
    groupnl("device", "remove", "measured")
