"""An evaluation over a link that breaks, with a real SSH server behind it: no answer is lost, none is given twice."""

import re
import shutil
import sys
from dataclasses import replace

import numpy as np
import psutil
import pytest
import torch

from device_agent.messages.answers import AnswerImages, images_at_once
from exporters.artifact import open_artifact
from groupnl_deploy.deploy.inventory import add_device
from groupnl_deploy.deploy.push import push_and_accept
from groupnl_deploy.errors import DeviceFault, DeviceUnavailable
from groupnl_deploy.evaluation.artifact import artifact_subject
from groupnl_deploy.evaluation.device_answers import _ON_THE_WAY
from groupnl_deploy.evaluation.on_device import device_subject
from groupnl_deploy.progress import Silence
from groupnl_deploy.remote.client import AgentClient
from groupnl_deploy.remote.local import LocalTransport
from tests.remote.weak_link import weak_link

pytestmark = pytest.mark.sshd

SLOW = pytest.mark.slow
AT_ONCE = images_at_once((3, 32, 32))


@pytest.fixture(scope="module")
def pushed(artifacts, tmp_path_factory):
    root = tmp_path_factory.mktemp("pushed") / "root"
    with LocalTransport(root, sys.executable, "board") as transport:
        push_and_accept(transport, open_artifact(artifacts["onnx", "1"]))
    return root


class Board(Silence):
    """A device behind a link that can be broken, and somebody who mends that where it is tried again."""

    def __init__(self, sshd, link, pushed):
        self.link, self.device, self.said, self.mends = link, sshd.device(port=link.port), [], True
        with sshd.known_hosts.open("a") as known:
            known.write(f"[{sshd.host}]:{link.port} {sshd.host_key_line}\n")
        add_device(self.device)
        shutil.copytree(pushed, self.device.root, symlinks=True)

    def note(self, text):
        self.said.append(text)
        if "trying again" in text and self.mends:
            self.link.mend()

    def agents(self):
        """Those that run; the shells that started them name the folder, too, but not as their program."""
        started = [(one, one.info["cmdline"] or [""]) for one in psutil.process_iter(["cmdline"])]
        return [one for one, words in started if words[-1].startswith(f"{self.device.root}/agents/")]


@pytest.fixture
def board(sshd, pushed):
    with weak_link(sshd.port) as link:
        board = Board(sshd, link, pushed)
        yield board
        assert psutil.wait_procs(board.agents(), timeout=60)[1] == [], "agents whose host is gone"


@pytest.fixture(scope="module")
def pixels():
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (20 * AT_ONCE, 3, 32, 32), dtype=np.uint8))


def cut_after(stream, parts, act):
    """All logits; behind so many parts something happens."""
    found = []
    for number, logits in enumerate(stream, 1):
        found.append(logits)
        if number == parts:
            act()
    return torch.cat(found)


def parts_answered(message):
    """Of how many requests the answers had come before the link was lost."""
    parts, rest = divmod(int(re.search(r"(\d+) images had been answered", message)[1]), AT_ONCE)
    assert rest == 0
    return parts


@pytest.mark.parametrize(
    ("transport", "how"),
    [
        ("ssh", "reset"),
        pytest.param("openssh", "reset", marks=SLOW),
        pytest.param("ssh", "silent", marks=SLOW),
        pytest.param("openssh", "silent", marks=SLOW),
    ],
)
def test_a_cut_in_the_middle_costs_a_note(board, artifacts, pixels, transport, how):
    name = "board"
    if transport != "ssh":
        name = "other"
        add_device(replace(board.device, name=name, transport=transport))
    folder = artifacts["onnx", "1"]
    with device_subject(folder, name, board).answering() as answer:
        found = cut_after(answer.of_each(iter(torch.split(pixels, 256))), 3, lambda: board.link.cut(how))
    with artifact_subject(folder, Silence()).answering() as answer:
        assert torch.equal(found, answer(pixels))
    assert sum("trying again" in one for one in board.said) >= 1


def test_a_link_that_does_not_come_back_says_how_far_it_was_and_the_next_command_goes_on(
    board, artifacts, pixels, monkeypatch
):
    board.mends, folder = False, artifacts["onnx", "1"]
    subject = device_subject(folder, "board", board, retry_for_s=0.5)
    with pytest.raises(DeviceUnavailable) as caught, subject.answering() as answer:
        cut_after(answer.of_each(iter([pixels])), 3, lambda: board.link.cut("reset"))
    parts = parts_answered(caught.value.message)
    assert 3 <= parts < 3 + _ON_THE_WAY, "those that were on the way at the cut may have come already"
    assert "goes on from there" in caught.value.remedy
    board.link.mend()
    sent, send = [], AgentClient.send
    monkeypatch.setattr(AgentClient, "send", lambda self, *messages: (sent.extend(messages), send(self, *messages)))
    with device_subject(folder, "board", board).answering() as answer:
        found = answer(pixels)
    assert sum(isinstance(one, AnswerImages) for one in sent) == 20 - parts
    assert sum(f"has answered {parts * AT_ONCE} images before" in one for one in board.said) == 1
    with artifact_subject(folder, Silence()).answering() as answer:
        assert torch.equal(found, answer(pixels))
    sent.clear()
    with device_subject(folder, "board", board).answering() as answer:
        answer(pixels)
    assert sum(isinstance(one, AnswerImages) for one in sent) == 20, "what came to its end is asked anew"


@SLOW
def test_an_agent_that_was_killed_is_no_lost_link(board, artifacts, pixels):
    """What killed it, such as want of memory, would kill the next one too."""
    subject = device_subject(artifacts["onnx", "1"], "board", board)
    with pytest.raises(DeviceFault, match="was killed"), subject.answering() as answer:
        cut_after(answer.of_each(iter([pixels])), 3, lambda: [one.kill() for one in board.agents()])
    assert not any("trying again" in one for one in board.said)
