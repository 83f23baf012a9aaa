"""Read the real inputs that a job left for its exporter.

Knows `assets/examples.npz` of a run, and nothing of signatures.
"""

from __future__ import annotations

import zipfile

import numpy as np

from export.errors import RunError
from export.recipe import Arrays, Source


def read_examples(source: Source, *names: str) -> Arrays:
    """Return the arrays called `names`; raises RunError if the file or one of them is missing or empty."""
    try:
        # NumPy leaves a file open that it opened itself and then could not read.
        with (
            (source.assets / "examples.npz").open("rb") as opened,
            np.load(opened, allow_pickle=False) as file,
        ):
            examples = {name: file[name] for name in names if name in file.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise RunError(f"examples.npz of the run cannot be read: {error}") from error
    for name in names:
        if name not in examples or not len(examples[name]):
            raise RunError(f"examples.npz of the run has no rows for the input '{name}'")
    return examples
