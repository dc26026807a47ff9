"""`~/.ssh/config` applied to a device: what wins, what is included, how a jump host is gone through."""

from pathlib import Path
from typing import Any

import pytest

from groupnl_deploy.errors import UsageError
from groupnl_deploy.remote.device import Device
from groupnl_deploy.remote.ssh_target import config_text, resolve

_PLAIN = Device("pi", "ssh", host="kitchen")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    return tmp_path


def _proxy(**options: Any) -> str | None:
    return resolve(_PLAIN, options).proxy


def test_the_device_speaks_before_the_configuration(home: Path) -> None:
    (home / ".ssh" / "config").write_text("Port 2200\nUser config\n")
    text = config_text(Device("pi", "ssh", host="kitchen", user="pi", port=22))
    assert text.splitlines() == ["Port 22", "User pi", "Host *", "Port 2200", "User config"]


def test_a_person_can_type_what_we_do() -> None:
    target = resolve(_PLAIN, {"hostname": "10.0.0.7", "user": "pi"})
    assert (target.host, target.known_name) == ("10.0.0.7", "10.0.0.7")
    assert target.ssh_command == "ssh -p 22 pi@kitchen"


def test_the_configuration_fills_what_the_device_leaves_open() -> None:
    target = resolve(_PLAIN, {"hostname": "Board.local", "port": "2222", "user": "config"})
    assert (target.port, target.user) == (2222, "config")
    assert target.known_name == "[board.local]:2222"
    assert "“pi” (config@Board.local, port 2222)" in str(target)


def test_a_host_key_alias_is_the_known_name() -> None:
    assert resolve(_PLAIN, {"hostkeyalias": "the-board"}).known_name == "the-board"


def test_a_port_that_is_none() -> None:
    with pytest.raises(UsageError, match="'ssh' as a port"):
        resolve(_PLAIN, {"port": "ssh"})


def test_a_jump_host_is_gone_through_with_ssh() -> None:
    assert _proxy(proxyjump="none") is None
    assert _proxy(proxycommand="nc %h %p", proxyjump="gate") == "nc %h %p"
    assert _proxy(proxyjump="gate") == "ssh -o BatchMode=yes -W '[kitchen]:22' gate"
    assert _proxy(proxyjump="a, me@gate:2200") == ("ssh -o BatchMode=yes -J a -p 2200 -W '[kitchen]:22' me@gate")


def test_without_a_configuration_there_is_no_text(home: Path) -> None:
    assert config_text(_PLAIN) == ""


def test_included_files_stand_where_their_include_stood(home: Path) -> None:
    (home / ".ssh" / "config").write_text(
        "Include extra\nHost pi\n  Include none-such extra\n  Port 22\nInclude = extra\n"
    )
    (home / ".ssh" / "extra").write_text("Host b\n  Port 7")
    included = ["Host b", "  Port 7"]
    assert config_text(_PLAIN).splitlines() == [
        "Host *", *included, "Host *", "Host pi", *included, "Host pi", "  Port 22", *included, "Host pi"
    ]  # fmt: skip


def test_files_that_include_each_other_end(home: Path) -> None:
    (home / ".ssh" / "config").write_text("Include config\nHost pi\n")
    assert "Host pi" in config_text(_PLAIN)


def test_a_configuration_that_is_no_text(home: Path) -> None:
    (home / ".ssh" / "config").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="config cannot be read"):
        config_text(_PLAIN)
