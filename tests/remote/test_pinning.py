"""Which host key a new device is known by: what known_hosts says first, then the fingerprint, then whoever is asked."""

import base64

import pytest

from groupnl_deploy.deploy.pinning import Question, choose, require_fingerprint
from groupnl_deploy.errors import DeviceUnreachable, UsageError
from groupnl_deploy.remote.known_hosts import KnownKeys
from groupnl_deploy.remote.public_key import PublicKey


def key(kind: str, letter: str) -> PublicKey:
    parts = (kind.encode(), letter.encode() * 32)
    blob = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return PublicKey.parse(f"{kind} {base64.b64encode(blob).decode()}")


EDWARDS, RSA, OTHER = key("ssh-ed25519", "a"), key("ssh-rsa", "b"), key("ssh-ed25519", "c")
NOBODY = KnownKeys()


def nobody_is_asked(question: Question) -> bool:
    raise AssertionError(question)


@pytest.mark.parametrize(
    "known",
    [
        KnownKeys(trusted=(EDWARDS,)),
        KnownKeys(trusted=(OTHER, RSA)),  # an old key beside one that still holds
        KnownKeys(trusted=(OTHER,)),  # changed: the login says so
        KnownKeys(revoked=(EDWARDS,)),
        KnownKeys(authorities=(OTHER,)),
    ],
)
def test_where_known_hosts_says_anything_it_goes_on_deciding(known: KnownKeys) -> None:
    assert choose([EDWARDS, RSA], known, None, nobody_is_asked, "pi") is None


def test_a_fingerprint_pins_the_key_that_has_it_whatever_known_hosts_says() -> None:
    for known in (NOBODY, KnownKeys(trusted=(OTHER,))):
        assert choose([EDWARDS, RSA], known, RSA.fingerprint, nobody_is_asked, "pi") == RSA
    with pytest.raises(DeviceUnreachable, match="no host key with the fingerprint") as caught:
        choose([EDWARDS, RSA], NOBODY, OTHER.fingerprint, nobody_is_asked, "pi")
    assert EDWARDS.fingerprint in caught.value.message and "posing" in caught.value.message


def test_an_unknown_key_is_shown_with_how_to_compare_it_and_pinned_when_it_is_confirmed() -> None:
    asked: list[Question] = []
    assert choose([EDWARDS, RSA], NOBODY, None, lambda question: not asked.append(question), "pi") == EDWARDS
    assert asked == [Question(EDWARDS, "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub")]
    with pytest.raises(DeviceUnreachable, match="not confirmed"):
        choose([EDWARDS], NOBODY, None, lambda _: False, "pi")


def test_where_nobody_can_be_asked_the_command_to_write_is_told() -> None:
    with pytest.raises(DeviceUnreachable, match="nobody has vouched for") as caught:
        choose([EDWARDS], NOBODY, None, None, "pi")
    assert EDWARDS.fingerprint in caught.value.message
    assert f"--fingerprint {EDWARDS.fingerprint}" in caught.value.remedy


@pytest.mark.parametrize(
    "text", ["", "SHA256:", "MD5:00:11", EDWARDS.fingerprint.removeprefix("SHA256:"), "SHA256:" + "a" * 44]
)
def test_what_is_no_fingerprint_is_refused(text: str) -> None:
    require_fingerprint(EDWARDS.fingerprint)
    with pytest.raises(UsageError, match="no SHA256 fingerprint"):
        require_fingerprint(text)
