"""Import TensorFlow without the lines that its C++ start-up writes to the terminal.

Knows file descriptor 2, for those lines do not pass through Python. If the import fails they are shown.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


def import_tensorflow() -> None:
    """Import TensorFlow, so that every later import of it or Keras is silent."""
    if "tensorflow" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read once, while it loads; errors still show
    with hold_stderr():
        import tensorflow as tf  # noqa: F401, PLC0415  # here, where its noise is held


@contextmanager
def hold_stderr() -> Iterator[None]:
    """Keep what the block writes to standard error to ourselves, unless the block fails (an interrupt is no failure)."""
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except Exception:
            held.seek(0)
            os.write(terminal, held.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
