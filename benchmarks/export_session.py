"""A session of ONNX Runtime as the benchmarks make it. Any Python with onnxruntime runs this."""

from pathlib import Path

import onnxruntime

LAYOUTS = ("blocked", "plain")


def session(
    model: str | bytes, threads: int = 1, layout: str = "blocked", library: Path | None = None
) -> onnxruntime.InferenceSession:
    """A session for a graph.

    Args:
        model: a file, or its bytes.
        threads: of an operator.
        layout: "plain" switches the runtime's layout in blocks off, which its builds for aarch64 have not.
        library: of native operators, as this checkout built it.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    # Threads that spin while they wait would slow the other contestants.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if library is not None:
        options.register_custom_ops_library(str(library))
    off = ["NchwcTransformer"] if layout == "plain" else []
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"], disabled_optimizers=off)
