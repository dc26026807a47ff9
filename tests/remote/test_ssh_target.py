"""A device joined with what the user's SSH configuration says: what wins, where files lie, how a host is reached."""

import getpass
from pathlib import Path
from typing import Any

import pytest

from groupnl_deploy.errors import UsageError
from groupnl_deploy.remote.device import Device
from groupnl_deploy.remote.known_hosts import KnownKeys
from groupnl_deploy.remote.openssh_config import HostConfig, parse_answer, user_home
from groupnl_deploy.remote.ssh_target import SshTarget, resolve

_PLAIN = Device("pi", "ssh", host="kitchen")
_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHVzOgiUf1ZuhHyUn2Y1FKU8iR0yFBZJvXvDCg7WOVdk"


def _target(device: Device = _PLAIN, **options: Any) -> SshTarget:
    texts = {name: (value,) if isinstance(value, str) else tuple(value) for name, value in options.items()}
    return resolve(device, HostConfig(texts))


def test_what_the_client_answers_is_read_line_by_line() -> None:
    config = parse_answer("user pi\nidentityfile ~/a key\nidentityfile none\nidentitiesonly yes\nproxyjump none\n")
    assert config.value("user") == "pi"
    assert config.values("identityfile") == ("~/a key",)
    assert config.says_yes("identitiesonly") and not config.says_yes("compression")
    assert config.value("proxyjump", "nothing") == "nothing"


def test_a_person_can_type_what_we_do() -> None:
    target = _target(hostname="10.0.0.7", user="pi")
    assert (target.host, target.known_name) == ("10.0.0.7", "10.0.0.7")
    assert target.ssh_command == "ssh -p 22 pi@kitchen"


def test_the_configuration_fills_what_the_device_leaves_open() -> None:
    target = _target(hostname="Board.local", port="2222", user="config")
    assert (target.port, target.user) == (2222, "config")
    assert target.known_name == "[board.local]:2222"
    assert "“pi” (config@Board.local, port 2222)" in str(target)
    assert _target().user == getpass.getuser()


def test_a_host_key_alias_stands_for_host_and_port() -> None:
    assert _target(hostkeyalias="The-Board", port="2222").known_name == "the-board"


def test_a_port_that_is_none() -> None:
    with pytest.raises(UsageError, match="'ssh' as a port"):
        _target(port="ssh")


def test_a_pinned_key_is_the_only_one_that_is_known(tmp_path: Path) -> None:
    (tmp_path / "known_hosts").write_text("kitchen ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ==\n")
    target = _target(Device("pi", "ssh", host="kitchen", host_key=_KEY), userknownhostsfile=f"{tmp_path}/known_hosts")
    assert target.pinned is not None and str(target.pinned) == _KEY
    assert target.known_keys() == KnownKeys(trusted=(target.pinned,))


def test_a_damaged_pin_is_said_so() -> None:
    with pytest.raises(UsageError, match="pinned for the device “pi” is damaged"):
        _target(Device("pi", "ssh", host="kitchen", host_key="ssh-ed25519 AAAA"))


def test_only_files_that_are_there_count_and_blanks_belong_to_them(tmp_path: Path) -> None:
    for name in ("known hosts", "known", "second", "key", "in-agent.pub"):
        (tmp_path / name).touch()
    target = _target(
        userknownhostsfile=f"{tmp_path}/known hosts {tmp_path}/missing {tmp_path}/second",
        globalknownhostsfile="none",
        identityfile=[f"{tmp_path}/missing", f"{tmp_path}/key", f"{tmp_path}/in-agent"],
    )
    assert target.known_hosts == (tmp_path / "known hosts", tmp_path / "second")
    assert target.config_identities == (tmp_path / "key", tmp_path / "in-agent")


def test_tokens_mean_what_they_mean_to_openssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHERE", str(tmp_path))
    (tmp_path / "10.0.0.7-2222-pi-kitchen-the-board-100%").touch()
    target = _target(
        hostname="10.0.0.7",
        port="2222",
        user="pi",
        hostkeyalias="the-board",
        identityfile=["${WHERE}/%h-%p-%r-%n-%k-100%%"],
        identityagent="~/agent-%u",
    )
    assert [path.name for path in target.config_identities] == ["10.0.0.7-2222-pi-kitchen-the-board-100%"]
    assert target.agent == f"{user_home()}/agent-{getpass.getuser()}"


def test_which_agent_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER_AGENT", "/run/other")
    given = ("none", "SSH_AUTH_SOCK", "$OTHER_AGENT", "/run/agent")
    assert [_target(identityagent=text).agent for text in given] == [None, "", "/run/other", "/run/agent"]
    assert _target().agent == ""


def test_a_jump_host_is_gone_through_with_ssh() -> None:
    through = "ssh -o BatchMode=yes"
    assert _target(proxyjump="none").proxy is None
    assert _target(proxycommand="nc %h %p", proxyjump="gate").proxy == "nc kitchen 22"
    assert _target(proxyjump="gate").proxy == f"{through} -W '[kitchen]:22' -- gate"
    assert _target(proxyjump="a, me@gate:2200").proxy == f"{through} -J a -p 2200 -W '[kitchen]:22' -- me@gate"
    assert _target(proxyjump="me@[::1]:2200").proxy == f"{through} -p 2200 -W '[kitchen]:22' -- me@::1"
