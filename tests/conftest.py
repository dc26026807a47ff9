"""Fixtures for every test: settings of its own, a small net, and a real OpenSSH server on a loopback port."""

import atexit
import functools
import gc
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
import types
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Before anything imports PyTorch: see groupnl_deploy.cli.entry.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import hypothesis
import pytest
import typer.main
from filelock import FileLock
from hypothesis.internal.conjecture import providers

from exporters.artifact import Artifact, open_artifact
from groupnl_deploy.models.spec import ConvSpec, ModelSpec
from groupnl_deploy.native.libraries import LibraryFile, host_library
from groupnl_deploy.places import cache_dir
from groupnl_deploy.progress import Silence
from groupnl_deploy.remote.device import Device
from groupnl_deploy.report.build import build_report
from groupnl_deploy.report.row import ReportRow
from tests.rigs.openssh_server import KEYS_ALONE, find_sshd, isolate_client, start_sshd

# A shell starts its background jobs with Ctrl-C and Ctrl-\ ignored, and `nohup` what it starts with hang-ups, and so
# would they start ours; this suite may be one.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda number, frame: None)  # ends nothing here, and what we start has the default

# Typer's runner would build the whole command line anew for each command, which takes longer than most of them.
typer.main.get_command = functools.cache(typer.main.get_command)

# No test asserts how long it took: another busy process would fail it. Each run draws other examples, so many runs see
# what few of one run miss; `make test-all` asks for more.
hypothesis.settings.register_profile("here", deadline=None, max_examples=10)
hypothesis.settings.register_profile("more", deadline=None, max_examples=200)
hypothesis.settings.load_profile("here")


@pytest.hookimpl(trylast=True)  # behind the choice of a profile
def pytest_configure() -> None:
    """Hypothesis tries what stands in our sources, too, and reads all of them: five seconds of each worker.

    That is worth it where it draws many examples.
    """
    if hypothesis.settings().max_examples < 100:
        providers._get_local_constants = lambda: providers._local_constants


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """What is imported and collected lives to the end, a million objects that are never looked over for garbage.

    Looking over them again and again takes a tenth of the processor's time; over what tests make, as often as Python
    does by itself, another twentieth.
    """
    gc.disable()
    _share_rewriting(session.config)
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(20_000)
        gc.enable()


def _share_rewriting(config: pytest.Config) -> None:
    """On a fresh checkout each worker rewrites its share of the files before it reads all of them."""
    worker: dict[str, Any] | None = getattr(config, "workerinput", None)
    if worker is None:
        return
    hook: Any = config.pluginmanager.rewrite_hook
    named = [Path(word) for word in config.args if word.endswith(".py")]
    files = sorted(named or Path(__file__).parent.rglob("test_*.py"))
    for path in files[int(worker["workerid"].removeprefix("gw")) :: worker["workercount"]]:
        module = types.ModuleType(f"rewritten_{path.stem}")
        module.__spec__ = importlib.util.spec_from_file_location(module.__name__, path)
        module.__dict__["__builtins__"] = {}  # rewritten and kept, it ends at its first import
        with suppress(ImportError):
            hook.exec_module(module)


# For libraries that look for what is left at the very end. Pytest, too, looks over all for garbage at its own, twice.
atexit.register(gc.unfreeze)


_SSHD_CONFIG = f"""\
Port {{port}}
{{addresses}}
HostKey {{folder}}/host_key
PidFile {{folder}}/sshd.pid
AuthorizedKeysFile {{folder}}/authorized_keys
{KEYS_ALONE}PermitRootLogin prohibit-password
PrintMotd no
MaxSessions 50
LogLevel VERBOSE
SetEnv HOME={{board_home}}
Subsystem sftp internal-sftp -d {{board_home}}
"""


@dataclass(frozen=True)
class OpenSshServer:
    """A running sshd that lets the user who runs the tests in, and a client's home that knows its key."""

    host: str
    port: int
    user: str
    identity: Path
    host_key: Path
    known_hosts: Path
    log: Path
    folder: Path
    board_home: Path
    home: Path
    pid: int

    def device(self, name: str = "board", **changes: Any) -> Device:
        """A device on this server with a root folder of its own; any field can be given."""
        root = self.folder / "roots" / f"{name}-{time.monotonic_ns()}"
        fields: dict[str, Any] = {
            "transport": "ssh",
            "host": self.host,
            "user": self.user,
            "port": self.port,
            "identity": str(self.identity),
            "python": sys.executable,
            "root": str(root),
        }
        return Device(name, **(fields | changes))

    @property
    def known_name(self) -> str:
        """What known_hosts files call it."""
        return f"[{self.host}]:{self.port}"

    @property
    def host_key_line(self) -> str:
        """Its public host key, without the comment."""
        return " ".join(self.host_key.with_suffix(".pub").read_text().split()[:2])


@dataclass(frozen=True)
class Exported:
    """An untrained GroupNL net at a small width: its checkpoint and both of its artifacts."""

    checkpoint: Path
    onnx: Artifact
    torch: Artifact


# Begun last, they would be waited for alone.
LONGEST = (
    "test_the_main_job_over_ssh",
    "test_two_artifacts_are_benched_in_pairs_and_compared",
    "test_every_dead_peer_is_noticed_clean_up_included",
    "test_a_killed_host_is_a_lost_link",
    "test_a_push_that_is_killed[host]",
    "test_a_meter_that_is_pulled_keeps_the_measurements",
    "test_joules_are_those_of_the_load_and_all_of_it_is_kept",
    "test_ctrl_c_keeps_the_measurements_and_stops_the_agent",
    "test_joules_of_a_command_on_a_device",
    "test_a_meter_records_on_while_the_link_is_lost",
    "test_ctrl_c_while_the_meter_is_away_is_an_error_for_a_file_and_none_without",
    "test_ctrl_c_stops_the_device_and_leaves_nothing_half_written",
)


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None, object, object]:
    """The Makefile finds files by "mark.alone". What is left of the tests is dealt to the workers."""
    alone = {item.path for item in items if item.get_closest_marker("alone")}
    unfound = sorted(str(path) for path in alone if "mark.alone" not in path.read_text())
    if unfound:
        raise pytest.UsageError(f"make test would leave these out; write pytest.mark.alone in them: {unfound}")
    try:
        return (yield)
    finally:
        items[:] = dealt(items, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


def dealt(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """The longest at the heads of the workers' shares, which are as many consecutive tests each."""
    longest = sorted((item for item in items if item.name in LONGEST), key=lambda item: LONGEST.index(item.name))
    others, hands = iter([item for item in items if item.name not in LONGEST]), list[pytest.Item]()
    for worker in range(workers):
        share = (len(items) - len(hands)) // (workers - worker)
        hands += longest[worker::workers]
        hands += itertools.islice(others, max(0, share - len(longest[worker::workers])))
    return [*hands, *others]


@pytest.fixture(scope="session")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Made once for all workers; read only."""
    alone = "PYTEST_XDIST_WORKER" not in os.environ
    base = tmp_path_factory.getbasetemp() if alone else tmp_path_factory.getbasetemp().parent
    folder = base / "untrained"
    with FileLock(base / "untrained.lock"):
        if not folder.exists():
            _export_untrained(base / "untrained.part")
            (base / "untrained.part").rename(folder)
    return Exported(folder / "net", open_artifact(folder / "net-onnx"), open_artifact(folder / "net-torch"))


def _export_untrained(folder: Path) -> None:
    # Here, so that PyTorch is imported only where tests need it: not by the process that hands them out, for one.
    from groupnl_deploy.export import export_checkpoint
    from groupnl_deploy.training.checkpoint import initialise_checkpoint, save_checkpoint

    spec = ModelSpec("vgg11_cifar", ConvSpec.preset("groupnl"), width=0.125)
    save_checkpoint(folder / "net", *initialise_checkpoint(spec))
    for format in ("onnx", "torch"):
        export_checkpoint(folder / "net", folder / f"net-{format}", format)


@pytest.fixture
def untrained_copy(untrained: Exported, tmp_path: Path) -> Exported:
    """A copy of one's own, to damage."""
    for source in (untrained.checkpoint, untrained.onnx.directory, untrained.torch.directory):
        shutil.copytree(source, tmp_path / source.name)
    onnx, torch = (open_artifact(tmp_path / name) for name in ("net-onnx", "net-torch"))
    return Exported(tmp_path / "net", onnx, torch)


# What the rules say of a machine that others use, too, as one that runs this suite may be.
NOISE = ("latency tail", "mean latency", "latency drift", "foreign load", "stolen time", "clock")


@pytest.fixture(scope="session")
def sound_but_for_noise() -> Callable[[Path], ReportRow]:
    """The row of a run that nothing is wrong with but that others computed beside it.

    Tests of benchmarks run where other tests run. The rules then rightly call a run invalid, and a test that is not
    about them must not fail for it.
    """

    def check(folder: Path) -> ReportRow:
        row = build_report([folder]).rows[0]
        invalid = [check.rule for check in row.checks if check.verdict == "invalid"]
        assert all(rule.startswith(NOISE) for rule in invalid), row.problems
        assert row.valid == (not invalid)
        return row

    return check


@pytest.fixture(autouse=True)
def _own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the devices and data of the person who runs it."""
    monkeypatch.setenv("GROUPNL_HOME", str(tmp_path / "groupnl-home"))


@pytest.fixture(scope="session")
def native_library() -> LibraryFile:
    """The library of native operators for this machine, built once for all tests; kept where its user would have it."""
    return host_library(Silence())


@pytest.fixture
def native_cache(native_library: LibraryFile) -> Path:
    """The test's own settings find that library, too, so that nothing is built again. Where it is kept."""
    kept = cache_dir() / "native"
    kept.parent.mkdir(parents=True)
    kept.symlink_to(native_library.path.parents[1])
    return kept


@pytest.fixture(scope="session")
def make_key() -> Callable[..., Path]:
    """A new SSH key pair at a path; returns the path."""

    def make(path: Path, passphrase: str = "", kind: str = "ed25519") -> Path:
        strength = ["-b", "2048"] if kind == "rsa" else []  # the default's 3072 bits take seconds to find
        command = ["ssh-keygen", "-q", "-t", kind, *strength, "-N", passphrase, "-C", "test", "-f", str(path)]
        subprocess.run(command, check=True)
        return path

    return make


@pytest.fixture(scope="session")
def openssh_server(
    tmp_path_factory: pytest.TempPathFactory, make_key: Callable[..., Path], sshd_program: str
) -> Iterator[OpenSshServer]:
    """One sshd for the session. Tests take `sshd`, which also gives them the client's home."""
    program, folder = sshd_program, tmp_path_factory.mktemp("openssh")
    board_home = folder / "board-home"
    board_home.mkdir()
    # A login that talks: many do, and nothing of ours may mistake it for a command's output.
    (board_home / ".bashrc").write_text("echo Welcome to the board\n")
    make_key(folder / "host_key")
    identity = make_key(folder / "identity")
    shutil.copy(identity.with_suffix(".pub"), folder / "authorized_keys")
    isolate_client(folder, folder / "client-home")
    addresses = "ListenAddress 127.0.0.1" + ("\nListenAddress ::1" if _has_ipv6() else "")
    child, (port,) = start_sshd(
        program,
        folder,
        lambda ports: _SSHD_CONFIG.format(port=ports[0], addresses=addresses, folder=folder, board_home=board_home),
    )
    try:
        yield _describe(folder, board_home, port, child.pid)
    finally:
        child.terminate()
        child.wait(10)


@pytest.fixture
def sshd(openssh_server: OpenSshServer, monkeypatch: pytest.MonkeyPatch) -> OpenSshServer:
    """The server, with $HOME set to a fresh client's home whose known_hosts has the server's key.

    OpenSSH's client looks for a home in the list of users, whatever $HOME is. So the `ssh` that is found first is one
    that is told where this test's files are; it reads none of the person who runs the tests.
    """
    server = openssh_server
    shutil.rmtree(server.home, ignore_errors=True)
    server.known_hosts.parent.mkdir(parents=True, mode=0o700)
    server.known_hosts.write_text(f"{server.known_name} {server.host_key_line}\n")
    monkeypatch.setenv("HOME", str(server.home))
    monkeypatch.setenv("PATH", str(server.folder / "bin"), prepend=os.pathsep)
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return server


@pytest.fixture(scope="session")
def sshd_program() -> str:
    """OpenSSH's server."""
    if program := find_sshd():
        return program
    reason = "needs a real OpenSSH server: install the package openssh-server"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def _describe(folder: Path, board_home: Path, port: int, pid: int) -> OpenSshServer:
    home = folder / "client-home"
    return OpenSshServer(
        host="127.0.0.1",
        port=port,
        user=pwd.getpwuid(os.getuid()).pw_name,
        identity=folder / "identity",
        host_key=folder / "host_key",
        known_hosts=home / ".ssh" / "known_hosts",
        log=folder / "sshd.log",
        folder=folder,
        board_home=board_home,
        home=home,
        pid=pid,
    )


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Makes a small file system with these options; its folder."""
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small file system")
    made: list[Path] = []

    def mount(options: str) -> Path:
        folder = tmp_path / f"small-{len(made)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"this root may not mount: {done.stderr.strip()}")
        made.append(folder)
        return folder

    yield mount
    for folder in made:
        subprocess.run(["umount", "-l", str(folder)], check=True)
