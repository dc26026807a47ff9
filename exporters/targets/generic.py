"""Any 64-bit x86 machine, such as the host itself."""

from exporters.targets.base import Target

TARGET = Target(
    name="generic",
    description="any 64-bit x86",
    machine="x86_64-linux-gnu",
    # The first that reads opset 20, the newest of torch's exporter; files of IR 10 are for 1.18 and newer (both tried).
    oldest_runtime="1.17",
    newest_opset=20,
    newest_ir_version=9,
    block=16,  # with AVX-512; ONNX Runtime takes 8 where there is only AVX2
    columns=True,
    cost_table="generic",
)
