"""A device answers images as this machine does, logit by logit."""

import shutil
import sys
import venv
from pathlib import Path

import numpy as np
import pytest
import torch

from device_agent.messages.answers import images_at_once
from exporters.artifact import open_artifact
from groupnl_deploy.deploy.inventory import add_device, get_device
from groupnl_deploy.deploy.push import push_and_accept
from groupnl_deploy.errors import DeviceBusy, DeviceUnreachable, UsageError
from groupnl_deploy.evaluation.artifact import artifact_subject
from groupnl_deploy.evaluation.on_device import device_subject
from groupnl_deploy.images.datasets import load_dataset
from groupnl_deploy.images.source import DataSource
from groupnl_deploy.progress import Silence
from groupnl_deploy.remote.agent import reached
from groupnl_deploy.remote.local import LocalTransport
from groupnl_deploy.remote.waiting import take_lock
from groupnl_deploy.training.evaluate import EvaluationImages, ask
from tests.rigs.openvino_here import NEEDS_OPENVINO


class Listener(Silence):
    """Remembers what is said."""

    def __init__(self):
        self.said = []

    def note(self, text):
        self.said.append(text)


@pytest.fixture(scope="module")
def pushed(artifacts, tmp_path_factory):
    """The folder of a device that has the artifact."""
    root = tmp_path_factory.mktemp("pushed") / "root"
    with LocalTransport(root, sys.executable, "local") as transport:
        push_and_accept(transport, open_artifact(artifacts["onnx", "1"]))
    return root


@pytest.fixture
def has_it(pushed):
    """This machine's own device has the artifact."""
    shutil.copytree(pushed, get_device("local").root, symlinks=True)


@pytest.fixture(scope="module")
def pixels():
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (300, 3, 32, 32), dtype=np.uint8))


def here(folder, pixels):
    with artifact_subject(folder, Silence()).answering() as answer:
        return answer(pixels)


def test_each_logit_is_the_one_of_this_machine(artifacts, pixels):
    listener = Listener()
    subject = device_subject(artifacts["onnx", "1"], "local", listener, threads=1)
    assert sum("pushed first" in one for one in listener.said) == 1
    assert (subject.kind, subject.label.endswith(", device local")) == ("device", True)
    with subject.answering() as answer:
        found = answer(pixels)
        few = answer(pixels[:1])
    assert torch.equal(found, here(artifacts["onnx", "1"], pixels)) and found.shape == (300, 3)
    assert torch.equal(few, found[:1])
    device_subject(artifacts["onnx", "1"], "local", listener)
    assert sum("pushed first" in one for one in listener.said) == 1


@pytest.mark.parametrize(
    ("kind", "backend"),
    [
        (("onnx", "dynamic"), None),
        pytest.param(("onnx", "dynamic"), "openvino", marks=NEEDS_OPENVINO),
        (("torch", "1"), None),
        (("ncnn", "1"), None),
    ],
)
@pytest.mark.slow
def test_other_runtimes_one_image_at_a_time_or_several_answer_alike(artifacts, pixels, kind, backend):
    with device_subject(artifacts[kind], "local", Silence(), backend=backend, threads=1).answering() as answer:
        found = answer(pixels)
    own = here(artifacts[kind], pixels)
    torch.testing.assert_close(found, own, atol=1e-5, rtol=1e-4)
    assert torch.equal(found.argmax(1), own.argmax(1))


@pytest.mark.slow
@pytest.mark.usefixtures("has_it")
def test_an_evaluation_there_is_the_one_of_here(net, artifacts):
    data = load_dataset(DataSource("folder", str(net.pictures), (3, 32, 32)), 0, Silence())
    images, told = EvaluationImages.of_all(data.test, data.class_names, data.input_shape), []
    with artifact_subject(artifacts["onnx", "1"], Silence()).answering() as answer:
        own = ask(answer, images)
    with device_subject(artifacts["onnx", "1"], "local", Silence()).answering() as answer:
        assert ask(answer, images, batch_size=5, tell=lambda *how_far: told.append(how_far)).confusion == own.confusion
    assert told[-1] == (12, 12)


@pytest.mark.usefixtures("has_it")
@pytest.mark.slow
def test_more_is_on_its_way_while_the_device_computes(artifacts, pixels):
    """With nothing ahead the device would wait for the link behind each batch."""
    at_once, taken = images_at_once((3, 32, 32)), []

    def batches():
        for part in torch.split(pixels, at_once):
            taken.append(len(part))
            yield part

    with device_subject(artifacts["onnx", "1"], "local", Silence()).answering() as answer:
        stream = answer.of_each(batches())
        assert len(next(stream)) == at_once
        assert 1 < len(taken) <= 8, "a few, and no more than the board has room for"
        stream.close()  # its other answers are nobody's
        assert torch.equal(answer(pixels[-3:]), here(artifacts["onnx", "1"], pixels[-3:]))


@pytest.mark.slow
@pytest.mark.usefixtures("has_it")
def test_others_wait_for_it_and_are_told_for_what(artifacts, pixels):
    with device_subject(artifacts["onnx", "1"], "local", Silence()).answering():
        device = get_device("local")
        with reached(device) as agent, pytest.raises(DeviceBusy, match="an evaluation of vgg11_cifar") as caught:
            take_lock(agent, "local", "a benchmark", 0, lambda text: None)
        assert "--wait" in caught.value.remedy
    with reached(device) as agent:
        take_lock(agent, "local", "a benchmark", 0, lambda text: None)
        busy = device_subject(artifacts["onnx", "1"], "local", Silence(), wait_s=0)
        with pytest.raises(DeviceBusy, match="a benchmark"), busy.answering():
            pass


def test_what_cannot_be_evaluated_there_is_refused_before_anything_is_sent(artifacts, net, untrained):
    for folder, said in ((net.checkpoint, "is no artifact but a checkpoint"), (untrained.onnx.directory, "untrained")):
        with pytest.raises(UsageError, match=said):
            device_subject(folder, "local", Silence())
    for backend, said in (("null", "computes nothing"), ("pytorch", "cannot run"), ("onyx", "no backend “onyx”")):
        with pytest.raises(UsageError, match=said):
            device_subject(artifacts["onnx", "1"], "local", Silence(), backend=backend)
    with pytest.raises(UsageError, match="no device “pie”"):
        device_subject(artifacts["onnx", "1"], "pie", Silence())
    assert not Path(get_device("local").root).exists()


@pytest.mark.slow
@pytest.mark.usefixtures("has_it")
def test_more_threads_than_cores_are_refused(artifacts):
    subject = device_subject(artifacts["onnx", "1"], "local", Silence(), threads=1000)
    with pytest.raises(UsageError, match="1000 threads were asked for"), subject.answering():
        pass


@pytest.mark.sshd
def test_what_is_missing_on_a_device_is_said_before_anything_is_sent(sshd, artifacts, tmp_path):
    venv.create(tmp_path / "bare", with_pip=False)
    board = sshd.device(python=str(tmp_path / "bare" / "bin" / "python"))
    add_device(board)
    with pytest.raises(DeviceUnreachable, match="lacks numpy, onnxruntime") as caught:
        device_subject(artifacts["onnx", "1"], "board", Silence())
    assert "groupnl device provision board --backend onnxruntime" in caught.value.remedy
    assert not (Path(board.root) / "artifacts").exists()
