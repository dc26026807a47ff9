"""`~/.ssh/config` where there is no OpenSSH client: what is read of it, and what is refused."""

from pathlib import Path

import pytest

from groupnl_deploy.errors import UsageError
from groupnl_deploy.remote.device import Device
from groupnl_deploy.remote.parsed_config import config_text
from groupnl_deploy.remote.ssh_target import SshTarget, find

_PLAIN = Device("pi", "ssh", host="kitchen")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home's .ssh, on a machine without programs."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    return tmp_path / ".ssh"


def _read(folder: Path, text: str) -> SshTarget:
    (folder / "config").write_text(text)
    return find(_PLAIN)


def test_the_device_speaks_before_the_configuration(folder: Path) -> None:
    (folder / "config").write_text("Port 2200\nUser config\n")
    text = config_text(Device("pi", "ssh", host="kitchen", user="pi", port=22))
    assert text.splitlines() == ["Port 22", "User pi", "Host *", "Port 2200", "User config"]


def test_without_a_configuration_there_is_no_text(folder: Path) -> None:
    assert config_text(_PLAIN) == ""


def test_included_files_stand_where_their_include_stood(folder: Path) -> None:
    (folder / "config").write_text("Include extra\nHost pi\n  Include none-such extra\n  Port 22\nInclude = extra\n")
    (folder / "extra").write_text("Host b\n  Port 7")
    included = ["Host b", "  Port 7"]
    assert config_text(_PLAIN).splitlines() == [
        "Host *", *included, "Host *", "Host pi", *included, "Host pi", "  Port 22", *included, "Host pi"
    ]  # fmt: skip


def test_files_that_include_each_other_end(folder: Path) -> None:
    (folder / "config").write_text("Include config\nHost pi\n")
    assert "Host pi" in config_text(_PLAIN)


def test_a_configuration_that_is_no_text(folder: Path) -> None:
    (folder / "config").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="config cannot be read"):
        config_text(_PLAIN)


def test_what_paramiko_reads_is_what_openssh_would_answer(folder: Path) -> None:
    for name in ("known_hosts", "my hosts", "id_ed25519", "100%"):
        (folder / name).touch()
    plain = _read(folder, "")
    assert plain.known_hosts[0] == folder / "known_hosts"
    assert plain.config_identities == (folder / "id_ed25519",)
    target = _read(
        folder,
        f"Match host kitchen\n  HostName 10.0.0.7\n  ProxyCommand nc %h %p\n  IdentityFile {folder}/100%%\n"
        f'  UserKnownHostsFile "{folder}/my hosts"\n',
    )
    assert (target.host, target.proxy) == ("10.0.0.7", "nc 10.0.0.7 22")
    assert target.known_hosts[0] == folder / "my hosts"


@pytest.mark.parametrize(
    "criterion", ["localnetwork 10.0.0.0/8", "host kitchen exec true", "!tagged x", 'exec "test host"']
)
def test_a_match_that_paramiko_cannot_judge_is_refused(folder: Path, criterion: str) -> None:
    with pytest.raises(UsageError, match="only OpenSSH's client can judge") as caught:
        _read(folder, f"Match {criterion}\n  ProxyJump gate\n")
    assert "openssh-client" in caught.value.remedy


def test_a_match_of_a_host_that_is_called_like_a_criterion(folder: Path) -> None:
    assert _read(folder, "Match host exec user all\n  Port 7\nMatch all\n  Port 8\n").port == 8
