"""What is known of a machine that an export is for. Nothing slow is imported: a command line asks before torch is.

An export must run in the oldest runtime of its target. Newer ones read whatever an older one read
(onnxruntime.ai/docs/reference/compatibility.html), so the oldest is the whole range.
"""

from dataclasses import dataclass

from exporters.choices import DEFAULT_OPSET, OPSETS
from exporters.costs import Costs, load_costs
from exporters.errors import ExportFailed


@dataclass(frozen=True)
class Target:
    """One kind of machine and the runtime on it.

    Args:
        name: the word of `--target`, and the name of this target's file.
        description: what it is, in a few words, for help and reports.
        machine: the GNU triple for which native code on it is built.
        oldest_runtime: the oldest ONNX Runtime that an export must run in.
        newest_opset: the newest operator set that this runtime computes, which may be older than the one it claims.
        newest_ir_version: the newest version of ONNX's file format that it reads.
        block: how many channels the runtime keeps together in the layout that it gives the maps of convolutions; 0
            where it has no such layout. Other operators cost a way out of it and back.
        columns: whether the runtime's product of a matrix and a single column is as fast as that of a row and a matrix:
            a convolution over one pixel is the one, a Gemm the other.
        cost_table: the file in `exporters/tables` that says what equal forms cost here.
        native_blocks: for which blocks of channels a model with operators of our own is written, a file for each, the
            best first; 0 is the plain layout, which every processor reads.
        board: what `/proc/device-tree/model` begins with, where the target is one board and not all of its triple.
        backend: whose costs and operators the passes go by; see `targets.ncnn.for_ncnn`.
        blocks_for_all: whether other operators than convolutions keep that layout too.
    """

    name: str
    description: str
    machine: str
    oldest_runtime: str
    newest_opset: int
    newest_ir_version: int
    block: int
    columns: bool
    cost_table: str
    native_blocks: tuple[int, ...] = (0,)
    board: str | None = None
    backend: str = "onnxruntime"
    blocks_for_all: bool = False

    def __str__(self) -> str:
        if self.backend == "ncnn":  # whose passes are the same on every machine
            return f"ncnn on {self.name} ({self.description})"
        return f"{self.name} ({self.description}, {self.machine}, ONNX Runtime {self.oldest_runtime} or newer)"

    @property
    def left_block(self) -> int:
        """`block` where other operators than convolutions leave it; 0 where none does."""
        return 0 if self.blocks_for_all else self.block

    @property
    def opsets(self) -> range:
        """The operator sets that can be exported and that the runtime reads."""
        return range(OPSETS.start, min(OPSETS.stop, self.newest_opset + 1))

    def opset_refusal(self, opset: int) -> str | None:
        """Why an export cannot have this opset, as a sentence; None where it can."""
        if opset in self.opsets:
            return None
        return (
            f"Opset {opset} is not one of {self.opsets[0]} to {self.opsets[-1]}, which the passes know and "
            f"ONNX Runtime {self.oldest_runtime} reads, the oldest for {self.name}."
        )

    @property
    def costs(self) -> Costs:
        """The cost table. Raises `ExportFailed` where it cannot be read."""
        return load_costs(self.cost_table)

    def reads(self, opset: int, ir_version: int) -> bool:
        """Whether the oldest runtime reads a model of these versions."""
        return opset <= self.newest_opset and ir_version <= self.newest_ir_version

    def require_readable(self, opset: int, ir_version: int) -> None:
        """Raise `ExportFailed` for a model that is too new for the oldest runtime."""
        if not self.reads(opset, ir_version):
            raise ExportFailed(
                f"ONNX Runtime {self.oldest_runtime}, the oldest for {self.name}, reads opset {self.newest_opset} and "
                f"IR {self.newest_ir_version} at most, and this model has opset {opset} and IR {ir_version}.",
                f"Ask for --opset {DEFAULT_OPSET}.",
            )
