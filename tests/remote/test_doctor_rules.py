"""Every check of a doctor over made-up facts: what it finds, how bad that is, and what it says is to be done."""

from dataclasses import replace
from typing import Any

import pytest

from device_agent.machine import Machine
from device_agent.messages.board import BoardFacts
from device_agent.messages.doctor import (
    BackendFound,
    LeftBehind,
    Leftovers,
    OtherAgent,
    PackageTried,
    Readiness,
    Room,
    Runtime,
    Volume,
)
from device_agent.messages.spool import BenchState, State
from groupnl_deploy.deploy.doctor import CHECKS, Diagnosis, findings
from groupnl_deploy.deploy.examined import Examined

PI = Machine("linux", "aarch64", 64, "glibc", "2.36", 0)
BOARD = BoardFacts(
    model="Raspberry Pi 4 Model B Rev 1.4",
    machine="aarch64",
    system="Debian GNU/Linux 12 (bookworm)",
    kernel="6.6.31+rpt-rpi-v8",
    python="3.11.2",
    cores=4,
    memory_total_bytes=3_900_000_000,
    memory_available_bytes=3_400_000_000,
    disk_free_bytes=20_000_000_000,
    governor="performance",
    clock_hz=1.5e9,
    temperature_c=48.3,
    throttled=0,
)
ROOT = "/home/pi/.groupnl"
ROOM = Room("/", "ext4", 20_000_000_000, 1_700_000, 4096, read_only=False)
VOLUME = Volume(ROOT, ROOM, no_exec=False, writable=True)
SYSTEM_PYTHON = "/usr/bin/python3"


def backend(
    name: str, missing: tuple[str, ...] = (), environment: str | None = None, dead: bool = False
) -> BackendFound:
    versions: dict[str, dict[str, str | None]] = {
        "onnxruntime": {"numpy": "2.4.6", "onnxruntime": "1.31.1"},
        "pytorch": {"numpy": "2.4.6", "torch": "2.6.0", "safetensors": "0.5.0"},
        "null": {"numpy": "2.4.6"},
    }
    packages = {package: None if package in missing else version for package, version in versions[name].items()}
    return BackendFound(Runtime(name, environment, "3.11.2", packages), SYSTEM_PYTHON, missing, dead)


def version(text: str) -> BackendFound:
    one = backend("onnxruntime")
    return replace(one, runtime=replace(one.runtime, packages={"numpy": "2.4.6", "onnxruntime": text}))


NO_TORCH = backend("pytorch", missing=("torch", "safetensors"))
NOTHING = (backend("onnxruntime", missing=("numpy", "onnxruntime")), backend("pytorch", missing=("numpy", "torch")))


def pi(**changes: Any) -> Examined:
    """A sound Pi; `changes` are of the fact that has the field."""
    parts: dict[str, Any] = {
        "board": BOARD,
        "room": ROOM,
        "volume": VOLUME,
        "machine": PI,
        "readiness": Readiness(
            PI, BOARD, VOLUME, (backend("onnxruntime"), NO_TORCH), SYSTEM_PYTHON, False, pip_refused=True, clock_s=0.0
        ),
        "examined": Examined("pi", None, ahead_s=0.4, leftovers=Leftovers((), ())),  # type: ignore[arg-type]
    }
    for name, value in changes.items():
        kind = next(kind for kind, fact in parts.items() if name in vars(fact))
        parts[kind] = replace(parts[kind], **{name: value})
    inner = {
        "board": parts["board"],
        "machine": parts["machine"],
        "volume": replace(parts["volume"], room=parts["room"]),
    }
    return replace(parts["examined"], readiness=replace(parts["readiness"], **inner))


def bench(state: State, **facts: Any) -> dict[str, Any]:
    return {"benches": (BenchState("0123456789ab", state, "net", "null", **facts),)}


def tried(package: str, exit_code: int | None, last_words: str = "", version: str | None = None) -> tuple[PackageTried]:
    return (PackageTried("onnxruntime", package, version, exit_code, last_words),)


PROVISION = "groupnl device provision pi --backend onnxruntime"
# What is changed, the check that speaks, how bad it is, words of what it says, words of the remedy.
CASES: list[tuple[dict[str, Any], str, str, str, str]] = [
    ({}, "system", "fine", "Raspberry Pi 4 Model B Rev 1.4, Debian GNU/Linux 12 (bookworm), Python 3.11.2, 64-bit", ""),
    ({"bits": 32}, "system", "note", "32-bit userland", "64-bit Raspberry Pi OS"),
    ({"bits": 32, "backends": NOTHING}, "system", "error", "there is no onnxruntime and no torch for it", "64-bit"),
    ({}, "space", "fine", "20.0 GB free", ""),
    ({"free_bytes": 150_000_000}, "space", "warning", "only 150.0 MB free", "df -h /"),
    ({"free_bytes": 900_000}, "space", "error", "has 900.0 kB free, and 1.0 MB are needed", "sudo apt clean"),
    ({"needed_bytes": 30_000_000_000}, "space", "error", "and 30.0 GB are needed", "df -h /"),
    ({"free_inodes": 0}, "space", "error", "room for 0 more files", "sudo du"),
    ({"free_inodes": 500}, "space", "warning", "room for 500 more files", "sudo du --inodes -xd2 /"),
    ({"read_only": True}, "access", "error", "(mounted at /) is read-only", "remount,rw /"),
    ({"writable": False}, "access", "error", f"may not write in {ROOT}", f'sudo chown -R "$USER" {ROOT}'),
    ({"writable": False}, "access", "error", "may not write", "groupnl device add pi --root DIR"),
    ({"no_exec": True}, "access", "warning", "mounted noexec", "remount,exec /"),
    ({"no_exec": True, "backends": (backend("onnxruntime", environment="x"),)}, "access", "error", "noexec", "exec /"),
    ({}, "memory", "fine", "3.4 GB of 3.9 GB of memory available", ""),
    ({"memory_available_bytes": 90_000_000}, "memory", "warning", "90.0 MB of 3.9 GB", "ps -eo rss,args"),
    ({}, "clock", "fine", "its clock is right", ""),
    ({"ahead_s": 200.0}, "clock", "warning", "3 minutes ahead of this machine's", "timedatectl"),
    ({"ahead_s": -90_000.0}, "clock", "error", "25 hours behind this machine's", "sudo date -s @"),
    ({"ahead_s": -5.05 * 365.25 * 86400}, "clock", "error", "5 years behind", "sudo date -s @"),
    ({}, "power", "fine", "no under-voltage", ""),
    ({"throttled": 0x50005}, "power", "error", "just now the board reports under-voltage, throttling (", "supply"),
    ({"throttled": 0x8}, "power", "error", "reports the soft temperature limit (get_throttled 0x8)", "fan"),
    ({"throttled": 0x70000}, "power", "warning", "has had under-voltage, a capped clock, throttling", "sudo reboot"),
    ({"throttled": 0x90001}, "power", "warning", "has had the soft temperature limit", "sudo reboot"),
    ({}, "temperature", "fine", "48 °C", ""),
    ({}, "certified", "note", "onnxruntime 1.31.1: nobody has run it on such a board (rpi4) yet", PROVISION),
    ({"temperature_c": 82.5}, "temperature", "warning", "at 82 °C", "cool"),
    ({}, "governor", "fine", "performance", ""),
    ({"governor": "ondemand"}, "governor", "note", "the governor is ondemand", "echo performance | sudo tee"),
    ({}, "packages", "fine", "onnxruntime: numpy 2.4.6, onnxruntime 1.31.1, by /usr/bin/python3", ""),
    ({}, "packages", "note", "the backend pytorch lacks torch, safetensors", "--backend pytorch"),
    ({"backends": NOTHING}, "packages", "error", "the backend onnxruntime lacks numpy, onnxruntime", PROVISION),
    (
        {"backends": NOTHING},
        "packages",
        "error",
        "lacks numpy, onnxruntime (looked for by /usr/bin/python3)",
        "PEP 668",
    ),
    ({"backends": NOTHING[:1], "wanted": ("onnxruntime",)}, "packages", "error", "lacks numpy, onnxruntime", PROVISION),
    (
        {"backends": NOTHING, "bits": 32},
        "packages",
        "error",
        "32-bit userland: there is no onnxruntime for it",
        "64-bit",
    ),
    ({"backends": (backend("onnxruntime", dead=True),)}, "packages", "error", "has lost its Python", PROVISION),
    ({"backends": NOTHING, "name": "local"}, "packages", "error", "lacks numpy", "-m pip install numpy onnxruntime`"),
    (
        {"backends": (backend("null", ("numpy",)),), "wanted": ("null",)},
        "packages",
        "error",
        "lacks numpy",
        PROVISION,
    ),
    ({"backends": NOTHING, "libc": "musl"}, "packages", "error", "musl: there is no onnxruntime for it", "glibc"),
    ({"backends": NOTHING, "libc": None}, "packages", "error", "lacks numpy", "-m pip install numpy onnxruntime`"),
    (
        {"backends": (version("1.21.0"),)},
        "certified",
        "warning",
        "is not for such a board: illegal instruction",
        PROVISION,
    ),
    ({"tried": tried("numpy", 0, version="2.4.6")}, "loading", "fine", "numpy 2.4.6 loads", ""),
    (
        {"tried": tried("onnxruntime", 132)},
        "loading",
        "error",
        "its processor does not have (SIGILL)",
        PROVISION,
    ),
    ({"tried": tried("onnxruntime", 139)}, "loading", "error", "crashed inside a library (SIGSEGV)", PROVISION),
    ({"tried": tried("onnxruntime", 137)}, "loading", "error", "its process was killed (SIGKILL)", PROVISION),
    ({"tried": tried("onnxruntime", None)}, "loading", "error", "was not imported within 120 s", PROVISION),
    (
        {"tried": tried("numpy", 1, "Traceback\nImportError: libx.so")},
        "loading",
        "error",
        "ImportError: libx.so",
        PROVISION,
    ),
    ({"leftovers": Leftovers((OtherAgent(77, 40.0),), ())}, "agents", "note", "process 77, for 40 s", ""),
    ({"leftovers": Leftovers((OtherAgent(77, 90_000.0),), ())}, "agents", "warning", "running for 25 h", "kill 77"),
    (
        {"leftovers": Leftovers((), (LeftBehind("upload", 9_000_000, 90_000.0), LeftBehind("part", 1_000_000, 60.0)))},
        "leftovers",
        "warning",
        "1 parts of pushes that never ended take 9.0 MB",
        "The next push",
    ),
    (
        bench("finished", ended_s=5.0),
        "results",
        "note",
        "of net with null ended without its host",
        "--device pi --fetch",
    ),
    (bench("running", left_s=9.0), "results", "note", "without its host, for about 9 s more", "--fetch"),
    (bench("damaged"), "results", "warning", "has a damaged result", "Bench again"),
    (bench("not_kept", why="No space left"), "results", "warning", "refused by the disk: No space left", "Bench again"),
]


def test_a_benchmark_that_its_host_listens_to_is_no_finding() -> None:
    assert [one for one in findings(pi(**bench("running", attached=True))) if one.check == "results"] == []


@pytest.mark.parametrize(("changes", "check", "severity", "says", "remedy"), CASES)
def test_what_a_check_finds(changes: dict[str, Any], check: str, severity: str, says: str, remedy: str) -> None:
    found = [one for one in findings(pi(**changes)) if one.check == check and one.severity == severity]
    assert any(says in one.what and remedy in (one.remedy or "") for one in found), found


def test_every_check_has_a_case_and_a_sound_board_no_worse_than_a_note() -> None:
    assert {check for _, check, *_ in CASES} == {check.name for check in CHECKS}
    sound = findings(pi())
    assert {one.severity for one in sound} == {"fine", "note"}
    assert Diagnosis("pi", sound).exit_code == 0


@pytest.mark.parametrize("changes", [changes for changes, *_ in CASES])
def test_whatever_is_not_fine_has_a_remedy_and_all_are_sentences_without_their_stop(changes: dict[str, Any]) -> None:
    for one in findings(pi(**changes)):
        assert not one.what.endswith(".") and not (one.remedy or "").endswith(".")
        assert one.remedy or one.severity in ("fine", "note"), one


@pytest.mark.parametrize(("severity", "code"), [("warning", 0), ("error", 1)])
def test_the_exit_code_tells_the_worst(severity: str, code: int) -> None:
    bad = next(changes for changes, _, how, *_ in CASES if how == severity)
    assert Diagnosis("pi", findings(pi(**bad))).exit_code == code


def test_a_board_that_tells_little_is_not_accused() -> None:
    """Of a board that is no Raspberry Pi, or a Mac: what it does not tell is no finding."""
    silent = dict.fromkeys(("governor", "temperature_c", "throttled", "memory_available_bytes", "free_inodes"))
    assert {one.check for one in findings(pi(**silent))} == {"system", "space", "clock", "packages", "certified"}
