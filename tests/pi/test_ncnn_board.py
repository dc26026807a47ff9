"""ncnn on a board of its own folder, from the export to the benchmark, and the three likeliest mistakes on the way.

In this order: each test goes on where another ended.
"""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from device_agent.strict import to_json
from groupnl_deploy.deploy.wheelhouse import _Manifest, read_wheelhouse
from tests.pi.machine import USER, EmulatedPi
from tests.pi.person import Groupnl, flat
from tests.rigs.made_wheels import make_wheel

pytestmark = pytest.mark.pi

ROOT = f"/home/{USER}/.groupnl-ncnn"
OLD = "1.0.20260526"
SHORT = ["--idle", "0.2", "--warmup", "0.5", "--seconds", "1", "--iterations", "5", "--threads", "1", "--images", "4"]
# An instruction of Armv8.2 (sdot v0.4s, v0.16b, v0.16b) and a return: what a wheel for a newer processor would run.
DIES = """
import ctypes, mmap
page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(bytes.fromhex("0094804ec0035fd6"))
ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
"""


def current(pi: EmulatedPi) -> str:
    return Path(pi.run(f"readlink {ROOT}/current/ncnn").strip()).name


def provisioned(pi: EmulatedPi) -> str:
    """The environment in use."""
    return pi.run(f"readlink {ROOT}/environments/ncnn").strip()


@pytest.fixture(scope="module")
def groupnl_net() -> Path:
    """The folder of the artifact, which the first test exports."""
    return Path("net-ncnn")


def test_a_board_without_it_keeps_what_is_pushed_and_names_the_command(
    pi: EmulatedPi, groupnl: Groupnl, groupnl_net: Path
) -> None:
    fingerprint = pi.run("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub").split()[1]
    where = ["--host", pi.address, "--user", USER, "--identity", pi.identity, "--root", ROOT]
    groupnl("device", "add", "berry", *where, "--fingerprint", fingerprint)
    groupnl("models", "init", "resnet18_cifar", "--conv", "groupnl", "--width", "0.125", "--out", "net")
    groupnl("export", "net", "--format", "ncnn", "--out", groupnl_net)
    provision = "groupnl device provision berry --backend ncnn"
    for words, code in (
        (["push", groupnl_net, "--device", "berry"], 3),
        (["push", groupnl_net, "--device", "berry", "--dry-run"], 3),
        (["bench", "--device", "berry", "--backend", "ncnn", *SHORT], 3),
        (["device", "doctor", "berry"], 1),
    ):
        said = flat(groupnl(*words, code=code))
        assert "ncnn lacks numpy, ncnn" in said and provision in said and "--uncertified" not in said, said


def test_it_is_provisioned_pushed_and_benched_and_no_speed_is_shown(
    pi: EmulatedPi, groupnl: Groupnl, groupnl_net: Path
) -> None:
    groupnl("device", "wheelhouse", "--backend", "ncnn", "--python", "3.11", "--out", "ncnn-wheels")
    said = flat(groupnl("device", "provision", "berry", "--backend", "ncnn", "--offline", "ncnn-wheels"))
    assert re.search(r"berry has ncnn \S+, certified", said)
    said = flat(groupnl("device", "doctor", "berry"))
    assert re.search(r"ncnn \S+ ran on such a board \(rpi4\)", said) and re.search(r"ncnn \S+ loads", said)
    groupnl("push", groupnl_net, "--device", "berry")
    said = flat(groupnl("bench", "--device", "berry", "--backend", "ncnn", *SHORT, "--out", "ncnn-run"))
    assert "Raspberry Pi 4 Model B Rev 1.5 [emulated]" in said and "EMULATED BOARD" in said
    assert "FPS" not in said and "ms)" not in said
    row = json.loads(groupnl("report", "ncnn-run", "--json").stdout)["rows"][0]
    assert row["emulated_board"] is True and row["fps"] is None and row["backend"] == "ncnn"
    assert re.search(r"ncnn 1\.0\.\d+", row["versions"])


def test_layers_of_our_own_run_there_by_the_library_that_a_push_brings(
    pi: EmulatedPi, groupnl: Groupnl, groupnl_net: Path
) -> None:
    """Accepted on all cores, so that they ran on ncnn's own threads too."""
    groupnl("export", "net", "--format", "ncnn", "--optimize", "native", "--out", "net-ncnn-native")
    groupnl("push", "net-ncnn-native", "--device", "berry")
    groupnl("bench", "--device", "berry", "--backend", "ncnn", *SHORT, "--out", "native-run")
    row = json.loads(groupnl("report", "native-run", "--json").stdout)["rows"][0]
    assert (row["instructions"], row["model_file"], row["backend"]) == ("neon", "model.param", "ncnn")
    groupnl("push", groupnl_net, "--device", "berry")


def test_an_older_version_is_told_with_both_and_what_was_accepted_stays(
    pi: EmulatedPi, groupnl: Groupnl, groupnl_net: Path
) -> None:
    before, asked = current(pi), ["--version", OLD, "--uncertified"]
    groupnl("device", "wheelhouse", "--backend", "ncnn", *asked, "--out", "old-wheels")
    said = flat(groupnl("device", "provision", "berry", "--backend", "ncnn", "--offline", "old-wheels", code=2))
    assert "Nobody has run the wheels in old-wheels on rpi4 yet" in said
    groupnl("device", "provision", "berry", "--backend", "ncnn", *asked, "--offline", "old-wheels")
    assert f"ncnn {OLD}: nobody has run it on such a board" in flat(groupnl("device", "doctor", "berry"))
    for words in (["push", groupnl_net, "--device", "berry"], ["bench", groupnl_net, "--device", "berry", *SHORT]):
        said = flat(groupnl(*words, code=3))
        assert f"ncnn {OLD} is too old to read it, and it needs 1.0.20261020 or newer" in said
        assert "device provision" in said and "--backend ncnn" in said
    assert current(pi) == before


def test_a_package_that_dies_there_is_named_and_the_environment_before_it_stays(
    pi: EmulatedPi, groupnl: Groupnl, groupnl_net: Path
) -> None:
    before, folder = provisioned(pi), _dying(Path("ncnn-wheels"))
    words = ["device", "provision", "berry", "--backend", "ncnn", "--uncertified", "--offline", folder]
    said = flat(groupnl(*words, code=1))
    assert "ncnn was installed, and then its import met an instruction that its processor does not have" in said
    assert "Leave --version out" in said and provisioned(pi) == before
    groupnl("device", "provision", "berry", "--backend", "ncnn", "--offline", "ncnn-wheels")
    site = f"{ROOT}/environments/ncnn/lib/python3.11/site-packages/ncnn/__init__.py"
    pi.run(f"cat > {site} <<'END'\n{DIES}\nEND")
    said = flat(groupnl("device", "doctor", "berry", code=1))
    assert "ncnn, which the backend ncnn needs, does not load" in said and "(SIGILL)" in said
    said = flat(groupnl("push", groupnl_net, "--device", "berry", code=4))
    assert "an instruction that its processor does not have while it imported the runtime" in said
    assert "groupnl device provision berry --backend ncnn installs one that is known to work there" in said
    groupnl("device", "provision", "berry", "--backend", "ncnn", "--offline", "ncnn-wheels")
    groupnl("push", groupnl_net, "--device", "berry")
    groupnl("device", "remove", "berry")


def _dying(whole: Path) -> Path:
    """A wheelhouse like this one, whose ncnn is another and dies as it is imported."""
    wheelhouse, folder = read_wheelhouse(whole), Path("dying-wheels")
    folder.mkdir()
    for file in wheelhouse.files:
        (folder / file.name).hardlink_to(file)
    dying = make_wheel(folder, "ncnn", "1.0.20991231", code=DIES)
    wheels = tuple(dying if wheel.package == "ncnn" else wheel for wheel in wheelhouse.set.wheels)
    manifest = _Manifest(replace(wheelhouse.set, wheels=wheels), wheelhouse.pip)
    (folder / "wheelhouse.json").write_text(to_json(manifest))
    return folder
