"""An x86 machine whose runtime keeps images in blocks, for models with operators of our own."""

from exporters.targets.base import Target

TARGET = Target(
    name="x86",
    description="64-bit x86 with AVX2 or AVX-512",
    machine="x86_64-linux-gnu",
    oldest_runtime="1.17",
    newest_opset=20,
    newest_ir_version=9,
    block=16,
    columns=True,
    cost_table="generic",
    native_blocks=(16, 8),
)
