"""`python -m service`: read the settings, then run the app with them.

Knows exit codes: 0 after a drain, 1 if it could not start or broke, 2 if the settings are wrong.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

from service import __version__
from service.config import ConfigError, read
from service.protocols.tfserving import command_line


def leave_when_told() -> None:
    """End at once on SIGTERM, with 0: until the app listens, nobody waits for an answer.

    The first process of a container would otherwise not hear it while it starts.
    """

    def leave(_: int, __: FrameType | None) -> None:
        os._exit(0)

    signal.signal(signal.SIGTERM, leave)


def main() -> int:
    """Run the gateway until it is told to stop; returns the exit code."""
    leave_when_told()
    try:
        told = command_line.understand(sys.argv[1:], os.environ)
        if told.wants_version:
            sys.stdout.write(f"Sluice {__version__}\n")
            return 0
        settings = read(told.arguments, os.environ, told.values, told.implied)
    except ConfigError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    # Before ONNX Runtime is imported: some builds send telemetry unless told not to.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    from service import app  # noqa: PLC0415  # after the line above, and so that --help is quick

    return app.run(settings, told.notes)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Everyone has been answered. A graph that still runs in a thread has nobody left to run for, and an orderly
    # end of the interpreter would wait for it.
    os._exit(code)
