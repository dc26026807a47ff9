"""What people give as a host: taken apart as `ssh` and `scp` take it, or refused with what to write."""

import pytest

from groupnl_deploy.deploy.given_host import GivenHost, given_host
from groupnl_deploy.errors import UsageError


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("raspberrypi.local", GivenHost("raspberrypi.local")),
        ("pi@raspberrypi.local", GivenHost("raspberrypi.local", "pi")),
        ("10.0.0.7:2222", GivenHost("10.0.0.7", None, 2222)),
        ("pi@board:22", GivenHost("board", "pi", 22)),
        ("::1", GivenHost("::1")),
        ("[::1]", GivenHost("::1")),
        ("[fe80::1%eth0]:2222", GivenHost("fe80::1%eth0", None, 2222)),
        ("pi@[2001:db8::7]:22", GivenHost("2001:db8::7", "pi", 22)),
        ("ssh://pi@board:2222/", GivenHost("board", "pi", 2222)),
        ("DOMAIN\\pi@me@board", GivenHost("board", "DOMAIN\\pi@me")),  # the last one counts, as it does for ssh
    ],
)
def test_a_host_is_taken_apart(text: str, found: GivenHost) -> None:
    assert given_host(text) == found


def test_options_say_what_the_host_leaves_out_or_says_too() -> None:
    assert given_host("board", "pi", 22) == GivenHost("board", "pi", 22)
    assert given_host("pi@board:22", "pi", 22) == GivenHost("board", "pi", 22)


@pytest.mark.parametrize(
    ("text", "user", "port", "why", "remedy"),
    [
        ("pi@board", "root", None, "says pi, and --user says root", "--host board --user root"),
        ("board:22", None, 2222, "says 22, and --port says 2222", "--host board --port 2222"),
        ("pi@board:2222", "root", None, "--user says root", "--host board --user root --port 2222"),
        ("pi@board:22", None, 2222, "--port says 2222", "--host board --user pi --port 2222"),
        ("pi@board:ssh", None, None, "where a port belongs", "--host pi@board --port 22"),
        ("board:ssh", None, None, "“ssh” where a port belongs", "--host board --port 22"),
        ("board:", None, None, "“” where a port belongs", "--host board --port 22"),
        ("[::1]:0", None, None, "“0” where a port belongs", "--host ::1 --port 22"),
        ("board:99999999999", None, None, "where a port belongs", "--host board --port 22"),
        ("@board", None, None, "no user before the @", "--host board"),
    ],
)
def test_what_cannot_be_is_refused_with_the_words_to_write(
    text: str, user: str | None, port: int | None, why: str, remedy: str
) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        given_host(text, user, port)
    assert remedy in caught.value.remedy
