"""The processes of one training, as torchrun starts them, and what they tell each other.

Nothing that travels between them is unpickled: texts go as bytes, numbers as tensors.
"""

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from device_agent.strict import from_json, to_json
from groupnl_deploy.errors import UsageError
from groupnl_deploy.training.peers import Failed, OtherRankFailed, PeerLost, ToldByFirst, is_lost_peer
from groupnl_deploy.training.running import ComputeWord
from groupnl_deploy.words import counted

_CPU = torch.device("cpu")
T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """Which of how many processes this one is, and what it computes on.

    Args:
        rank: from 0.
        size: of all processes, on all machines.
        device: of this one.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = field(default=_CPU)

    @property
    def first(self) -> bool:
        """The first one reads the state, writes all files and tells how far the training is."""
        return self.rank == 0

    def summed(self, numbers: Tensor) -> Tensor:
        """The sums over all processes, on the CPU."""
        if self.size == 1:
            return numbers
        total = numbers.clone()
        dist.all_reduce(total)
        return total

    def texts(self, text: str) -> list[str]:
        """What each process says, by rank."""
        if self.size == 1:
            return [text]
        data = text.encode(errors="surrogateescape")  # names of files may be no text
        said = torch.frombuffer(bytearray(data or b"\0"), dtype=torch.uint8)
        lengths = [torch.zeros(1, dtype=torch.int64) for _ in range(self.size)]
        dist.all_gather(lengths, torch.tensor([len(data)]))
        room = max(1, *(int(length) for length in lengths))
        padded = torch.zeros(room, dtype=torch.uint8)
        padded[: len(said)] = said
        heard = [torch.zeros(room, dtype=torch.uint8) for _ in range(self.size)]
        dist.all_gather(heard, padded)
        parts = (bytes(one[: int(length)].tolist()) for one, length in zip(heard, lengths, strict=True))
        return [part.decode(errors="surrogateescape") for part in parts]

    def from_first(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The first process' tensors, on all of them; what the others give is left out of account."""
        if self.size == 1:
            return dict(tensors)
        told = [
            (name, str(tensor.dtype).removeprefix("torch."), list(tensor.shape)) for name, tensor in tensors.items()
        ]
        heard = json.loads(self.texts(json.dumps(told) if self.first else "")[0])
        got = {}
        for name, kind, shape in heard:
            got[name] = tensors[name].to("cpu", copy=True).contiguous() if self.first else _empty(kind, shape)
            if got[name].numel():
                dist.broadcast(got[name].reshape(-1).view(torch.uint8), 0)  # gloo does not know every type
        return got

    def all_do(self, work: Callable[[], T]) -> T:
        """What `work` gives here, once it has come to its end everywhere.

        Where it fails on any process it fails on all, and none is left waiting for another.

        Raises what it raises here; on another process than the first `ToldByFirst` from that; where it failed only
        elsewhere `OtherRankFailed`.
        """
        try:
            made: T | None = work()
            mine: Exception | None = None
        except Exception as error:
            made, mine = None, error
        failed = Failed() if mine is None else Failed.of(mine)
        told = [from_json(Failed, text) for text in self.texts(to_json(failed))]
        if mine is not None:
            if self.first:
                raise mine
            raise ToldByFirst(failed) from mine
        for rank, other in enumerate(told):
            if other.said:
                raise OtherRankFailed(rank, self.size, other)
        return made  # type: ignore[return-value]  # None only where `work` gives None


def _empty(kind: str, shape: list[int]) -> Tensor:
    dtype: torch.dtype = getattr(torch, kind)
    return torch.empty(shape, dtype=dtype)


def _fresh_store() -> "dist.Store":
    """Where the processes find each other, without what they said there before they were started again.

    torchrun keeps one store for all its starts, unless TORCH_DISABLE_SHARE_RDZV_TCP_STORE is 1; whoever reads there
    where others were before waits for them for ever (PyTorch 2.13, on gloo). Agents of several machines count their
    starts each for itself, so no name tells those apart there.

    Raises `UsageError` in that case.
    """
    store, _, _ = next(iter(dist.rendezvous("env://")))
    start = int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))
    if start == 0 or os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return store
    if os.environ.get("GROUP_WORLD_SIZE", "1") != "1":
        raise UsageError(
            "The processes were started again, and torchrun has kept what they told each other before.",
            "Set TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 on each machine before torchrun, and start it again.",
        )
    return dist.PrefixStore(f"start {start}", store)


def ranks_of(compute: ComputeWord, environment: Mapping[str, str] = os.environ) -> Ranks:
    """This process among those that torchrun started; alone where nothing says so.

    Args:
        compute: "cuda" is a GPU, of which each process takes the one of its number on its machine; "auto" is that
            where there is one.
        environment: RANK, WORLD_SIZE, LOCAL_RANK and LOCAL_WORLD_SIZE.

    Raises `UsageError` where the machine has not as many GPUs as processes.
    """
    rank, size, local = (int(environment.get(name, default)) for name, default in _TORCHRUN)
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if compute == "cpu" or (compute == "auto" and there == 0):
        return Ranks(rank, size)
    # All are refused, those too for which there is a card: they would wait for the others until they give up.
    _require_cards(max(local + 1, int(environment.get("LOCAL_WORLD_SIZE", "1"))), there)
    return Ranks(rank, size, torch.device("cuda", local))


_TORCHRUN = (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0"))


def _require_cards(wanted: int, there: int) -> None:
    if there == 0:
        raise UsageError(
            f"PyTorch {torch.__version__} finds no GPU here.",
            "Compute on the CPU: --compute cpu. On a machine that has one, install a PyTorch for its CUDA (README).",
        )
    if wanted > there:
        raise UsageError(
            f"{counted(wanted, 'process', 'processes')} of this machine want a GPU each, and it has {there}.",
            f"Start {counted(there, 'process', 'processes')} a machine, or compute on the CPU: --compute cpu.",
        )


@contextlib.contextmanager
def joined(ranks: Ranks) -> Iterator[Ranks]:
    """The processes know each other inside the block: over gloo, and for tensors on GPUs over NCCL."""
    if ranks.size == 1:
        yield ranks
        return
    if ranks.device.type == "cuda":
        torch.cuda.set_device(ranks.device)
    try:
        backend = "cpu:gloo,cuda:nccl" if ranks.device.type == "cuda" else "gloo"
        dist.init_process_group(backend, store=_fresh_store(), rank=ranks.rank, world_size=ranks.size)
        yield ranks
    except RuntimeError as error:
        if is_lost_peer(error):
            raise PeerLost from error
        raise
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()
