"""Who is let in over SSH, and who is refused with which words."""

import base64
import errno
import logging
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from groupnl_deploy.errors import DeviceUnreachable, UsageError
from groupnl_deploy.remote import ssh_socket
from groupnl_deploy.remote.connect import connect
from tests.rigs.login_board import add_to_agent, an_agent

pytestmark = pytest.mark.sshd

MakeKey = Callable[..., Path]


def _fingerprint(public_key: Path) -> str:
    listed = subprocess.run(["ssh-keygen", "-lf", str(public_key)], capture_output=True, text=True, check=True)
    return listed.stdout.split()[1]


def _refused(device: Any, match: str, *, transient: bool = False) -> DeviceUnreachable:
    started = time.monotonic()
    with pytest.raises(DeviceUnreachable, match=match) as caught:
        connect(device)
    assert time.monotonic() - started < 10
    assert caught.value.exit_code == 3
    assert caught.value.transient == transient
    return caught.value


def _works(device: Any) -> None:
    with connect(device) as transport:
        assert transport.run(["echo", "hello"]).stdout == b"hello\n"


def test_an_unknown_host_key_is_refused_with_its_fingerprint(sshd: Any) -> None:
    sshd.known_hosts.write_text("")
    error = _refused(sshd.device(), "no known_hosts file")
    assert _fingerprint(sshd.host_key.with_suffix(".pub")) in error.message
    assert "ssh-ed25519" in error.message
    assert f"-p {sshd.port} {sshd.user}@127.0.0.1" in error.remedy
    assert "/etc/ssh/ssh_host_ed25519_key.pub" in error.remedy


def test_a_missing_known_hosts_file_knows_nobody(sshd: Any) -> None:
    sshd.known_hosts.unlink()
    _refused(sshd.device(), "no known_hosts file")


def test_a_changed_host_key_is_refused_sternly(sshd: Any, tmp_path: Path, make_key: MakeKey) -> None:
    other = make_key(tmp_path / "other").with_suffix(".pub")
    sshd.known_hosts.write_text(f"{sshd.known_name} {other.read_text()}")
    error = _refused(sshd.device(), "HAS CHANGED")
    assert _fingerprint(other) in error.message
    assert _fingerprint(sshd.host_key.with_suffix(".pub")) in error.message
    assert f"ssh-keygen -R '{sshd.known_name}'" in error.remedy


def test_a_hashed_known_hosts_file_is_understood(sshd: Any) -> None:
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(sshd.known_hosts)], check=True, capture_output=True)
    assert "127.0.0.1" not in sshd.known_hosts.read_text()
    _works(sshd.device())


def test_a_wrong_key_is_refused(sshd: Any, tmp_path: Path, make_key: MakeKey) -> None:
    stranger = make_key(tmp_path / "stranger")
    error = _refused(sshd.device(identity=str(stranger)), "accepts none of the keys tried")
    assert str(stranger) in error.message
    assert "ssh-copy-id" in error.remedy


def test_no_key_at_all_is_refused(sshd: Any) -> None:
    _refused(sshd.device(identity=None), "accepts none of the keys tried")


def test_a_wrong_user_is_refused(sshd: Any) -> None:
    _refused(sshd.device(user="nobody-of-that-name"), "nobody-of-that-name@127.0.0.1")


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_an_encrypted_key_is_told_apart(sshd: Any, tmp_path: Path, make_key: MakeKey, kind: str) -> None:
    locked = make_key(tmp_path / "locked", passphrase="open sesame", kind=kind)
    error = _refused(sshd.device(identity=str(locked)), "is encrypted and could not be tried")
    assert f"ssh-add {locked}" in error.remedy
    assert "sesame" not in error.message + error.remedy


def test_a_missing_identity_is_named(sshd: Any, tmp_path: Path) -> None:
    _refused(sshd.device(identity=str(tmp_path / "gone")), "gone .* does not exist")


def test_an_identity_that_is_no_private_key_is_named(sshd: Any) -> None:
    _refused(sshd.device(identity=str(sshd.known_hosts)), "not a private key")
    error = _refused(sshd.device(identity=f"{sshd.identity}.pub"), "a public one, and its private half is not in")
    assert f"ssh-add {sshd.identity}`" in error.remedy


def test_no_message_and_no_log_shows_a_secret(
    sshd: Any, tmp_path: Path, make_key: MakeKey, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = make_key(tmp_path / "stranger")
    secret = "".join(stranger.read_text().splitlines()[1:-1])
    with caplog.at_level(logging.DEBUG):
        error = _refused(sshd.device(identity=str(stranger)), "none of the keys")
    assert len(base64.b64decode(secret)) > 100
    told = error.message + error.remedy + caplog.text
    assert not any(line in told for line in stranger.read_text().splitlines())


def test_a_default_key_of_the_user_is_tried(sshd: Any) -> None:
    shutil.copy(sshd.identity, sshd.home / ".ssh" / "id_ed25519")
    _works(sshd.device(identity=None))


def test_an_identity_below_the_home_may_begin_with_a_tilde(sshd: Any) -> None:
    shutil.copy(sshd.identity, sshd.home / "board-key")
    _works(sshd.device(identity="~/board-key"))


def test_a_key_in_the_agent_is_tried(sshd: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with an_agent(tmp_path) as agent:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(agent))
        add_to_agent(agent, sshd.identity)
        _works(sshd.device(identity=None))


def test_a_refused_port(sshd: Any) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        _refused(sshd.device(port=unused.getsockname()[1]), "refuses connections on port", transient=True)


@pytest.mark.parametrize("host", ["no-such-board.local", "x" * 70 + ".local"])
def test_a_name_that_does_not_resolve(sshd: Any, host: str) -> None:
    """A board answers its own `.local` name and may be starting; what is no name never resolves."""
    _refused(sshd.device(host=host), "cannot be resolved", transient=host == "no-such-board.local")


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), False),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), True),
        (OSError(errno.EHOSTUNREACH, "No route to host"), True),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), True),
        (OSError(errno.EACCES, "Permission denied"), False),
    ],
)
def test_what_a_network_says_is_transient_or_not(
    sshd: Any, monkeypatch: pytest.MonkeyPatch, error: OSError, transient: bool
) -> None:
    """No test machine has these networks, so the system call's answer is given."""

    def answer(*given: object, **named: object) -> None:
        raise error

    monkeypatch.setattr(ssh_socket.socket, "create_connection", answer)
    _refused(sshd.device(host="board.example"), "resolved|no way to", transient=transient)


def test_a_host_that_does_not_answer(sshd: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh_socket, "CONNECT_TIMEOUT_S", 0.5)
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:  # fill the backlog: the kernel drops what comes after, as a firewall would
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        _refused(sshd.device(port=full.getsockname()[1]), "did not answer within 0.5 s", transient=True)
        for one in waiting:
            one.close()


@pytest.mark.parametrize(
    ("line", "match", "transient"),
    [
        (b"220 mail.example ESMTP", "said “220 mail.example ESMTP” .* no SSH server", True),
        (b"Exceeded MaxStartups", "said “Exceeded MaxStartups” instead of an SSH greeting.$", True),
        (b"Not allowed at this time", "said “Not allowed at this time” instead of an SSH greeting.$", True),
        (b"", "closed the connection before a greeting", True),
        (b"SSH-1.5-old", "No SSH connection .*Incompatible version", False),
    ],
)
def test_a_server_that_speaks_something_else(sshd: Any, line: bytes, match: str, transient: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            peer, _ = server.accept()
            peer.sendall(line + b"\r\n")
            peer.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        _refused(sshd.device(port=server.getsockname()[1]), match, transient=transient)
        thread.join(5)


def test_an_alias_of_the_ssh_configuration(sshd: Any) -> None:
    (sshd.home / ".ssh" / "config").write_text(
        f"Host kitchen\n  HostName 127.0.0.1\n  Port {sshd.port}\n  User {sshd.user}\n"
        f"  IdentityFile ~/missing\n  IdentityFile {sshd.identity}\n  IdentitiesOnly yes\n"
    )
    _works(sshd.device(host="kitchen", user=None, port=None, identity=None))


def test_an_own_known_hosts_file_and_an_included_configuration(sshd: Any) -> None:
    folder = sshd.home / ".ssh"
    sshd.known_hosts.rename(folder / "boards hosts")
    (folder / "config").write_text("Include boards.d/*\nHost other\n  HostName other.invalid\n")
    (folder / "boards.d").mkdir()
    (folder / "boards.d" / "kitchen").write_text(
        f'Host kitchen\n  HostName=127.0.0.1\n  UserKnownHostsFile "{folder}/boards hosts"\n'
    )
    _works(sshd.device(host="kitchen"))


def test_a_damaged_ssh_configuration_is_named(sshd: Any) -> None:
    (sshd.home / ".ssh" / "config").write_text("Match nonsense\n")
    with pytest.raises(UsageError, match=r"OpenSSH refuses its configuration for 127\.0\.0\.1: .*nonsense"):
        connect(sshd.device())


def test_a_proxy_command_is_gone_through(sshd: Any) -> None:
    jump = (
        f"ssh -F none -i {sshd.identity} -o UserKnownHostsFile={sshd.known_hosts} -o BatchMode=yes "
        f"-p {sshd.port} -W %h:%p {sshd.user}@127.0.0.1"
    )
    (sshd.home / ".ssh" / "config").write_text(f"Host 127.0.0.1\n  ProxyCommand {jump}\n")
    _works(sshd.device())


def test_a_proxy_command_that_fails(sshd: Any) -> None:
    (sshd.home / ".ssh" / "config").write_text("Host 127.0.0.1\n  ProxyCommand false\n")
    _refused(sshd.device(), r"The ProxyCommand to .* ended with 1 before", transient=True)


def test_ipv6(sshd: Any) -> None:
    try:
        socket.create_connection(("::1", sshd.port), timeout=2).close()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    sshd.known_hosts.write_text(f"[::1]:{sshd.port} {sshd.host_key_line}\n")
    _works(sshd.device(host="::1"))
