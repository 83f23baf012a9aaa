"""Load and run an ONNX file in a process of its own, so that a graph that crashes the runtime harms nobody.

Knows a file and a request, and nothing of what they mean. Run as a script it is that process; it imports
neither TensorFlow nor this package.
"""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

TIMEOUT_S = 120.0


def probe(graph: Path, golden: Path, *, timeout_s: float = TIMEOUT_S, script: Path = Path(__file__)) -> None:
    """Load `graph` and run it on the `in.*` arrays of `golden`; raises ProbeError if that process fails."""
    from export.errors import ProbeError  # noqa: PLC0415  # the script has no package around it

    command = [sys.executable, "-P", str(script), str(graph), str(golden)]
    environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "1"}
    try:
        done = subprocess.run(  # noqa: S603  # our own script, our own files
            command, env=environment, capture_output=True, timeout=timeout_s, check=False, text=True
        )
    except subprocess.TimeoutExpired as error:
        raise ProbeError(f"{graph.name} did not load and run within {timeout_s:g} s") from error
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        raise ProbeError(f"{graph.name} crashed the runtime ({name}) in a process of its own")
    if done.returncode > 0:
        reason = (done.stderr.strip() or "no reason given").splitlines()[-1]
        raise ProbeError(f"{graph.name} does not load and run: {reason}")


def main(graph: str, golden: str) -> None:
    """Load and run; a failure leaves by its exception, a crash by its signal."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash is expected here: no core file of it
    import numpy as np  # noqa: PLC0415
    import onnxruntime  # noqa: PLC0415

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only: the last line must be the reason
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    with np.load(golden, allow_pickle=False) as arrays:
        feeds = {name.removeprefix("in."): arrays[name] for name in arrays.files if name.startswith("in.")}
    session.run(None, feeds)


if __name__ == "__main__":
    main(*sys.argv[1:])
