"""The user's devices: what is stored, what is refused, and where."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from groupnl_deploy.deploy.devices_file import DeviceFacts, devices_file
from groupnl_deploy.deploy.inventory import (
    add_device,
    add_to_group,
    facts_of,
    get_device,
    group_devices,
    keep_facts,
    load_devices,
    load_groups,
    remove_device,
    remove_from_group,
)
from groupnl_deploy.deploy.named_devices import one_device
from groupnl_deploy.errors import UsageError
from groupnl_deploy.places import config_dir, data_dir
from groupnl_deploy.remote.connect import connect
from groupnl_deploy.remote.device import Device
from groupnl_deploy.remote.local import LocalTransport

_PI = Device("pi", "auto", host="raspberrypi.local", user="pi")
_FACTS = DeviceFacts(
    probed_at="2026-11-27T10:00:00+00:00",
    model="Raspberry Pi 4 Model B Rev 1.4",
    system="Debian GNU/Linux 12 (bookworm)",
    kernel="6.6.31+rpt-rpi-v8",
    machine="aarch64",
    bits=64,
    libc="glibc",
    libc_version="2.36",
    python="3.11.2",
    cores=4,
    memory_total_bytes=3_981_246_464,
    disk_free_bytes=22_000_000_000,
)


def test_local_is_always_there() -> None:
    assert [device.name for device in load_devices()] == ["local"]
    local = get_device("local")
    assert (local.transport, local.python) == ("local", sys.executable)
    assert Path(local.root) == data_dir() / "local-device"


def test_what_is_added_comes_back_and_goes() -> None:
    board = Device("board", "openssh", host="10.0.0.7", port=2222, identity="~/.ssh/board", host_key="ssh-rsa AAAA")
    board = replace(board, python="~/env/bin/python", root="~/ours")
    assert add_device(_PI) == _PI
    add_device(board)
    # Commands start in the home folder there, and a quoted tilde would mean nothing to the shell.
    board = replace(board, python="env/bin/python", root="ours")
    assert load_devices()[1:] == (_PI, board)
    assert get_device("board") == board
    remove_device("pi")
    assert load_devices()[1:] == (board,)
    assert [file.name for file in config_dir().iterdir()] == ["devices.json"]


def test_the_file_has_a_schema_version() -> None:
    add_device(_PI)
    stored = json.loads(devices_file().read_text())
    assert stored["schema_version"] == 2
    assert stored["devices"][0]["host"] == "raspberrypi.local"


def test_schema_1_is_read_and_becomes_schema_2_at_the_next_change() -> None:
    devices_file().parent.mkdir(parents=True)
    old = {"name": "old", "transport": "ssh", "host": "h", "user": None, "port": None, "identity": None}
    content = json.dumps({"schema_version": 1, "devices": [{**old, "python": "python3", "root": ".groupnl"}]})
    devices_file().write_text(content)
    assert load_devices()[1:] == (Device("old", "auto", host="h"),)
    assert devices_file().read_text() == content
    add_device(_PI)
    assert [device.name for device in load_devices()] == ["local", "old", "pi"]
    assert json.loads(devices_file().read_text())["schema_version"] == 2


def test_facts_are_kept_with_the_device_and_go_with_it() -> None:
    add_device(_PI, _FACTS)
    add_device(replace(_PI, name="pi2"))
    assert (facts_of("pi"), facts_of("pi2"), facts_of("local")) == (_FACTS, None, None)
    newer = replace(_FACTS, probed_at="2026-11-28T10:00:00+00:00")
    keep_facts("pi", newer)
    assert facts_of("pi") == newer
    remove_device("pi")
    assert facts_of("pi") is None and len(load_devices()) == 2


def test_groups_hold_devices_once_and_are_gone_with_their_last() -> None:
    add_device(_PI, groups=("lab",))
    add_device(replace(_PI, name="pi2"))
    add_to_group("lab", ["pi2", "pi", "local"])
    add_to_group("shelf", ["pi2"])
    assert load_groups() == {"lab": ("pi", "pi2", "local"), "shelf": ("pi2",)}
    assert [device.name for device in group_devices("lab")] == ["pi", "pi2", "local"]
    remove_from_group("lab", ["pi"])
    remove_device("pi2")
    assert load_groups() == {"lab": ("local",)}
    remove_from_group("lab", [])
    assert load_groups() == {}


def test_groups_of_what_is_not_there_are_refused() -> None:
    add_device(_PI, groups=("lab",))
    before = devices_file().read_bytes()
    for use, why in (
        (lambda: add_to_group("lab", ["pie"]), "no device “pie”"),
        (lambda: add_to_group("a/b", ["pi"]), "cannot be called “a/b”"),
        (lambda: remove_from_group("lab", ["local"]), "“local” is not in the group “lab”; in it are pi"),
        (lambda: group_devices("lap"), "no group “lap”; known are lab"),
    ):
        with pytest.raises(UsageError, match=why):
            use()
    assert devices_file().read_bytes() == before


def test_devices_added_at_once_are_all_there() -> None:
    code = "import sys\nfrom groupnl_deploy.deploy import inventory\nfrom groupnl_deploy.remote.device import Device\n"
    code += "for one in range(10): inventory.add_device(Device(f'{sys.argv[1]}{one}', 'auto', host='h'))"
    started = [subprocess.Popen([sys.executable, "-c", code, name], cwd=Path(__file__).parents[2]) for name in "abc"]
    assert [child.wait() for child in started] == [0, 0, 0]
    assert len(load_devices()) == 31


def test_a_relative_identity_is_kept_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    stored = add_device(Device("pi", "ssh", host="h", identity="keys/board"))
    assert stored.identity == str(tmp_path / "keys" / "board")
    assert get_device("pi") == stored


def test_an_unknown_name_names_the_known_and_the_nearest() -> None:
    add_device(_PI)
    with pytest.raises(UsageError, match=r"no device “pj”; the known ones are local, pi. Did you mean “pi”") as caught:
        get_device("pj")
    assert "groupnl device add pj" in caught.value.remedy
    with pytest.raises(UsageError, match=r"no device “lokal”.*“local”"):
        remove_device("lokal")


@pytest.mark.parametrize(
    ("device", "why"),
    [
        (Device("local", "ssh", host="h"), "reserved"),
        (Device("", "ssh", host="h"), "begins with a letter"),
        (Device("-x", "ssh", host="h"), "begins with a letter"),
        (Device("a/b", "ssh", host="h"), "begins with a letter"),
        (Device("x" * 65, "ssh", host="h"), "64 letters"),
        (Device("pi", "local"), "only SSH"),
        (Device("pi", "ssh"), "not a host name"),
        (Device("pi", "ssh", host="-oProxyCommand=x"), "not a host name"),
        (Device("pi", "ssh", host="pi@board"), "--user"),
        (Device("pi", "ssh", host="h", user="a b"), "not a user name"),
        (Device("pi", "ssh", host="h", port=0), "not a port"),
        (Device("pi", "ssh", host="h", port=70000), "not a port"),
        (Device("pi", "ssh", host="h", python=" "), "Python is empty"),
        (Device("pi", "ssh", host="h", root=""), "root folder is empty"),
        (Device("pi", "ssh", host="h", root="/"), "no folder of groupnl's own"),
        (Device("pi", "ssh", host="h", root="~/"), "no folder of groupnl's own"),
        (Device("pi", "ssh", host="h", root="a\nb"), "cannot be printed"),
    ],
)
def test_what_is_no_device_is_refused(device: Device, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        add_device(device)
    assert not devices_file().exists()


def test_a_name_is_given_once() -> None:
    add_device(_PI)
    with pytest.raises(UsageError, match="already a device named “pi”"):
        add_device(_PI)


def test_local_cannot_be_removed() -> None:
    with pytest.raises(UsageError, match="cannot be removed"):
        remove_device("local")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"{", "not valid JSON"),
        (b"\xff", "not valid JSON"),
        (b"[]", "expected a table"),
        (b'{"schema_version": 3, "devices": []}', "schema_version 3"),
        (b'{"devices": []}', "missing key “schema_version”"),
        (b'{"schema_version": 2, "devices": [], "groups": {"lab": ["pi"]}}', "group “lab”: there is no device “pi”"),
        (b'{"schema_version": 2, "groups": {"lab": ["local", "local"]}}', "each device once"),
        (b'{"schema_version": 1, "devices": [{"name": "pi", "transport": "serial"}]}', "serial"),
        (b'{"schema_version": 1, "devices": [{"name": "pi", "transport": "ssh", "hots": "h"}]}', "hots"),
        (b'{"schema_version": 1, "devices": [{"name": "pi", "transport": "ssh"}]}', "not a host name"),
        (b'{"schema_version": 1, "devices": [' + b'{"name":"a","transport":"ssh","host":"h"},' * 2, "not valid"),
    ],
)
def test_a_damaged_file_is_named(content: bytes, why: str) -> None:
    devices_file().parent.mkdir(parents=True)
    devices_file().write_bytes(content)
    for use in (load_devices, lambda: add_device(_PI)):
        with pytest.raises(UsageError, match=why) as caught:
            use()
        assert str(devices_file()) in caught.value.message
    assert devices_file().read_bytes() == content


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GROUPNL_HOME", str(tmp_path / "file" / "below"))
    with pytest.raises(UsageError, match="cannot be"):
        add_device(_PI)


def test_where_things_live_without_groupnl_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GROUPNL_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", "relative/is/ignored")
    assert config_dir() == tmp_path / ".config" / "groupnl"
    assert data_dir() == tmp_path / ".local" / "share" / "groupnl"
    monkeypatch.setenv("XDG_CONFIG_HOME", "/etc/xdg")
    monkeypatch.setenv("XDG_DATA_HOME", "/srv/data")
    assert (config_dir(), data_dir()) == (Path("/etc/xdg/groupnl"), Path("/srv/data/groupnl"))


def test_local_connects_in_its_own_folder() -> None:
    with connect(get_device("local")) as transport:
        assert isinstance(transport, LocalTransport)
        assert transport.root == str(data_dir() / "local-device")


def test_paramiko_is_imported_for_ssh_devices_alone() -> None:
    code = (
        "import sys\nfrom groupnl_deploy.deploy.inventory import get_device\n"
        "from groupnl_deploy.remote.connect import connect\n"
        "connect(get_device('local')).close()\nassert 'paramiko' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_a_group_in_place_of_a_device_is_told_with_its_devices() -> None:
    add_device(_PI)
    add_to_group("lab", ["local", "pi"])
    with pytest.raises(UsageError, match="“lab” is a group") as caught:
        get_device("lab")
    assert "local, pi" in caught.value.remedy


def test_a_command_for_one_device_refuses_several() -> None:
    assert one_device("bench", ["local", "local"]).name == "local"
    with pytest.raises(UsageError, match="takes one device, and 2 were named: local, pi") as caught:
        one_device("bench", ["local", "pi"])
    assert "groupnl bench --device local" in caught.value.remedy
    with pytest.raises(UsageError) as caught:
        one_device("power run", ["local", "pi"])
    assert "groupnl power run --device local" in caught.value.remedy, "each word is one of the shell's"
