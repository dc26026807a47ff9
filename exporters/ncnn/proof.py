"""ncnn's files held against the right answers, as every pass is: run by ncnn, one thread, float32."""

import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from device_agent.manifest import Parity
from exporters.ncnn.convert import NcnnNetwork
from exporters.ncnn.names import PARAM_FILE, WEIGHTS_FILE
from exporters.parity import Found, proved
from exporters.right_answers import Reference, Tensors


def prove_ncnn(reference: Reference, network: NcnnNetwork, library: str | None = None) -> Parity:
    """Run it on every sample of the reference, one by one; `library` computes layers of GroupNL's, as `NcnnNet` has it.

    Raises `ParityError`.
    """
    with tempfile.TemporaryDirectory(prefix="groupnl-ncnn-") as name:
        write_ncnn(Path(name), network)
        return proved(reference, partial(_answers, Path(name), tuple(reference.outputs), library))


def write_ncnn(folder: Path, network: NcnnNetwork) -> None:
    """The two files."""
    (folder / PARAM_FILE).write_bytes(network.param)
    (folder / WEIGHTS_FILE).write_bytes(network.weights)


def _answers(
    folder: Path, names: Sequence[str], library: str | None, samples: Sequence[Tensors], batches: tuple[int, ...]
) -> Found:
    from device_agent.ncnn_net import NcnnNet

    if batches != (1,):
        raise ValueError("ncnn computes one image at a time")
    net = NcnnNet(folder / PARAM_FILE, folder / WEIGHTS_FILE, threads=1, library=library)
    runs = [net.answers(list(sample.values())) for sample in samples]
    return {name: [run[index] for run in runs] for index, name in enumerate(names)}
