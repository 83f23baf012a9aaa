"""Write a file or a directory so that a reader, or a kill, sees the old one or the new one and nothing between.

Knows nothing of runs. Every writer first writes beside the target, then renames over it.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def write(target: Path, fill: Callable[[Path], object]) -> None:
    """Let `fill` write a file of the same suffix beside `target`, then put it in its place."""
    beside = target.with_name(f".{os.getpid()}.{target.name}")
    try:
        fill(beside)
        with beside.open("rb") as file:
            os.fsync(file.fileno())  # a rename may reach the disk before the bytes do
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


def write_text(target: Path, text: str) -> None:
    """Write `text` in UTF-8."""
    write(target, lambda path: path.write_text(text, encoding="utf-8"))


def write_json(target: Path, value: object) -> None:
    """Write `value` as indented JSON in UTF-8; NaN is refused with ValueError, for JSON has none."""
    write_text(target, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_arrays(target: Path, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Write named arrays as a compressed `.npz` without pickles."""
    write(target, lambda path: np.savez_compressed(path, allow_pickle=False, **arrays))


def sweep(directory: Path) -> None:
    """Remove what a killed writer left below `directory`; nobody may be writing there."""
    for path in sorted(directory.rglob(".*")):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


@contextmanager
def directory(target: Path) -> Iterator[Path]:
    """Yield an empty directory that takes the place of `target` when the block ends well."""
    beside = target.with_name(f".{target.name}.partial")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        yield beside
        shutil.rmtree(target, ignore_errors=True)
        beside.rename(target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
