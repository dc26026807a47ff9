"""What paramiko lacks for a host: read from the answer of the real `ssh -G`."""

import shutil
import subprocess
from pathlib import Path

import pytest

from groupnl_deploy.remote.known_hosts import KnownKeys
from groupnl_deploy.remote.lacking import lacking
from groupnl_deploy.remote.openssh_config import HostConfig, parse_answer
from groupnl_deploy.remote.public_key import PublicKey

_KEY = PublicKey.parse("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHVzOgiUf1ZuhHyUn2Y1FKU8iR0yFBZJvXvDCg7WOVdk")


def _config(tmp_path: Path, text: str) -> HostConfig:
    if not shutil.which("ssh"):
        pytest.skip("needs OpenSSH's client: install the package openssh-client")
    (tmp_path / "config").write_text(f"{text}\n")
    command = ["ssh", "-G", "-F", str(tmp_path / "config"), "board"]
    return parse_answer(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_an_ordinary_host_lacks_nothing(tmp_path: Path) -> None:
    assert lacking(_config(tmp_path, ""), KnownKeys(trusted=(_KEY,)), ["ssh-ed25519", "ssh-rsa"], tickets=True) == ()
    assert lacking(HostConfig(), KnownKeys()) == ()


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("RevokedHostKeys /etc/ssh/revoked", "RevokedHostKeys"),
        ("KnownHostsCommand /bin/true", "KnownHostsCommand"),
        ("VerifyHostKeyDNS yes", "VerifyHostKeyDNS"),
        ("PKCS11Provider /usr/lib/card.so", "PKCS11Provider"),
        ("HostbasedAuthentication yes", "host-based"),
        ("ProxyUseFdpass yes", "ProxyUseFdpass"),
        ("BindAddress 127.0.0.2", "BindAddress"),
        ("BindInterface eth1", "BindInterface"),
        ("AddressFamily inet6", "AddressFamily"),
        ("NoHostAuthenticationForLocalhost yes", "localhost"),
        ("HostKeyAlgorithms sk-ssh-ed25519@openssh.com", "HostKeyAlgorithms"),
    ],
)
def test_an_option_that_only_openssh_knows(tmp_path: Path, text: str, word: str) -> None:
    (found,) = lacking(_config(tmp_path, text), KnownKeys())
    assert word in found


def test_kerberos_is_asked_for_by_those_who_have_tickets() -> None:
    config = HostConfig({"gssapiauthentication": ("yes",)})  # not every build of the client prints it
    assert lacking(config, KnownKeys(), tickets=False) == ()
    assert "Kerberos" in lacking(config, KnownKeys(), tickets=True)[0]
    assert lacking(HostConfig(), KnownKeys(), tickets=True) == ()


def test_authorities_and_security_keys() -> None:
    (found,) = lacking(HostConfig(), KnownKeys(authorities=(_KEY,)))
    assert "@cert-authority" in found
    (found,) = lacking(HostConfig(), KnownKeys(), ["sk-ssh-ed25519@openssh.com"])
    assert "FIDO" in found
