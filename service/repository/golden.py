"""Ask a freshly loaded version the questions whose answers it brought along, and warm it up with them.

Knows arrays and tolerances. Knows nothing of sessions beyond `run`.
"""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from service.bundle import Golden, Signature
from service.domain import Array
from service.engine.contracts import Session
from service.engine.feeds import BATCH
from service.repository.errors import GoldenError, GraphError, LoadError

_IN = "in."
_OUT = "out."


def ask(directory: Path, golden: Golden, signature: Signature, session: Session, max_rows: int) -> None:
    """Raise GoldenError if `session` answers differently, LoadError if it cannot be asked; then run it once with `max_rows` rows.

    The measure is that of `bundle.Parity`: max |a-b| / (1 + |a|), with a the recorded answer.
    """
    asked = f"golden request '{Path(golden.file).name}'"
    feeds, expected = _read(directory / golden.file, asked)
    names = list(expected)
    try:
        answers = session.run(feeds, names)
    except Exception as error:
        raise GraphError(f"{asked}: the graph failed to run: {type(error).__name__}") from error
    for name, answer in zip(names, answers, strict=True):
        distance = _distance(expected[name], answer)
        # Not `>`: a distance that is not a number is no agreement.
        if not distance <= golden.tolerance:
            raise GoldenError(
                f"{asked}: output '{name}' is off by {distance:.3g}, tolerated is {golden.tolerance:.3g}"
            )
    _warm_up(session, signature, feeds, names, max_rows)


def _read(path: Path, asked: str) -> tuple[dict[str, Array], dict[str, Array]]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, BadZipFile, KeyError) as error:
        raise LoadError(f"{asked} cannot be read") from error
    feeds = {name.removeprefix(_IN): array for name, array in arrays.items() if name.startswith(_IN)}
    expected = {name.removeprefix(_OUT): array for name, array in arrays.items() if name.startswith(_OUT)}
    if not feeds or not expected:
        raise LoadError(f"{asked} holds no inputs or no outputs")
    return feeds, expected


def _distance(expected: Array, answer: Array) -> float:
    if expected.shape != answer.shape:
        return float("inf")
    if expected.size == 0:
        return 0.0
    if expected.dtype.kind not in "biuf" or answer.dtype.kind not in "biuf":
        return 0.0 if np.array_equal(expected.astype(str), answer.astype(str)) else float("inf")
    recorded, made = expected.astype(np.float64), answer.astype(np.float64)
    same = (recorded == made) | (np.isnan(recorded) & np.isnan(made))
    with np.errstate(invalid="ignore"):
        distances = np.where(same, 0.0, np.abs(recorded - made) / (1.0 + np.abs(recorded)))
    return float(distances.max())


def _warm_up(
    session: Session, signature: Signature, feeds: dict[str, Array], names: list[str], rows: int
) -> None:
    """Let the runtime allocate for the largest batch now, and not during the first busy moment."""
    if not all(tensor.shape[:1] == (BATCH,) for tensor in signature.inputs):
        return
    given = len(next(iter(feeds.values())))
    if not 0 < given < rows:
        return
    take = np.arange(rows) % given
    try:
        session.run({name: np.ascontiguousarray(array[take]) for name, array in feeds.items()}, names)
    except Exception as error:
        raise GraphError(f"a batch of {rows} rows failed to run: {type(error).__name__}") from error
