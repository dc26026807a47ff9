"""Public keys and certificates as OpenSSH writes them, in one line or in the head of a private key's file.

Sources: RFC 4253 6.6; OpenSSH's PROTOCOL.key and PROTOCOL.certkeys. Imports no SSH library.
"""

import base64
import hashlib
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

_CERTIFICATE = "-cert-v01@openssh.com"
_PRIVATE = re.compile(r"-----BEGIN OPENSSH PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END")
_MAGIC = b"openssh-key-v1\0"


@dataclass(frozen=True)
class PublicKey:
    """A public key or a certificate: its type ("ssh-ed25519") and its bytes as they go over the wire."""

    type: str
    blob: bytes

    @classmethod
    def parse(cls, text: str) -> "PublicKey":
        """Of "ssh-ed25519 AAAA…", as a `.pub` file or a known_hosts line has it; a comment is passed over.

        Raises `ValueError` for anything else.
        """
        words = text.split()
        if len(words) < 2:
            raise ValueError("this is no public key")
        key = cls.of(base64.b64decode(words[1], validate=True))
        if key.type != words[0]:
            raise ValueError(f"this is no key of type {words[0]}")
        return key

    @classmethod
    def of(cls, blob: bytes) -> "PublicKey":
        """Of the bytes alone, which begin with the type. Raises `ValueError`."""
        kind, *rest = _strings(blob)
        if not rest or not re.fullmatch(rb"[\x21-\x7e]+", kind):
            raise ValueError("this is no public key")
        return cls(kind.decode(), blob)

    def __str__(self) -> str:
        return f"{self.type} {base64.b64encode(self.blob).decode()}"

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -l` prints it: "SHA256:…"."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    def certified(self) -> "PublicKey | None":
        """The key that a certificate is about; None of what is no certificate."""
        if not self.type.endswith(_CERTIFICATE):
            return None
        kind = self.type.removesuffix(_CERTIFICATE)
        _, _, *fields = _strings(self.blob)  # after the type and the nonce
        parts = fields[: 1 if kind == "ssh-ed25519" else 2]
        return PublicKey(kind, b"".join(len(part).to_bytes(4, "big") + part for part in (kind.encode(), *parts)))


def public_half(text: str) -> PublicKey | None:
    """The public half in the text of a key file: of a `.pub`, or of OpenSSH's own form of a private key, which has it
    in the clear even where the key is encrypted. None where there is none.
    """
    try:
        return _in_private(text) if _PRIVATE.search(text) else PublicKey.parse(text)
    except ValueError:
        return None


def read_public(file: Path) -> PublicKey | None:
    """The public half of a key file, else that in the `.pub` beside it; None where neither tells."""
    for path in (file, file.with_name(f"{file.name}.pub")):
        with suppress(OSError):
            if key := public_half(path.read_text(errors="replace")):
                return key
    return None


def _in_private(text: str) -> PublicKey:
    """After the magic: cipher, key derivation, its options, a count, and the first public key."""
    found = _PRIVATE.search(text)
    data = base64.b64decode("".join(found[1].split()), validate=True) if found else b""
    if not data.startswith(_MAGIC):
        raise ValueError("this is no private key of OpenSSH's")
    head = data.removeprefix(_MAGIC)
    lengths = sum(4 + len(part) for part in islice(_strings(head), 3))
    return PublicKey.of(next(_strings(head[lengths + 4 :]), b""))


def _strings(data: bytes) -> Iterator[bytes]:
    """Length-prefixed strings one after another, up to the first that is cut off."""
    while len(data) >= 4 and len(data) >= 4 + (length := int.from_bytes(data[:4], "big")):
        yield data[4 : 4 + length]
        data = data[4 + length :]
