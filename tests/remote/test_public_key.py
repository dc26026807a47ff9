"""Public keys, their fingerprints, and where they are found: what `ssh-keygen` says is right."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from groupnl_deploy.remote.public_key import PublicKey, public_half, read_public

pytestmark = pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="needs ssh-keygen: install openssh-client")


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_key_its_fingerprint_and_its_certificate(tmp_path: Path, make_key: Callable[..., Path], kind: str) -> None:
    file, authority = make_key(tmp_path / "key", kind=kind), make_key(tmp_path / "authority")
    key = PublicKey.parse(file.with_suffix(".pub").read_text())
    listed = subprocess.run(["ssh-keygen", "-lf", str(file)], capture_output=True, text=True, check=True).stdout
    assert key.fingerprint == listed.split()[1]
    assert PublicKey.parse(str(key)) == key
    assert key.certified() is None
    sign = ["ssh-keygen", "-q", "-s", str(authority), "-I", "somebody", "-n", "pi", f"{file}.pub"]
    subprocess.run(sign, check=True, capture_output=True)
    certificate = read_public(tmp_path / "key-cert.pub")
    assert certificate is not None and certificate.certified() == key


def test_a_private_key_tells_its_public_half_even_where_it_is_encrypted(
    tmp_path: Path, make_key: Callable[..., Path]
) -> None:
    file = make_key(tmp_path / "key", passphrase="open sesame")
    key = PublicKey.parse((tmp_path / "key.pub").read_text())
    assert public_half(file.read_text()) == key
    (tmp_path / "key.pub").unlink()
    assert read_public(file) == key


def test_a_pem_file_tells_nothing_but_the_file_beside_it_does(tmp_path: Path, make_key: Callable[..., Path]) -> None:
    file = make_key(tmp_path / "key", kind="ecdsa")
    encrypt = ["ssh-keygen", "-q", "-p", "-m", "PEM", "-P", "", "-N", "open sesame", "-f", str(file)]
    subprocess.run(encrypt, check=True, capture_output=True)
    assert public_half(file.read_text()) is None
    assert read_public(file) == PublicKey.parse((tmp_path / "key.pub").read_text())
    (tmp_path / "key.pub").unlink()
    assert read_public(file) is None
    assert read_public(tmp_path / "missing") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ssh-ed25519",
        "ssh-ed25519 ???",
        "ssh-ed25519 AAAA",
        "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIHVzOgiUf1ZuhHyUn2Y1FKU8iR0yFBZJvXvDCg7WOVdk",
        "a " + "AAAAAQ==",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA\n-----END OPENSSH PRIVATE KEY-----",
    ],
)
def test_what_is_no_key_is_none(text: str) -> None:
    assert public_half(text) is None
