"""Images answered by the real agent: what is not as it was announced is refused, and the next request is answered."""

import dataclasses
import sys
from pathlib import Path
from types import SimpleNamespace

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from device_agent.answerer import Answerer
from device_agent.errors import BackendFailed
from device_agent.manifest import Preprocessing, TensorInfo
from device_agent.messages.answers import SENT_BYTES, AnswerImages, AnsweringOpened, OpenAnswering, images_at_once
from groupnl_deploy.deploy.push import push_artifact
from groupnl_deploy.errors import DeviceFault, DeviceUnreachable, UsageError, VerificationFailed
from groupnl_deploy.remote.agent import open_agent
from groupnl_deploy.remote.client import AgentClient
from groupnl_deploy.remote.local import LocalTransport
from groupnl_deploy.remote.outputs import array_of

SHAPE = (3, 32, 32)
IMAGE = bytes(3 * 32 * 32)


@pytest.fixture(scope="module")
def root(untrained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("board") / "root"
    with LocalTransport(root, sys.executable, "board") as transport:
        push_artifact(transport, untrained.onnx)
    return root


@pytest.fixture
def agent(root: Path):
    with LocalTransport(root, sys.executable, "board") as transport, open_agent(transport) as agent:
        yield agent


def opening(artifact, **changes: object) -> OpenAnswering:
    wanted = OpenAnswering(f"artifacts/{artifact.sha256}", artifact.sha256, "onnxruntime", 1)
    return dataclasses.replace(wanted, **changes)


def opened(agent: AgentClient, artifact) -> AnsweringOpened:
    agent.take_lock("an evaluation", 5, lambda other: None)
    return agent.ask(opening(artifact))


def answered(agent: AgentClient, count: int, pixels: bytes) -> "np.ndarray":
    agent.send(AnswerImages(count))
    agent.send_bytes([pixels])
    return array_of(agent.answer_to(AnswerImages(count)).logits)


def test_another_number_of_bytes_is_refused_and_what_comes_next_is_answered(agent: AgentClient, untrained) -> None:
    assert opened(agent, untrained.onnx).threads == 1
    most = images_at_once(SHAPE)
    for count, sent, said in ((2, 1, "6,144 bytes, and 3,072"), (1, 2, "more were sent"), (most + 1, 1, "at most 32")):
        with pytest.raises(UsageError, match=said):
            answered(agent, count, sent * IMAGE)
        assert answered(agent, 1, IMAGE).shape == (1, 10)


def test_what_was_sent_ahead_of_a_refusal_is_answered_in_its_order(agent: AgentClient, untrained) -> None:
    opened(agent, untrained.onnx)
    for count, pixels in ((1, IMAGE), (1, IMAGE[1:]), (2, 2 * IMAGE)):
        agent.send(AnswerImages(count))
        # Not by `send_bytes`, which may meet the refusal while it still sends.
        agent.process.send(b"#%d\n%s#0\n" % (len(pixels), pixels))
    assert array_of(agent.answer_to(AnswerImages(1)).logits).shape == (1, 10)
    with pytest.raises(UsageError, match="3,071 were sent"):
        agent.answer_to(AnswerImages(1))
    assert array_of(agent.answer_to(AnswerImages(2)).logits).shape == (2, 10)


def test_a_frame_that_is_none_ends_the_agent_with_a_word(agent: AgentClient, untrained) -> None:
    opened(agent, untrained.onnx)
    agent.send(AnswerImages(1))
    agent.process.send(b"#9999999999999999999999\n")
    with pytest.raises(UsageError, match="which is no length"):
        agent.answer_to(AnswerImages(1))
    assert agent.process.exit_code(10) == 0


def test_nothing_is_opened_without_the_lock_and_nothing_answered_unopened(agent: AgentClient, untrained) -> None:
    with pytest.raises(UsageError, match="lock was not taken before an evaluation"):
        agent.ask(opening(untrained.onnx))
    agent.take_lock("an evaluation", 5, lambda other: None)
    for changes, said in (({"backend": "null"}, "computes no answers"), ({"backend": "pytorch"}, "not onnx")):
        with pytest.raises(UsageError, match=said):
            agent.ask(opening(untrained.onnx, **changes))
    with pytest.raises(UsageError, match="No artifact was opened"):
        answered(agent, 1, IMAGE)


def test_an_artifact_that_was_altered_is_not_opened(agent: AgentClient, untrained, root: Path) -> None:
    agent.take_lock("an evaluation", 5, lambda other: None)
    path = root / "artifacts" / untrained.onnx.sha256 / "model.onnx"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    try:
        with pytest.raises(VerificationFailed):
            agent.ask(opening(untrained.onnx))
    finally:
        path.write_bytes(whole)


def test_an_agent_whose_host_dies_ends_whatever_it_computes(root: Path, untrained) -> None:
    with LocalTransport(root, sys.executable, "board") as transport, open_agent(transport) as agent:
        opened(agent, untrained.onnx)
        for _ in range(8):
            agent.send(AnswerImages(32))
            agent.send_bytes([32 * IMAGE])
        agent.process._child.stdin.close()
        with pytest.raises((DeviceFault, DeviceUnreachable)):
            while True:
                agent.answer_to(AnswerImages(32))
        assert agent.process.exit_code(10) == 0


class Rigged:
    """A backend that adds up pixels, and remembers how many images it was shown at once."""

    def __init__(self, memory: int) -> None:
        self.shown: list[int] = []
        self._memory = memory

    def prepare(self, inputs):
        return inputs["input"]

    def run(self, prepared):
        self.shown.append(len(prepared))
        if len(self.shown) > self._memory:
            raise MemoryError
        return prepared.sum((1, 2, 3), dtype=np.float64)[:, None]

    def outputs(self, result):
        return {"logits": result}


def answerer(shape: tuple[int, int, int], format: str, batch: str, memory: int = 10_000) -> tuple[Answerer, Rigged]:
    how = Preprocessing((0.0,) * shape[0], (1 / 255,) * shape[0])  # the pixels as they are
    outputs = (TensorInfo("logits", (1, 1)),)
    facts = {"inputs": (TensorInfo("input", (1, *shape)),), "outputs": outputs, "format": format, "batch": batch}
    subject = SimpleNamespace(manifest=SimpleNamespace(**facts))
    backend = Rigged(memory)
    return Answerer(backend, subject, how, shape, AnsweringOpened({}, 1)), backend


@given(
    shape=st.tuples(st.sampled_from([1, 3]), st.integers(1, 260), st.integers(1, 260)),
    kind=st.sampled_from([("onnx", "1"), ("onnx", "dynamic"), ("torch", "1")]),
    share=st.floats(0, 1),
)
def test_memory_is_bounded_by_the_shape_and_every_image_has_its_answer(shape, kind, share) -> None:
    one, backend = answerer(shape, *kind)
    count = max(1, min(200, int(share * images_at_once(shape))))
    size = shape[0] * shape[1] * shape[2]
    assert one.bytes_of(count) == count * size <= max(SENT_BYTES, size)
    pixels = np.zeros((count, size), np.uint8)
    pixels[:, 0] = np.arange(count)
    logits = array_of(one.answer(pixels.tobytes(), count).logits)
    np.testing.assert_allclose(logits[:, 0], np.arange(count), atol=1e-3)
    assert sum(backend.shown) == count
    assert max(backend.shown) == 1 or (kind != ("onnx", "1") and max(backend.shown) * size <= 48 << 10)


def test_memory_that_runs_out_is_a_refusal_with_a_remedy() -> None:
    one, _ = answerer(SHAPE, "onnx", "1", memory=1)
    with pytest.raises(BackendFailed, match="out of memory") as caught:
        one.answer(2 * IMAGE, 2)
    assert caught.value.remedy
