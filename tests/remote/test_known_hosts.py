"""known_hosts as OpenSSH reads it: its own `ssh-keygen -F` finds the same lines."""

import base64
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from groupnl_deploy.remote.known_hosts import known_keys, known_name, read_known_keys
from groupnl_deploy.remote.public_key import PublicKey


def _key(seed: int, kind: str = "ssh-ed25519") -> PublicKey:
    parts = (kind.encode(), bytes([seed]) * 32)
    return PublicKey.of(b"".join(len(part).to_bytes(4, "big") + part for part in parts))


_OLD, _NEW, _OTHER, _RSA = _key(1), _key(2), _key(3), _key(4, "ssh-rsa")

# The host field of a line, and whether it means [board.lab]:2222.
_FIELDS = [
    ("[board.lab]:2222", True),
    ("[BOARD.LAB]:2222", True),
    ("[board.lab]:2223", False),
    ("board.lab:2222", False),
    ("*", True),
    ("[*.lab]:2222", True),
    ("[board.???]:2222", True),
    ("[board.??]:2222", False),
    ("other,[board.lab]:*", True),
    ("*,![board.lab]:2222", False),
    ("![other.lab]:2222,*", True),
    ("![other.lab]:2222", False),
    ("[board.la[b]]:2222", False),
    ("other", False),
]


@pytest.mark.parametrize(("field", "means"), _FIELDS)
def test_a_line_means_a_host_or_not(tmp_path: Path, field: str, means: bool) -> None:
    line = f"{field} {_NEW} a comment"
    known = known_keys([line], "[board.lab]:2222")
    assert known.trusted == ((_NEW,) if means else ())
    if program := shutil.which("ssh-keygen"):
        (tmp_path / "known_hosts").write_text(f"{line}\n")
        command = [program, "-F", "[board.lab]:2222", "-f", str(tmp_path / "known_hosts")]
        assert (subprocess.run(command, capture_output=True, check=False).returncode == 0) == means


def test_a_hashed_line(tmp_path: Path) -> None:
    if not (program := shutil.which("ssh-keygen")):
        pytest.skip("needs ssh-keygen: install the package openssh-client")
    file = tmp_path / "known_hosts"
    file.write_text(f"[board.lab]:2222 {_NEW}\nother {_OTHER}\n")
    subprocess.run([program, "-q", "-H", "-f", str(file)], check=True, capture_output=True)
    assert "board" not in file.read_text()
    assert read_known_keys([file], "[board.lab]:2222").trusted == (_NEW,)
    assert read_known_keys([file], "board.lab").trusted == ()
    for damaged in ("|1|", "|1|a|b", f"|1|{base64.b64encode(os.urandom(20)).decode()}", "|2|x|y"):
        assert known_keys([f"{damaged} {_NEW}"], "board.lab").trusted == ()


def test_only_this_hosts_lines_matter() -> None:
    lines = [
        "",
        "# board ssh-ed25519 AAAA",
        "   ",
        "board",
        "@",
        "@revoked",
        "@unheard-of board " + str(_OTHER),
        "other ssh-ed25519 ???",
        f"@cert-authority other {_OTHER}",
        f"@revoked other {_NEW}",
        "board ssh-ed25519 ???",
        "board ssh-ed25519 AAAA",
        f"board ssh-rsa {str(_OTHER).split()[1]}",
        "board 2048 65537 1234567890",
        f"  board\t{_NEW}",
        f"board {_NEW} again",
    ]
    assert known_keys(lines, "board").trusted == (_NEW,)
    assert known_keys(lines, "board").revoked == known_keys(lines, "board").authorities == ()


def test_an_old_key_stands_beside_the_new_one() -> None:
    known = known_keys([f"board {_OLD}", f"board {_NEW}", f"board {_RSA}"], "board")
    assert [known.verdict(key) for key in (_OLD, _NEW, _RSA, _OTHER)] == ["known", "known", "known", "changed"]
    assert known.types == {"ssh-ed25519", "ssh-rsa"}
    assert known_keys([], "board").verdict(_NEW) == "unknown"


def test_what_is_revoked_is_refused_whatever_else_is_said() -> None:
    known = known_keys([f"board {_OLD}", f"@revoked * {_OLD}", f"@cert-authority *.lab,board {_OTHER}"], "board")
    assert known.verdict(_OLD) == "revoked"
    assert known.authorities == (_OTHER,)
    assert known.verdict(_OTHER) == "changed"  # an authority's key is no host's


def test_a_key_that_is_known_at_port_22_will_do_at_another() -> None:
    lines = [f"board {_OLD}", f"[board]:2222 {_NEW}"]
    assert known_name("board", 22) == "board"
    elsewhere = known_keys(lines, known_name("board", 2200), "board")
    assert (elsewhere.verdict(_OLD), elsewhere.verdict(_OTHER)) == ("known", "unknown")
    assert known_keys(lines, "[board]:2222", "board").verdict(_OLD) == "changed"
    assert known_keys(lines, "[board]:2200").verdict(_OLD) == "unknown"  # as with a HostKeyAlias


def test_files_that_are_no_text_or_not_there_say_nothing(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe board ssh-ed25519 ???\n" + f"board {_NEW}\n".encode())
    files = [tmp_path / "missing", tmp_path, tmp_path / "binary"]
    assert read_known_keys(files, "board").trusted == (_NEW,)
