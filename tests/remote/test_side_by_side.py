"""Work on several devices at once, by itself: how many at a time, what Ctrl-C does, what names and codes mean."""

import os
import signal
import threading
import time
from dataclasses import dataclass, field

import pytest

from groupnl_deploy import interrupt
from groupnl_deploy.cli.exits import gravest
from groupnl_deploy.deploy import side_by_side as side_by_side_module
from groupnl_deploy.deploy.devices_file import Inventory, change_inventory
from groupnl_deploy.deploy.inventory import add_device, add_to_group
from groupnl_deploy.deploy.named_devices import named_devices
from groupnl_deploy.deploy.side_by_side import side_by_side
from groupnl_deploy.errors import UsageError
from groupnl_deploy.remote.device import Device
from groupnl_deploy.words import naming


@dataclass
class Counted:
    """A step that sees how many others are at work."""

    at_work: list[int]
    most: list[int]
    is_connected: bool = False

    def __call__(self) -> int:
        self.at_work.append(1)
        self.most.append(len(self.at_work))
        time.sleep(0.01)
        self.at_work.pop()
        return len(self.most)


@pytest.mark.parametrize(("jobs", "most"), [(1, 1), (3, 3), (99, 6)])
def test_so_many_at_a_time_and_the_results_in_order(jobs: int, most: int) -> None:
    steps, told = [Counted([], []) for _ in range(6)], list[int]()
    shared = Counted([], [])
    for step in steps:
        step.at_work, step.most = shared.at_work, shared.most
    done = side_by_side(steps, jobs, told.append)
    assert not done.stopped and len(done.results) == 6 and sorted(told) == sorted(filter(None, done.results))
    assert max(shared.most) <= most and (jobs > 1 or max(shared.most) == 1)


@dataclass
class Endless:
    """A step that waits until Ctrl-C ends it, and then has something to undo; one that seeks its device has not."""

    is_connected: bool
    begun: threading.Event = field(default_factory=threading.Event)
    answered: threading.Event = field(default_factory=threading.Event)
    undo_s: float = 0.1
    undone: bool = False

    def __call__(self) -> str:
        try:
            self.begun.set()
            while True:
                self.answered.wait(0.01 if self.is_connected else None)
        except KeyboardInterrupt:
            time.sleep(self.undo_s)
            self.undone, self.is_connected = True, False
            return "stopped"


def test_ctrl_c_is_met_by_all_that_is_at_work_and_nothing_else_begins() -> None:
    at_work, seeking, later = [Endless(True, undo_s=0.5), Endless(True)], Endless(False), Endless(True)

    def interrupt() -> None:
        for step in (*at_work, seeking):
            step.begun.wait(10)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    done = side_by_side([*at_work, seeking, later], 3, lambda result: None)
    assert done.stopped and done.results == ("stopped", "stopped", None, None)
    assert all(step.undone for step in at_work) and not later.begun.is_set()
    seeking.answered.set()
    for thread in threading.enumerate():
        if thread.name.startswith("side by side"):
            thread.join(10)
            assert not thread.is_alive()


def test_ctrl_c_that_another_thread_has_met_comes_again_and_without_a_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before Python 3.12 a thread that is just being started has its starter's number."""
    step, began = Endless(True), threading.Event()

    def young() -> None:
        began.set()
        while True:
            time.sleep(0.01)

    stranger = threading.Thread(target=young, daemon=True)
    real, hit = interrupt.interrupt_thread, list[threading.Thread]()

    def misses_once(thread: threading.Thread) -> None:
        hit.append(thread)
        real(stranger if len(hit) == 1 else thread)

    monkeypatch.setattr(side_by_side_module, "interrupt_thread", misses_once)

    def strike() -> None:
        stranger.start()
        assert step.begun.wait(10) and began.wait(10)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=strike).start()
    done = side_by_side([step], 1, lambda result: None)
    stranger.join(10)
    assert not stranger.is_alive() and step.undone and done.results == ("stopped",)
    assert capsys.readouterr().err == ""


def test_what_is_told_and_fails_is_raised_when_the_others_have_ended() -> None:
    def tell(result: int) -> None:
        raise BrokenPipeError

    shared = Counted([], [])
    with pytest.raises(BrokenPipeError):
        side_by_side([shared] * 5, 2, tell)
    assert not shared.at_work and len(shared.most) < 5


@pytest.mark.parametrize(
    ("codes", "word"), [((), 0), ((0, 0), 0), ((1, 3, 0), 3), ((3, 4, 1, 2), 4), ((2, 1), 1), ((2, 0), 2), ((6, 3), 6)]
)
def test_the_gravest_has_the_word(codes: tuple[int, ...], word: int) -> None:
    assert gravest(codes) == word


@pytest.fixture
def known() -> None:
    for name in ("pi", "pi2", "pi3"):
        add_device(Device(name, "auto", host=name))
    add_to_group("lab", ["pi2", "local"])
    add_to_group("all", ["pi", "pi2", "pi3"])


def test_each_device_once_in_the_order_of_its_first_name(known: None) -> None:
    found = named_devices(["pi3", "pi3"], ["lab", "all"])
    assert [device.name for device in found] == ["pi3", "pi2", "local", "pi"]


@pytest.mark.parametrize(
    ("names", "groups", "words"),
    [
        ([], [], ["No device was named", "--group NAME"]),
        (["pi4"], [], ["no device “pi4”", "known ones are local, pi, pi2, pi3", "device add pi4"]),
        ([], ["lap"], ["no group “lap”", "“lab”"]),
        (["pi", "x", "y"], ["lap"], ["no device “x” and no “y”", "no group “lap” (did you mean “lab”?)"]),
        (["pi,pi2", "lab"], [], ["no device “pi,pi2”", "--device pi --device pi2", "“lab” is a group: --group lab"]),
        ([], ["lab,pi3,pi9"], ["no group “lab,pi3,pi9”", "--group lab --device pi3 --group pi9"]),
        ([], ["pi3"], ["no group “pi3”", "“pi3” is a device: --device pi3"]),
        (["pi"], ["none"], ["group “none” has no device", "groupnl device group none"]),
    ],
)
def test_a_wrong_name_is_refused_with_the_known_ones(
    known: None, names: list[str], groups: list[str], words: list[str]
) -> None:
    def add_empty(inventory: Inventory) -> Inventory:
        return Inventory(inventory.devices, inventory.facts, {**inventory.groups, "none": ()})

    change_inventory(add_empty)
    with pytest.raises(UsageError) as caught:
        named_devices(names, groups)
    assert all(word in f"{caught.value.message} {caught.value.remedy}" for word in words), caught.value


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("pi: the disk is full.", True),
        ("pi@10.0.0.1, port 22 (pi) refused us.", True),
        ("The connection to pi broke.", True),
        ("The agent on “pi” ended.", True),
        ("pi@10.0.0.1 refused us.", False),
        ("/home/pi/key does not exist.", False),
        ("pi3 is busy; pi-2 and pi.local are not.", False),
    ],
)
def test_a_device_is_named_once(text: str, named: bool) -> None:
    assert naming("pi", text) == (text if named else f"pi: {text}")
