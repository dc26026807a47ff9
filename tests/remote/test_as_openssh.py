"""Where OpenSSH's client connects, groupnl connects: the same configuration is given to both, against a real server."""

import contextlib
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from groupnl_deploy.errors import UsageError
from groupnl_deploy.remote.device import Device
from groupnl_deploy.remote.lacking import lacking_for
from groupnl_deploy.remote.public_key import PublicKey
from groupnl_deploy.remote.ssh_login import offered_host_keys
from groupnl_deploy.remote.ssh_target import find
from tests.rigs.login_board import LoginBoard as Board
from tests.rigs.login_board import add_to_agent, an_agent
from tests.rigs.openssh_server import start_sshd

pytestmark = pytest.mark.sshd

_KEY = "  IdentityFile {folder}/good"
_KNOWN = {  # known_hosts files by which the server is known
    "plain": "[127.0.0.1]:{port} {ed25519}",
    "wildcard": "* {ed25519}",
    "wildcard-of-addresses": "[127.0.0.*]:{port} {ed25519}",
    "negation-of-another": "*,!other {ed25519}",
    "authority-of-another": "@cert-authority *.lab {signer}\n[127.0.0.1]:{port} {ed25519}",
    "revoked-at-another": "@revoked other {ed25519}\n[127.0.0.1]:{port} {ed25519}",
    "another-key-revoked": "@revoked * {stranger}\n[127.0.0.1]:{port} {ed25519}",
    "damaged-lines": "other ssh-ed25519 ???\n\ufffd\n@what\nother\n[127.0.0.1]:{port} {ed25519}",
    "old-beside-new": "[127.0.0.1]:{port} {stranger}\n[127.0.0.1]:{port} {ed25519}",
    "rsa-alone": "[127.0.0.1]:{port} {rsa}",
    "ecdsa-and-rsa": "[127.0.0.1]:{port} ecdsa-sha2-nistp256 AAAA\n[127.0.0.1]:{port} {rsa}",
    "of-port-22": "127.0.0.1 {ed25519}",
}
_NOT_KNOWN = {  # and those by which it is not
    "nothing": ("", "no known_hosts file"),
    "another-port": ("[127.0.0.1]:1 {ed25519}", "no known_hosts file"),
    "negation": ("*,![127.0.0.1]:{port},!127.0.0.1 {ed25519}", "no known_hosts file"),
    "of-port-22-another-key": ("127.0.0.1 {stranger}", "no known_hosts file"),
    "changed": ("[127.0.0.1]:{port} {stranger}", "HAS CHANGED"),
    "revoked": ("@revoked * {ed25519}\n[127.0.0.1]:{port} {ed25519}", "IS REVOKED"),
}


# What a line of a file means is held by test_known_hosts.py; OpenSSH is asked for all of them by `make test-all`.
_QUICK = (
    "plain",
    "authority-of-another",
    "old-beside-new",
    "rsa-alone",
    "ecdsa-and-rsa",
    "nothing",
    "changed",
    "revoked",
)


def cases(table: Iterable[str]) -> Any:
    marked = [pytest.param(case, marks=[] if case in _QUICK else pytest.mark.slow) for case in table]
    return pytest.mark.parametrize("case", marked)


@cases(_KNOWN)
def test_a_server_that_is_known_is_connected_to(board: Board, case: str) -> None:
    board.setup(_KEY, _KNOWN[case])
    assert board.ssh_connects()
    assert board.refusal(board.device()) is None


@cases(_NOT_KNOWN)
def test_a_server_that_is_not_known_is_refused(board: Board, case: str) -> None:
    known_hosts, words = _NOT_KNOWN[case]
    board.setup(_KEY, known_hosts)
    refusal = board.refusal(board.device())
    assert refusal is not None and words in refusal.message
    assert not board.ssh_connects()


def test_a_host_key_alias_is_known_without_a_port(board: Board) -> None:
    board.setup(f"{_KEY}\n  HostKeyAlias The-Board", "the-board {ed25519}")
    assert board.ssh_connects()
    assert board.refusal(board.device()) is None


def test_an_authority_is_left_to_openssh(board: Board) -> None:
    board.setup(_KEY, "@cert-authority * {signer}")
    assert board.ssh_connects()
    assert "@cert-authority" in lacking_for(find(board.device()))[0]
    refusal = board.refusal(board.device())
    assert refusal is not None and "--transport openssh" in refusal.remedy


def test_a_pinned_key_is_accepted_and_no_other(board: Board) -> None:
    board.setup(_KEY, "")
    for name in ("ed25519", "rsa"):
        assert board.refusal(board.device(host_key=board.words[name])) is None
    board.setup(_KEY)
    refusal = board.refusal(board.device(host_key=board.words["stranger"]))
    assert refusal is not None and "HAS CHANGED: pinned is" in refusal.message
    assert "groupnl device remove board" in refusal.remedy


def test_the_servers_host_keys_are_told_before_any_is_known(board: Board) -> None:
    board.setup("", "")
    offered = offered_host_keys(find(board.device()))
    assert offered == tuple(PublicKey.parse(board.words[name]) for name in ("ed25519", "rsa"))
    listed = subprocess.run(
        ["ssh-keygen", "-lf", board.folder / "host_rsa"], capture_output=True, text=True, check=True
    )
    assert offered[1].fingerprint == listed.stdout.split()[1]


_KEYS_SHOWN = {  # with the full agent in $SSH_AUTH_SOCK
    "only-the-encrypted-key": "  IdentitiesOnly yes\n  IdentityFile {folder}/locked",
    "encrypted-first": "  IdentityFile {folder}/locked",
    "its-public-half": "  IdentitiesOnly yes\n  IdentityFile {folder}/locked.pub",
    "no-agent": "  IdentityAgent none\n  IdentityFile {folder}/good",
    "certificate-beside": "  IdentityAgent none\n  IdentityFile {folder}/certified",
    "certificate-file": (
        "  IdentityAgent none\n  IdentityFile {folder}/moved\n  CertificateFile {folder}/certified-cert.pub"
    ),
}


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=pytest.mark.slow if case in ("encrypted-first", "certificate-file") else [])
        for case in _KEYS_SHOWN
    ],
)
def test_a_key_that_openssh_finds_is_found(
    board: Board, full_agent: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", str(full_agent))
    board.setup(_KEYS_SHOWN[case])
    assert board.ssh_connects()
    assert board.refusal(board.device()) is None


@pytest.mark.parametrize("name", ["locked", "locked.pub", "good"])
def test_the_named_key_is_shown_first(
    board: Board, full_agent: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """OpenSSH shows one that is in a file alone after all of the agent, and is then refused for too many."""
    monkeypatch.setenv("SSH_AUTH_SOCK", str(full_agent))
    board.setup("")
    assert board.ssh_connects("-i", str(board.folder / name)) == (name != "good")
    assert board.refusal(board.device(identity=str(board.folder / name))) is None


def test_the_agent_of_the_configuration_is_asked(board: Board, full_agent: Path) -> None:
    board.setup(f"  IdentityAgent {full_agent}\n  IdentitiesOnly yes\n  IdentityFile {{folder}}/locked")
    assert board.ssh_connects()
    assert board.refusal(board.device()) is None
    board.setup("  IdentityAgent /nowhere/agent\n  IdentityFile {folder}/locked")
    refusal = board.refusal(board.device())
    assert refusal is not None and "export SSH_AUTH_SOCK=/nowhere/agent" in refusal.remedy


def test_too_many_keys(board: Board, full_agent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", str(full_agent))
    shutil.copy(board.folder / "good", board.ssh_folder / "id_ed25519")
    board.setup("")
    assert not board.ssh_connects()
    refusal = board.refusal(board.device())
    assert refusal is not None and not refusal.transient
    assert "hung up after 6 keys that it does not accept (a key of ssh-agent, 6 times)" in refusal.message
    assert "--identity" in refusal.remedy
    assert board.refusal(board.device(identity=str(board.folder / "good"))) is None  # as the remedy says


def test_keys_of_an_agent_one_of_which_it_will_not_use(
    board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first has to be confirmed, and nobody does; the last is a certificate."""
    with an_agent(tmp_path) as agent:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(agent))
        add_to_agent(agent, "-c", board.folder / "confirmed")
        board.setup("")
        refusal = board.refusal(board.device())
        assert refusal is not None and "accepts none of the keys" in refusal.message
        add_to_agent(agent, board.folder / "certified")
        assert board.ssh_connects()
        assert board.refusal(board.device()) is None


def test_a_second_factor_is_named(board: Board) -> None:
    board.setup(_KEY, "* {ed25519}")
    refusal = board.refusal(board.device(port=board.ports["second"]))
    assert refusal is not None and not refusal.transient
    assert "accepts your key and then still wants a password" in refusal.message
    assert "AuthenticationMethods publickey" in refusal.remedy


def test_two_keys_where_two_are_wanted(board: Board, full_agent: Path) -> None:
    two = f"{_KEY}\n  IdentityFile {{folder}}/locked\n  IdentityAgent {full_agent}\n  IdentitiesOnly yes"
    board.setup(two, "* {ed25519}")
    assert board.ssh_connects("-p", str(board.ports["two_keys"]))
    assert board.refusal(board.device(port=board.ports["two_keys"])) is None
    board.setup(_KEY, "* {ed25519}")
    refusal = board.refusal(board.device(port=board.ports["two_keys"]))
    assert refusal is not None and "still wants another key" in refusal.message


@pytest.mark.parametrize("key", ["", _KEY])
def test_a_server_of_passwords_alone(board: Board, key: str) -> None:
    board.setup(key, "* {ed25519}")
    refusal = board.refusal(board.device(port=board.ports["passwords"]))
    assert refusal is not None and not refusal.transient
    assert "lets nobody in by a key; it asks for a password" in refusal.message
    assert "PubkeyAuthentication yes" in refusal.remedy


def test_a_match_is_judged_by_openssh(board: Board) -> None:
    board.setup(f"{_KEY}\nMatch exec false\n  ProxyCommand false\nMatch host 127.0.0.1 exec true\n  User {board.user}")
    assert board.ssh_connects()
    assert board.refusal(board.device()) is None
    board.setup("Match nonsense x\n  ProxyCommand false")
    assert not board.ssh_connects()
    with pytest.raises(UsageError, match=r"refuses its configuration for board: .*nonsense") as caught:
        find(board.device())
    assert "ssh -G board" in caught.value.remedy


def test_a_jump_host(board: Board) -> None:
    jump = "\nHost inner\n  HostName 127.0.0.1\n  Port {port}\n  ProxyJump board"
    board.setup(f"{_KEY}{jump}\n  IdentityFile {{folder}}/good")
    inner = Device("inner", "ssh", host="inner")
    assert board.refusal(inner) is None
    board.setup(f"{_KEY}{jump}", "")
    refusal = board.refusal(inner)
    assert refusal is not None and refusal.transient
    assert "ProxyCommand to “inner”" in refusal.message and "ended with 255" in refusal.message


def test_a_server_that_has_too_many_connections(board: Board, tmp_path: Path, sshd_program: str) -> None:
    def config(ports: Any) -> str:
        return f"Port {ports[0]}\nListenAddress 127.0.0.1\nHostKey {board.folder}/host_rsa\nMaxStartups 1\nUsePAM no\n"

    child, (port,) = start_sshd(sshd_program, tmp_path, config)
    try:
        board.setup("")
        with contextlib.ExitStack() as opened:
            words = b""
            while not words.startswith(b"SSH-"):  # at first the connection that looked for the server counts still
                words = opened.enter_context(socket.create_connection(("127.0.0.1", port))).recv(100)
            refusal = board.refusal(board.device(port=port))
        assert refusal is not None and refusal.transient
        assert "said “Exceeded MaxStartups” instead of an SSH greeting" in refusal.message
        assert "MaxStartups" in refusal.remedy and "PerSourcePenalties" in refusal.remedy
    finally:
        child.terminate()
        child.wait(10)


# Runs where ~/.ssh and /etc/ssh are the test's, as OpenSSH's client finds them without being told.
_FOUND = """
from groupnl_deploy.remote.device import Device
from groupnl_deploy.remote.ssh_login import log_in
from groupnl_deploy.remote.ssh_target import find
target = find(Device("board", "ssh", host="board"))
log_in(target).close()
print(target.known_name, target.config_identities[0].name)
"""


def test_the_files_of_the_user_and_of_the_system(board: Board, tmp_path: Path) -> None:
    """In a mount namespace, whose list of users says that the home is the test's."""
    mine = ["unshare", "--user", "--map-root-user", "--mount"]
    if not shutil.which("unshare") or subprocess.run([*mine, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine gives no user a mount namespace")
    board.setup("  HostKeyAlias from-the-system\n  User " + board.user, "from-the-system {ed25519}")
    (tmp_path / "ssh_config.d").mkdir()
    (tmp_path / "ssh_config").write_text("Include /etc/ssh/ssh_config.d/*.conf\n")
    (board.ssh_folder / "config").rename(tmp_path / "ssh_config.d" / "board.conf")
    (tmp_path / "passwd").write_text(f"root:x:0:0:root:{board.ssh_folder.parent}:/bin/sh\n")
    shutil.copy(board.folder / "good", board.ssh_folder / "id_ed25519")
    script = (
        f"mount --bind {tmp_path}/passwd /etc/passwd && mount --bind {tmp_path} /etc/ssh && "
        "export HOME=/nowhere PATH=/usr/bin:/bin && "
        f'ssh -o BatchMode=yes board true && exec {sys.executable} -c "$0"'
    )
    command = [*mine, "sh", "-c", script, _FOUND]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert (done.stdout, done.returncode) == ("from-the-system id_ed25519\n", 0), done.stderr
