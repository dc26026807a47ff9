"""The Raspberry Pi 4 with a 64-bit system and the runtime of the paper."""

from exporters.targets.base import Target

TARGET = Target(
    name="rpi4",
    description="Raspberry Pi 4",
    machine="aarch64-linux-gnu",
    oldest_runtime="1.15.1",
    newest_opset=18,  # it claims 19, and has no Reshape of 19 (tried)
    newest_ir_version=9,
    block=0,  # ONNX Runtime's builds for aarch64 have no layout in blocks
    columns=False,  # its matrix products have a kernel for a single column on x86 alone (MLAS, sgemm.cpp)
    cost_table="rpi4",
    board="Raspberry Pi 4",
)
