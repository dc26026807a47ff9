"""What a host's configuration asks for that paramiko cannot do, and OpenSSH's own client can."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from groupnl_deploy.remote.known_hosts import KnownKeys
from groupnl_deploy.remote.openssh_config import HostConfig
from groupnl_deploy.remote.public_key import read_public
from groupnl_deploy.remote.ssh_target import SshTarget

_HOST_KEYS = {"ssh-ed25519", *(f"ecdsa-sha2-nistp{bits}" for bits in (256, 384, 521)), "rsa-sha2-512", "rsa-sha2-256"}


def _is_set(option: str) -> Callable[[HostConfig], bool]:
    return lambda config: bool(config.values(option))


def _is_on(option: str) -> Callable[[HostConfig], bool]:
    return lambda config: config.says_yes(option)


# What it is called, and whether a configuration asks for it.
_OPTIONS: tuple[tuple[str, Callable[[HostConfig], bool]], ...] = (
    ("a list of revoked host keys (RevokedHostKeys)", _is_set("revokedhostkeys")),
    ("host keys told by a command (KnownHostsCommand)", _is_set("knownhostscommand")),
    ("host keys in DNS (VerifyHostKeyDNS)", lambda config: config.value("verifyhostkeydns") in ("yes", "true", "ask")),
    ("a smart card (PKCS11Provider)", _is_set("pkcs11provider")),
    ("host-based authentication", _is_on("hostbasedauthentication")),
    ("a proxy that passes a socket on (ProxyUseFdpass)", _is_on("proxyusefdpass")),
    ("an own address to connect from (BindAddress)", _is_set("bindaddress")),
    ("an own interface to connect from (BindInterface)", _is_set("bindinterface")),
    ("one kind of address (AddressFamily)", lambda config: config.value("addressfamily", "any") != "any"),
    ("localhost without a host key", _is_on("nohostauthenticationforlocalhost")),
)


def lacking(
    config: HostConfig, known: KnownKeys, key_types: Iterable[str] = (), tickets: bool = False
) -> tuple[str, ...]:
    """What paramiko lacks for a host, in words for a note; empty where it will do.

    Args:
        config: what the user's SSH configuration says of the host.
        known: what known_hosts say of it.
        key_types: of the user's key files for it.
        tickets: whether this user has Kerberos tickets; many distributions ask for Kerberos everywhere.
    """
    offered = config.value("hostkeyalgorithms")
    asked = (
        ("a certificate authority in known_hosts (@cert-authority)", bool(known.authorities)),
        ("a security key (FIDO)", any(kind.startswith("sk-") for kind in key_types)),
        ("Kerberos (GSSAPIAuthentication)", tickets and config.says_yes("gssapiauthentication")),
        (
            "the kinds of host keys that it allows (HostKeyAlgorithms)",
            bool(offered) and _HOST_KEYS.isdisjoint(offered.split(",")),
        ),
        *((name, asks(config)) for name, asks in _OPTIONS),
    )
    return tuple(name for name, is_asked in asked if is_asked)


def lacking_for(target: SshTarget) -> tuple[str, ...]:
    """`lacking` for a target, with what this machine's files say just now."""
    identities = [*([target.identity] if target.identity else []), *target.config_identities]
    public = [half for path in identities if (half := read_public(path))]
    return lacking(target.config, target.known_keys(), [key.type for key in public], _has_tickets())


def _has_tickets() -> bool:
    """MIT Kerberos keeps them where $KRB5CCNAME says, else in a file of the user's."""
    return "KRB5CCNAME" in os.environ or Path(f"/tmp/krb5cc_{getattr(os, 'getuid', int)()}").exists()
