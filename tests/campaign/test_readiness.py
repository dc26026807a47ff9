"""A campaign asks for device, meter and disk before it trains, and for nothing that its stages do not need."""

import errno
import functools
import socket
import tempfile
import venv
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from device_agent.machine import this_machine
from device_agent.manifest import NativeModel, NativeOperators
from groupnl_deploy.bench.meter import MeterPlan
from groupnl_deploy.campaign import readiness, report_job, sources, train_job
from groupnl_deploy.campaign import run as campaign_run
from groupnl_deploy.campaign.load import load_campaign
from groupnl_deploy.campaign.plan import STAGE_NAMES
from groupnl_deploy.campaign.readiness import DeviceNeeds, Needs, require_ready
from groupnl_deploy.campaign.run import Choice, run_campaign
from groupnl_deploy.cli.exits import explain
from groupnl_deploy.deploy.inventory import add_device, local_device
from groupnl_deploy.errors import DiskFull, InvalidSetting, UsageError
from groupnl_deploy.jobs.quiet import machine_for
from groupnl_deploy.jobs.store import Store
from groupnl_deploy.places import data_dir
from groupnl_deploy.progress import Silence
from groupnl_deploy.remote.device import Device

MODEL = '[[models]]\nlabel = "a"\nmodel = "resnet18_cifar"\nconv = "standard"\nwidth = 0.125\n'
DEAD = Device("dead", "ssh", host="127.0.0.1", port=9, user="nobody")


class TrainingBegan(Exception):
    """So far a campaign may come: everything before was there."""


@pytest.fixture(autouse=True)
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def begin(*_: Any) -> None:
        raise TrainingBegan

    monkeypatch.setattr(train_job, "train_cell", begin)
    monkeypatch.setattr(sources, "departure", lambda *_: None)  # builds whole networks; tested elsewhere
    monkeypatch.setattr(readiness, "DEFAULT_RETRY_S", 0.0)


def run(folder: Path, text: str, last: str = "report") -> None:
    path = folder / "job.toml"
    path.write_text(f'schema_version = 1\nout = "{folder / "out"}"\n[train]\ndataset = "digits"\n{MODEL}{text}')
    run_campaign(load_campaign(path), Silence(), Choice(last=last))


METER = '[bench.meter]\nmeter = "km003c"\nport = "{}"\n'
TROUBLES = [
    ('[push]\ndevice = "dead"\n', 3, "port 9", "push"),
    (METER.format("/dev/no-such-port"), 3, "/dev/no-such-port", "bench"),
    ("[bench.workload]\nthreads = 1024\n", 2, "1024 threads", "bench"),
]


@pytest.mark.parametrize(("text", "code", "words", "needed_from"), TROUBLES)
def test_what_is_missing_shows_before_the_training(
    tmp_path: Path, text: str, code: int, words: str, needed_from: str
) -> None:
    add_device(DEAD)
    with pytest.raises(Exception) as caught:  # which kind is what is tested
        run(tmp_path, text, needed_from)
    said = explain(caught.value)
    assert said.exit_code == code and words in said.message and said.remedy
    assert not (tmp_path / "out" / "checkpoints").exists()


def test_each_stage_asks_for_what_it_and_those_before_it_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Needs] = []
    monkeypatch.setattr(campaign_run, "require_ready", lambda needs, *_: asked.append(needs))
    monkeypatch.setattr(sources, "create_model", functools.cache(sources.create_model))
    for last in STAGE_NAMES:
        with pytest.raises(TrainingBegan):
            run(tmp_path, METER.format("emulator") + "[bench.workload]\nthreads = 1\n", last)
    assert [len(needs.devices) for needs in asked] == [0, 0, 1, 1, 1, 1]  # the fourth evaluates nothing here
    devices = [needs.devices[0] for needs in asked[2:]]
    assert [bool(device.backends) and device.plan is not None for device in devices] == [False, False, True, True]
    assert [device.threads for device in devices] == [0, 0, 1, 1]
    assert len({needs.trained for needs in asked}) == 1
    assert [bool(needs.exported) for needs in asked] == [False, True, True, True, True, True]


def test_with_everything_there_the_training_begins(tmp_path: Path) -> None:
    with pytest.raises(TrainingBegan):
        run(tmp_path, METER.format("emulator"))


@pytest.mark.usefixtures("native_cache")
def test_native_operators_that_the_device_cannot_run_show_too(tmp_path: Path) -> None:
    """With a library for this machine, and a target whose blocks its processor has, training begins; else never."""
    able = "x86" if this_machine().block else "rpi4"
    with pytest.raises(TrainingBegan):
        run(tmp_path, f'[export]\noptimize = "native"\ntarget = "{able}"\n[push]\ndevice = "local"\n')
    blocks = NativeOperators("groupnl.native", 1, {}, (NativeModel("32", 32, "1.15.1"),))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(UsageError, match="The model "):
        patch.setattr(readiness, "_native_for", lambda *_: blocks)
        run(tmp_path, '[export]\noptimize = "native"\ntarget = "rpi4"\n[push]\ndevice = "local"\n')
    assert not (tmp_path / "out" / "checkpoints").exists()


def test_a_python_without_the_packages_is_told_all_that_work(tmp_path: Path) -> None:
    """Debian's own Python refuses pip (PEP 668); the remedy makes an environment, with everything in one line."""
    bare = tmp_path / "bare"
    venv.create(bare, with_pip=False)
    device = Device("board", "local", python=str(bare / "bin" / "python"), root=str(tmp_path / "root"))
    with pytest.raises(Exception, match="lacks numpy, onnxruntime") as caught:
        require_ready(Needs(tmp_path, devices=(DeviceNeeds(device, backends=("onnxruntime",)),)), Silence())
    said = explain(caught.value)
    assert said.exit_code == 3 and "groupnl device provision board --backend onnxruntime" in said.remedy


def test_nothing_is_asked_when_everything_is_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_device(DEAD)
    monkeypatch.setattr(Store, "is_done", lambda self, job: job.kind != "report")
    monkeypatch.setattr(report_job.ReportJob, "make", lambda *_: (_ for _ in ()).throw(TrainingBegan))
    monkeypatch.setattr(report_job.ReportJob, "reads", lambda _: {})
    monkeypatch.setattr(sources, "create_model", None)  # nor is a network built
    monkeypatch.setattr(sources, "departure", None)
    with pytest.raises(TrainingBegan):  # the report, although the device is dead and the meter is none
        run(tmp_path, '[push]\ndevice = "dead"\n' + METER.format("/dev/no-such-port"))


def test_nobody_who_measures_here_is_disturbed_by_the_questions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    def wait(self: Silence, text: str) -> None:
        said.append(text)
        if "measures" in text:
            raise TrainingBegan

    monkeypatch.setattr(Silence, "note", wait)
    machine = data_dir() / "machines" / socket.gethostname()
    with machine_for(True, machine, said.append), pytest.raises(TrainingBegan):
        run(tmp_path, "")
    assert said[-1] == "Another runner measures on this machine; work waits." and len(said) == 2


def test_stamps_of_another_version_are_told_and_what_they_stamped_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(Silence, "note", lambda self, text: said.append(text))
    stamp = tmp_path / "out" / "stamps" / "train-a.json"
    stamp.parent.mkdir(parents=True)
    stamp.write_text('{"identity": "0", "key": "1", "schema_version": 1}')
    product = tmp_path / "out" / "checkpoints" / "a"
    product.mkdir(parents=True)
    monkeypatch.setattr(train_job, "train_cell", lambda cell, out, reporter: out.mkdir())
    monkeypatch.setattr(train_job, "verified_checkpoint_id", lambda folder: "2")
    run(tmp_path, "", last="train")
    assert said[1].startswith("train-a is done again: the stamps in ") and str(tmp_path / "out" / "replaced") in said[1]
    assert len(list((tmp_path / "out" / "replaced").iterdir())) == 1


def test_room_is_asked_for_by_the_size_of_the_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nets = (1_000_000, 500_000)
    needs = Needs(tmp_path / "not" / "there", trained=nets, exported=2 * nets)
    board = DeviceNeeds(local_device(), 2 * nets)
    assert needs.host_bytes == 4 * 1_500_000 * 5 + 4 * 4 * 1_000_000 + 16_000_000
    assert board.disk_bytes == 4 * 1_500_000 * 2 + 4_000_000
    require_ready(needs, Silence())
    monkeypatch.setattr(readiness.shutil, "disk_usage", lambda _: SimpleNamespace(free=61_000_000))
    with pytest.raises(DiskFull, match=r"61\.0 MB free, and this campaign needs about 62\.0 MB"):
        require_ready(needs, Silence())
    monkeypatch.setattr(readiness.shutil, "disk_usage", lambda _: SimpleNamespace(free=62_000_000))
    require_ready(Needs(tmp_path, nets, 2 * nets, (board,)), Silence())
    with pytest.raises(DiskFull, match=r"local: the disk that holds .*, and 4000000000\.0 GB are needed"):
        require_ready(Needs(tmp_path, devices=(DeviceNeeds(local_device(), (10**18,)),)), Silence())


def test_more_threads_than_the_device_has_cores(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting) as caught:
        require_ready(Needs(tmp_path, devices=(DeviceNeeds(local_device(), threads=1024),)), Silence())
    assert "--threads" in caught.value.remedy


def test_the_meter_is_closed_again(tmp_path: Path) -> None:
    for _ in range(2):  # a port that stayed open would be busy
        require_ready(
            Needs(tmp_path, devices=(DeviceNeeds(local_device(), plan=MeterPlan("km003c", "emulator")),)), Silence()
        )


def test_a_folder_that_cannot_be_written_shows_too(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "job", Path("/proc/1/job")):
        with pytest.raises(UsageError, match="Cannot write"):
            require_ready(Needs(out), Silence())


def test_a_place_that_takes_nothing_is_told_and_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"Cannot write .*: not a directory"):
        require_ready(Needs(tmp_path / "file" / "out"), Silence())
    require_ready(Needs(tmp_path / "new" / "out"), Silence())
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_disk_that_has_no_room_is_left_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(DiskFull):
        require_ready(Needs(tmp_path / "new" / "out"), Silence())
    assert list(tmp_path.iterdir()) == []
