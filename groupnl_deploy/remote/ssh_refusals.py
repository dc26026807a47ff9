"""What to tell a person when an SSH device cannot be used: one sentence of what happened, one of what to do.

Only names, addresses and public fingerprints appear here; never a key, a passphrase or a command's output. Each refusal
is transient or permanent by its kind (`groupnl_deploy.errors`).
"""

from groupnl_deploy.errors import DeviceFault, DeviceUnavailable, DeviceUnreachable, DiskFull
from groupnl_deploy.remote.ssh_target import SshTarget
from groupnl_deploy.remote.transport import size_text


def unknown_host_key(target: SshTarget, key_type: str, fingerprint: str) -> DeviceUnreachable:
    """The machine is in no known_hosts file."""
    return DeviceUnreachable(
        f"{target} shows a host key that is in no known_hosts file: {key_type} {fingerprint}",
        f"Compare the fingerprint with the one that `ssh-keygen -lf {_host_key_file(key_type)}` prints on the "
        f"board's own console; if they are equal, connect once with `{target.ssh_command}` to record it.",
    )


def changed_host_key(target: SshTarget, known: str, shown: str) -> DeviceUnreachable:
    """The machine is known, but by another key."""
    return DeviceUnreachable(
        f"THE HOST KEY OF {target} HAS CHANGED: known_hosts has {known}, the machine shows {shown}; "
        "another machine may be posing as the board, and nothing was sent to it.",
        "Do not go on before you know why. Only if the board was reinstalled and its own console shows the new "
        f"fingerprint: `ssh-keygen -R '{target.known_name}'`, then connect once with `{target.ssh_command}`.",
    )


def keys_refused(target: SshTarget, tried: list[str], locked: list[str]) -> DeviceUnreachable:
    """Authentication failed; `locked` are encrypted private keys that could not be tried."""
    what = f"{target} refused us: it accepts none of the keys tried ({', '.join(tried) or 'there were none'})"
    if locked:
        return DeviceUnreachable(
            f"{what}; {', '.join(locked)} is encrypted and could not be tried.",
            f"Unlock it for this session: `eval $(ssh-agent)`, then `ssh-add {locked[0]}`; "
            "groupnl never asks for a passphrase itself.",
        )
    identity = f"-i {target.identity} " if target.identity else ""
    return DeviceUnreachable(
        f"{what}.",
        f"Install your key with `ssh-copy-id {identity}-p {target.port} {target.user}@{target.alias}`, "
        "or name the right one with --identity and the right user with --user.",
    )


def no_identity(target: SshTarget, why: str) -> DeviceUnreachable:
    """The private key that the device names cannot be used."""
    return DeviceUnreachable(
        f"The private key {target.identity} of the device “{target.device_name}” {why}.",
        "Make one with `ssh-keygen -t ed25519`, or add the device again with the right --identity.",
    )


def keys_not_judged(target: SshTarget, tried: list[str]) -> DeviceUnavailable:
    """The server hung up in the middle of the authentication, or did not answer."""
    return DeviceUnavailable(
        f"{target} broke off before it had accepted or refused a key (those to try: {', '.join(tried) or 'none'}).",
        f"Try again. If it stays so, see whether `{target.ssh_command}` works; a server hangs up after a few wrong "
        "keys, and `IdentitiesOnly yes` in ~/.ssh/config keeps other keys than the device's from being tried.",
    )


def no_server(target: SshTarget) -> DeviceUnavailable:
    """Somebody takes the connection, then is silent or hangs up: a board that starts, is full, or another service."""
    return DeviceUnavailable(
        f"No SSH connection to {target} comes about: what answers there hung up, or never named itself an SSH server.",
        f"See whether `{target.ssh_command}` works and that the port is the SSH server's; a board that is starting "
        "needs a moment.",
    )


def no_handshake(target: SshTarget, why: str) -> DeviceUnreachable:
    """An SSH server answers, but the two sides come to no agreement."""
    return DeviceUnreachable(
        f"No SSH connection to {target} comes about: {why}.",
        f"See whether `{target.ssh_command}` works; a very old or very new SSH server may speak other ciphers.",
    )


def link_lost(target: SshTarget) -> DeviceUnavailable:
    """The connection died."""
    return DeviceUnavailable(
        f"The connection to {target} was lost.",
        "Check the board's power and network (a weak power supply resets it under load), then try again.",
    )


def no_session(target: SshTarget) -> DeviceUnavailable:
    """The link is up, but the server opens no further channel: others hold all that it allows."""
    return DeviceUnavailable(
        f"{target} is connected but does not open another session.",
        "Close other connections to the board, or raise MaxSessions in its /etc/ssh/sshd_config.",
    )


def no_sftp(target: SshTarget) -> DeviceUnreachable:
    """The file transfer subsystem does not start."""
    return DeviceUnreachable(
        f"{target} offers no file transfer (SFTP).",
        "Enable the sftp subsystem in its /etc/ssh/sshd_config, and see that its ~/.bashrc prints nothing.",
    )


def no_shell(target: SshTarget, said: str) -> DeviceUnreachable:
    """The login shell ended without running our command."""
    return DeviceUnreachable(
        f"The login shell of {target} ran no command{f' and said: {said}' if said else ''}.",
        f"See whether `{target.ssh_command} true` works; the user needs an ordinary login shell.",
    )


def command_timed_out(target: SshTarget, program: str, timeout_s: float) -> DeviceUnavailable:
    """A command took too long."""
    return DeviceUnavailable(
        f"`{program}` on {target} did not finish within {timeout_s:g} s and was killed.",
        f"See with `{target.ssh_command}` what keeps the board busy, then try again.",
    )


def process_silent(target: SshTarget, program: str, what: str) -> DeviceUnavailable:
    """A process we talk to does not answer in time."""
    return DeviceUnavailable(
        f"The process `{program}` on {target} {what}.",
        "Check the board's power, network and load, then try again.",
    )


def process_ended(target: SshTarget, program: str, what: str) -> DeviceUnreachable:
    """A process we talk to is gone, and the link is not at fault."""
    return DeviceUnreachable(
        f"The process `{program}` on {target} {what}.",
        "Look at what it wrote to stderr, then try again.",
    )


def file_refused(target: SshTarget, doing: str, why: str) -> DeviceFault:
    """The device said no to a file operation."""
    return DeviceFault(
        f"Could not {doing} on {target}: {why}.",
        "Check there that the folder is the user's own and that its file system is not mounted read-only.",
    )


def disk_full(target: SshTarget, needed_bytes: int, free_bytes: int, folder: str) -> DiskFull:
    """No room for a file."""
    return DiskFull(
        f"The disk of {target} is full: {size_text(needed_bytes)} are needed in {folder}, "
        f"{size_text(free_bytes)} are free.",
        "Free some space on the board (`df -h`, `sudo apt clean`), then try again.",
    )


def _host_key_file(key_type: str) -> str:
    kind = next((kind for kind in ("ed25519", "ecdsa", "rsa") if kind in key_type), "*")
    return f"/etc/ssh/ssh_host_{kind}_key.pub"
