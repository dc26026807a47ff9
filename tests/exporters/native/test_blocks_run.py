"""Native graphs in blocks as they are run: by this machine's library and runtime, and by those of an emulated AVX2."""

import shutil
import subprocess
import sys
from functools import partial

import numpy as np
import onnx_ir as ir
import pytest

from device_agent.machine import this_machine
from device_agent.native import register
from exporters.native.blocked import in_blocks
from exporters.native.this_runtime import runtimes_block
from exporters.parity import session_of
from tests.rigs.native_reference import native_answers
from tests.rigs.random_graphs import RandomGraph

# Of the largest number: a graph is many layers deep, and some of its functions are steep.
ROUNDING = 1e-4
USUAL = 1e-5
BATCHES = [(1, 1), (2, 2), ("batch", 3)]
# Runs every graph in a folder on its inputs; `sys.argv`: the folder, the library.
RUN = """
import pathlib, sys
import numpy as np, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads, options.log_severity_level = 1, 4
options.register_custom_ops_library(sys.argv[2])
for graph in sorted(pathlib.Path(sys.argv[1]).glob("*.onnx")):
    session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    found = session.run(None, {"input": np.load(graph.with_suffix(".npy"))})
    np.savez(graph.with_suffix(".npz"), **{one.name: array for one, array in zip(session.get_outputs(), found)})
"""


def drawn(seed):
    name, batch = BATCHES[seed % len(BATCHES)]
    graph = RandomGraph(seed, True, name)
    model, feeds = graph.model(), graph.inputs(batch)
    return model, feeds, native_answers(model, feeds)


def blocked(model, block):
    return ir.serde.serialize_model(in_blocks(ir.serde.deserialize_model(model), block))


def off(expected, found):
    """The largest error of the outputs, each of its own largest number."""
    assert {name: array.shape for name, array in found.items()} == {n: array.shape for n, array in expected.items()}
    return max(
        float(np.abs(found[name] - right).max()) / max(float(np.abs(right).max()), 1e-3)
        for name, right in expected.items()
    )


def require_right(errors):
    assert max(errors) < ROUNDING and np.median(errors) < USUAL


@pytest.fixture
def registered(native_library):
    return partial(register, library=native_library.path, sha256=native_library.record.sha256)


@pytest.mark.skipif(
    not runtimes_block() or runtimes_block() != this_machine().block, reason="no layout in blocks on this processor"
)
@pytest.mark.parametrize("start", [0, pytest.param(30, marks=pytest.mark.slow)])
def test_random_native_graphs_in_this_machines_blocks_compute_what_their_description_says(registered, start):
    errors = []
    for seed in range(start, start + 30):
        model, feeds, expected = drawn(seed)
        session = session_of(blocked(model, runtimes_block()), register=registered)
        errors.append(off(expected, dict(zip(expected, session.run(None, feeds), strict=True))))
    require_right(errors)


QEMU = shutil.which("qemu-x86_64")


@pytest.mark.slow
@pytest.mark.skipif(this_machine().machine != "x86_64", reason="the emulator runs this machine's own Python")
@pytest.mark.skipif(QEMU is None, reason="qemu-user is missing: apt-get install qemu-user")
def test_random_native_graphs_in_blocks_of_8_are_right_on_an_emulated_processor_with_avx2(native_library, tmp_path):
    """An emulated Haswell: AVX2 and no AVX-512, so that runtime and library have blocks of 8."""
    expected = []
    for seed in range(40):
        model, feeds, answers = drawn(seed)
        (tmp_path / f"{seed:02}.onnx").write_bytes(blocked(model, 8).SerializeToString())
        np.save(tmp_path / f"{seed:02}.npy", feeds["input"])
        expected.append(answers)
    command = [QEMU, "-cpu", "Haswell", "-L", "/", sys.executable, "-c", RUN, str(tmp_path), str(native_library.path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    require_right([off(right, dict(np.load(tmp_path / f"{seed:02}.npz"))) for seed, right in enumerate(expected)])
