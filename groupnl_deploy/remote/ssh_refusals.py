"""What to tell a person when an SSH device cannot be used: one sentence of what happened, one of what to do.

Only names, addresses and public fingerprints appear here; never a key, a passphrase or a command's output. Each refusal
is transient or permanent by its kind (`groupnl_deploy.errors`).
"""

from collections.abc import Sequence

from groupnl_deploy.errors import DeviceUnavailable, DeviceUnreachable
from groupnl_deploy.remote.public_key import PublicKey
from groupnl_deploy.remote.ssh_target import SshTarget


def unknown_host_key(target: SshTarget, shown: PublicKey, *, certified: bool) -> DeviceUnreachable:
    """The machine is in no known_hosts file; `certified`: but for a certificate authority, which paramiko lacks."""
    message = f"{target} shows a host key that is in no known_hosts file: {shown.type} {shown.fingerprint}"
    if certified:
        return DeviceUnreachable(
            f"{message}; a certificate authority there vouches for it, which this transport cannot ask.",
            f"Let OpenSSH's own client do it: add “{target.device_name}” again with `--transport openssh`.",
        )
    return DeviceUnreachable(
        message,
        f"Compare the fingerprint with the one that `ssh-keygen -lf {_host_key_file(shown.type)}` prints on the "
        f"board's own console; if they are equal, connect once with `{target.ssh_command}` to record it.",
    )


def changed_host_key(target: SshTarget, known: Sequence[PublicKey], shown: PublicKey) -> DeviceUnreachable:
    """The machine is known, but by another key."""
    fingerprints = ", ".join(f"{key.type} {key.fingerprint}" for key in known)
    return DeviceUnreachable(
        f"THE HOST KEY OF {target} HAS CHANGED: {'pinned is' if target.pinned else 'known_hosts has'} {fingerprints}, "
        f"the machine shows {shown.type} {shown.fingerprint}; "
        "another machine may be posing as the board, and nothing was sent to it.",
        "Do not go on before you know why. Only if the board was reinstalled and its own console shows the new "
        f"fingerprint: {_forget_key(target)}.",
    )


def _forget_key(target: SshTarget) -> str:
    if target.pinned:
        return f"`groupnl device remove {target.device_name}`, then add it again, which pins the new key"
    return f"`ssh-keygen -R '{target.known_name}'`, then connect once with `{target.ssh_command}`"


def revoked_host_key(target: SshTarget, shown: PublicKey) -> DeviceUnreachable:
    """known_hosts has the key as one that must no longer be trusted."""
    return DeviceUnreachable(
        f"THE HOST KEY OF {target} IS REVOKED in known_hosts ({shown.type} {shown.fingerprint}): whoever has it may be "
        "posing as the board, and nothing was sent to it.",
        "Make new host keys on the board's own console: `sudo rm /etc/ssh/ssh_host_*_key*`, "
        "`sudo ssh-keygen -A`, `sudo systemctl restart ssh`.",
    )


def keys_refused(target: SshTarget, tried: list[str], locked: list[str]) -> DeviceUnreachable:
    """Authentication failed; `locked` are encrypted private keys that could not be tried."""
    what = f"{target} refused us: it accepts none of the keys tried ({_counted(tried) or 'there were none'})"
    if locked:
        return DeviceUnreachable(
            f"{what}; {', '.join(locked)} is encrypted and could not be tried.",
            f"Unlock it for this session: {_unlock(target)}`ssh-add {locked[0]}`; "
            "groupnl never asks for a passphrase itself.",
        )
    identity = f"-i {target.identity} " if target.identity else ""
    return DeviceUnreachable(
        f"{what}.",
        f"Install your key with `ssh-copy-id {identity}-p {target.port} {target.user}@{target.alias}`, "
        "or name the right one with --identity and the right user with --user.",
    )


def _unlock(target: SshTarget) -> str:
    return f"`export SSH_AUTH_SOCK={target.agent}`, then " if target.agent else "`eval $(ssh-agent)`, then "


def too_many_keys(target: SshTarget, tried: list[str]) -> DeviceUnreachable:
    """The server hung up because it had to refuse too many keys."""
    return DeviceUnreachable(
        f"{target} hung up after {len(tried)} keys that it does not accept ({_counted(tried)}): too many keys were "
        "offered, and the right one may be among those that were not.",
        f"Name the right one with --identity; if it is named, install it: `ssh-copy-id -i KEY -p {target.port} "
        f"{target.user}@{target.alias}`.",
    )


def no_keys_taken(target: SshTarget, wanted: Sequence[str]) -> DeviceUnreachable:
    """The server has public keys switched off."""
    return DeviceUnreachable(
        f"{target} lets nobody in by a key; it asks for {_methods(wanted)}, and groupnl answers with keys alone.",
        "Set `PubkeyAuthentication yes` in the board's /etc/ssh/sshd_config, restart its SSH server, and install your "
        f"key with `ssh-copy-id -p {target.port} {target.user}@{target.alias}`.",
    )


def more_wanted(target: SshTarget, wanted: Sequence[str]) -> DeviceUnreachable:
    """A second factor."""
    return DeviceUnreachable(
        f"{target} accepts your key and then still wants {_methods(wanted)}, which groupnl cannot give.",
        "Let the key be enough for this user, in the board's /etc/ssh/sshd_config: "
        f"`Match User {target.user}`, below it `AuthenticationMethods publickey`.",
    )


_METHODS = {
    "password": "a password",
    "keyboard-interactive": "answers that a person types (keyboard-interactive: a password or a one-time code)",
    "publickey": "another key",
    "hostbased": "a host-based login",
    "gssapi-with-mic": "a Kerberos ticket",
}


def _methods(wanted: Sequence[str]) -> str:
    return " or ".join(_METHODS.get(method, method) for method in wanted) or "nothing that has a name"


def _counted(labels: list[str]) -> str:
    """Each label once, with how often it stands there."""
    counts = {label: labels.count(label) for label in labels}
    return ", ".join(label if count == 1 else f"{label}, {count} times" for label, count in counts.items())


def no_identity(target: SshTarget, why: str) -> DeviceUnreachable:
    """The private key that the device names cannot be used."""
    return DeviceUnreachable(
        f"The private key {target.identity} of the device “{target.device_name}” {why}.",
        "Make one with `ssh-keygen -t ed25519`, or add the device again with the right --identity.",
    )


def public_identity(target: SshTarget) -> DeviceUnreachable:
    """The device names the public half of a key that no agent has."""
    private = str(target.identity).removesuffix(".pub")
    return DeviceUnreachable(
        f"The key {target.identity} of the device “{target.device_name}” is a public one, and its private half is not "
        "in ssh-agent.",
        f"Put it there: `ssh-add {private}`; or add the device again with `--identity {private}`.",
    )


def keys_not_judged(target: SshTarget, tried: list[str], farewell: str) -> DeviceUnavailable:
    """The server hung up in the middle of the authentication, or did not answer."""
    said = f" and said “{farewell}”" if farewell else ""
    return DeviceUnavailable(
        f"{target} broke off{said} before it had accepted or refused a key (tried: {_counted(tried) or 'none'}).",
        f"Try again. If it stays so, see whether `{target.ssh_command}` works.",
    )


def dropped(target: SshTarget) -> DeviceUnavailable:
    """Somebody takes the connection and ends it at once."""
    return DeviceUnavailable(f"{target} closed the connection before a greeting.", _TOO_MANY_CONNECTIONS)


_TOO_MANY_CONNECTIONS = (
    "Too many connections are open to it (MaxStartups of its sshd), or it bars this address for a while after failed "
    "logins (PerSourcePenalties, fail2ban): close what else connects to it, wait a minute, then try again."
)


def no_greeting(target: SshTarget, words: str) -> DeviceUnavailable:
    """Something else than a greeting came: an SSH server that turns us away, or another service."""
    message = f"{target} said “{words}” instead of an SSH greeting"
    if any(known in words for known in ("MaxStartups", "Not allowed at this time")):  # OpenSSH's own words
        return DeviceUnavailable(f"{message}.", _TOO_MANY_CONNECTIONS)
    return DeviceUnavailable(
        f"{message}: what answers there is no SSH server.",
        f"Check host and port: `{target.ssh_command}` has to work.",
    )


def silent_server(target: SshTarget) -> DeviceUnavailable:
    """Somebody takes the connection, then is silent: a board that starts or hangs, or another service."""
    return DeviceUnavailable(
        f"{target} took the connection, but no SSH server greeted.",
        f"See whether `{target.ssh_command}` works and that the port is the SSH server's; a board that is starting "
        "needs a moment.",
    )


def proxy_ended(target: SshTarget, exit_code: int) -> DeviceUnavailable:
    """The program that should reach the host has ended."""
    return DeviceUnavailable(
        f"The ProxyCommand to {target} ended with {exit_code} before an SSH server greeted.",
        f"See what it says: `{target.ssh_command}` runs the same; it is the ProxyCommand or ProxyJump that "
        f"`ssh -G {target.alias}` prints.",
    )


def client_ended(target: SshTarget, words: str) -> DeviceUnavailable:
    """OpenSSH's client gave up for a reason that we know nothing of."""
    return DeviceUnavailable(
        f"OpenSSH's client does not connect to {target}: “{words}”.",
        f"Mend what it says until `{target.ssh_command} true` works without a question, then try again.",
    )


def handshake_broken(target: SshTarget) -> DeviceUnavailable:
    """The server greeted, and the connection ended before keys were agreed on."""
    return DeviceUnavailable(
        f"{target} broke off while keys for the connection were agreed on.",
        f"Try again. If it stays so, see whether `{target.ssh_command}` works.",
    )


def no_agreement(target: SshTarget, why: str) -> DeviceUnreachable:
    """An SSH server answers, but the two sides come to no agreement."""
    return DeviceUnreachable(
        f"No SSH connection to {target} comes about: {why}.",
        f"See whether `{target.ssh_command}` works; if it does, add “{target.device_name}” again with "
        "`--transport openssh`: a very old or very new server may speak other ciphers.",
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


def no_shell(target: SshTarget, said: str) -> DeviceUnreachable:
    """The login shell ended without running our command."""
    return DeviceUnreachable(
        f"The login shell of {target} ran no command{f' and said: {said}' if said else ''}.",
        f"See whether `{target.ssh_command} true` works; the user needs an ordinary login shell.",
    )


def start_up_file(target: SshTarget, timeout_s: float) -> DeviceUnreachable:
    """The login shell is there, and our command has not begun."""
    return DeviceUnreachable(
        f"{target} let us in, but your login shell's start-up file keeps the command from starting (waited "
        f"{timeout_s:g} s): `exec fish`, `exec zsh` or a question in ~/.bashrc does that.",
        "Begin that file with `case $- in *i*) ;; *) return ;; esac`, so that the rest is for people at a terminal; "
        f"`{target.ssh_command} true` must then end by itself.",
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


def _host_key_file(key_type: str) -> str:
    kind = next((kind for kind in ("ed25519", "ecdsa", "rsa") if kind in key_type), "*")
    return f"/etc/ssh/ssh_host_{kind}_key.pub"
