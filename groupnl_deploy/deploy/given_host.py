"""What people give as a host, taken apart: `pi@board`, `board:2222`, `[::1]:2222`, `::1`, `ssh://pi@board`. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from groupnl_deploy.errors import UsageError

_SCHEME = "ssh://"
_IN_BRACKETS = re.compile(r"\[([^\]]*)\](?::(.*))?")


@dataclass(frozen=True)
class GivenHost:
    """A host, and the user and port that were given with it."""

    host: str
    user: str | None = None
    port: int | None = None


def given_host(text: str, user: str | None = None, port: int | None = None) -> GivenHost:
    """Take `text` apart and join it with what `--user` and `--port` say. Raises `UsageError` where they differ."""
    given = _apart(text)
    said = {"--user": (given.user, user), "--port": (given.port, port)}
    for option, (inside, beside) in said.items():
        if inside is not None and beside is not None and inside != beside:
            raise UsageError(
                f"--host {text} says {inside}, and {option} says {beside}.",
                f"Leave one of them out: --host {given.host} {_options(said)}.",
            )
    return replace(given, user=given.user if user is None else user, port=given.port if port is None else port)


def _options(said: Mapping[str, tuple[object, object]]) -> str:
    """What stands inside the host and beside it, as options; what stands beside has the word."""
    values = {option: inside if beside is None else beside for option, (inside, beside) in said.items()}
    return " ".join(f"{option} {value}" for option, value in values.items() if value is not None)


def _apart(text: str) -> GivenHost:
    rest = text.removeprefix(_SCHEME).removesuffix("/") if text.startswith(_SCHEME) else text
    user, at, place = rest.rpartition("@")
    if at and not user:
        raise UsageError(f"--host {text} has no user before the @.", f"Write --host {place}.")
    host, port = _host_and_port(text, place, f"{user}@" if user else "")
    return GivenHost(host, user or None, port)


def _host_and_port(text: str, place: str, before: str) -> tuple[str, int | None]:
    bracketed = _IN_BRACKETS.fullmatch(place)
    if bracketed:
        return bracketed[1], _port(text, before + bracketed[1], bracketed[2])
    if place.count(":") == 1:
        host, _, port = place.partition(":")
        return host, _port(text, before + host, port)
    return place, None  # a name, or an IPv6 address, whose colons are its own


def _port(text: str, host: str, port: str | None) -> int | None:
    if port is None:
        return None
    if not (port.isascii() and port.isdecimal() and 0 < int(port[:6]) < 65536 and len(port) < 6):
        raise UsageError(f"--host {text} has “{port}” where a port belongs.", f"Write --host {host} --port 22.")
    return int(port)
