"""Which host keys are known of a machine: known_hosts files read as OpenSSH reads them (sshd(8), SSH_KNOWN_HOSTS).

Only the lines of the host that is asked for count; of all others, damaged ones included, nothing is read but the name.
Imports no SSH library.
"""

import base64
import hmac
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from groupnl_deploy.remote.public_key import PublicKey

Verdict = Literal["known", "unknown", "changed", "revoked"]

_HASHED = "|1|"


@dataclass(frozen=True)
class KnownKeys:
    """What known_hosts files say of one host and port.

    Args:
        trusted: keys that it may show; several of one type are an old one and its successor.
        without_port: trusted of the same name at port 22. One of them will do where nothing is known of the port, as
            for OpenSSH; another key is then unknown, not changed.
        revoked: keys that it must never show.
        authorities: keys that sign its certificates.
    """

    trusted: tuple[PublicKey, ...] = ()
    without_port: tuple[PublicKey, ...] = ()
    revoked: tuple[PublicKey, ...] = ()
    authorities: tuple[PublicKey, ...] = ()

    def verdict(self, shown: PublicKey) -> Verdict:
        """What to make of the key that the machine shows."""
        if shown in self.revoked:
            return "revoked"
        if shown in self.trusted or (not self.trusted and shown in self.without_port):
            return "known"
        return "changed" if self.trusted else "unknown"

    @property
    def types(self) -> frozenset[str]:
        """The types of the keys that will do."""
        return frozenset(key.type for key in self.trusted or self.without_port)


def known_name(host: str, port: int) -> str:
    """What known_hosts files call a host at a port."""
    return host if port == 22 else f"[{host}]:{port}"


def read_known_keys(files: Iterable[Path], name: str, name_without_port: str | None = None) -> KnownKeys:
    """What files say of a host; one that is not there or cannot be read says nothing, as for OpenSSH."""
    return known_keys([line for file in files for line in _lines(file)], name, name_without_port)


def known_keys(lines: Iterable[str], name: str, name_without_port: str | None = None) -> KnownKeys:
    """What lines say of a host.

    Args:
        lines: of all files, in their order.
        name: the `known_name`, or the PublicKeyAlias, which stands without a port.
        name_without_port: the host's name where the port is not 22 and there is no alias.
    """
    found: dict[str, list[PublicKey]] = {"": [], "@revoked": [], "@cert-authority": []}
    without_port: list[PublicKey] = []
    for marker, hosts, key in _entries(lines):
        if marker in found and _names(hosts, name):
            _add(found[marker], key)
        elif marker == "" and name_without_port and _names(hosts, name_without_port):
            _add(without_port, key)
    return KnownKeys(
        tuple(found[""]), tuple(without_port), tuple(found["@revoked"]), tuple(found["@cert-authority"])
    )  # fmt: skip


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return []


def _entries(lines: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Marker, host field and key of each line that has them."""
    for line in lines:
        words = line.split(maxsplit=1)
        marker, rest = (words[0], words[1]) if words and words[0].startswith("@") and len(words) == 2 else ("", line)
        fields = rest.split(maxsplit=1)
        if len(fields) == 2 and not fields[0].startswith("#"):
            yield marker, fields[0], fields[1]


def _add(keys: list[PublicKey], text: str) -> None:
    """A damaged key is passed over, as OpenSSH does."""
    try:
        key = PublicKey.parse(text)
    except ValueError:
        return
    if key not in keys:
        keys.append(key)


def _names(hosts: str, name: str) -> bool:
    """Whether the host field of a line means this host."""
    if hosts.startswith(_HASHED):
        return _is_hash_of(hosts, name)
    patterns = hosts.lower().split(",")
    if any(pattern.startswith("!") and _fits(pattern[1:], name) for pattern in patterns):
        return False
    return any(_fits(pattern, name) for pattern in patterns)


def _is_hash_of(hashed: str, name: str) -> bool:
    """`|1|salt|hash`: HMAC-SHA1 of the name, keyed with the salt."""
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in hashed.removeprefix(_HASHED).split("|"))
    except ValueError:
        return False
    return hmac.compare_digest(hmac.digest(salt, name.encode(), "sha1"), digest)


def _fits(pattern: str, name: str) -> bool:
    """OpenSSH's wildcards are `*` and `?` alone: brackets stand for themselves, as in `[host]:port`."""
    regex = "".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in pattern)
    return re.fullmatch(regex, name, re.DOTALL) is not None
