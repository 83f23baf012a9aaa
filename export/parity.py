"""Compare what the SavedModel answers with what the ONNX graph answers, and refuse a difference.

Knows inputs, outputs and a tolerance. Knows nothing of TensorFlow or ONNX Runtime: both sides are functions
from named arrays to named arrays.

The measure is max |a-b| / (1 + |a|), where a is the SavedModel's number. Numbers that are not floats must be
equal, with one exception: a verdict such as `is_anomaly = score > threshold` may differ in a row whose score
lies within the tolerance of its threshold, because there rounding decides. `Decision` names such outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.drawing import BATCH, LONGEST, Case, cases, draw
from export.errors import ParityError
from export.recipe import Arrays, is_of
from service.bundle import Classify, Generate, Parity, Score, Signature, Task, Tensor, TextInput, Translate

TOLERANCE = 1e-4

Runner = Callable[[Arrays], Arrays]
"""One side: inputs by name to outputs by name."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The boolean output `verdict` is `left > right`; all three are outputs [batch] or []."""

    verdict: str
    left: str
    right: str


@dataclass(frozen=True, slots=True)
class Measure:
    """How far apart two answers may be, which of their outputs are decided by others, and how long the
    longest sequences are that the model is asked about.
    """

    tolerance: float = TOLERANCE
    decisions: tuple[Decision, ...] = ()
    longest: int = LONGEST


def measure(task: Task, tolerance: float = TOLERANCE) -> Measure:
    """Return the measure for a task: only `score` has a verdict that hangs on another output."""
    decided = (Decision(task.is_anomaly, task.score, task.threshold),) if isinstance(task, Score) else ()
    return Measure(tolerance, decided, min(LONGEST, *_limits(task)))


def _limits(task: Task) -> tuple[int, ...]:
    """Return how many tokens a task allows; a model may know no positions beyond."""
    match task:
        case Generate():
            return (task.max_prompt_tokens,)
        case Translate():
            return task.max_source_tokens, task.max_new_tokens
        case Classify(accepts=TextInput(max_tokens=limit)):
            return (limit,)
        case _:
            return (LONGEST,)


def gate(
    name: str,
    signature: Signature,
    sides: tuple[Runner, Runner],
    by: Measure,
    *,
    example: Arrays | None = None,
    drawn: Iterable[Case] | None = None,
) -> Parity:
    """Run both sides on every case and return how far apart they were at most.

    `sides` are the SavedModel and the ONNX graph. Raises ParityError, naming signature, output and case, at
    the first difference beyond the tolerance, and when a side answers what the signature does not declare.
    """
    saved, converted = sides
    worst, count, ragged = 0.0, 0, False
    for case in drawn if drawn is not None else cases(signature.inputs, longest=by.longest):
        request = draw(signature.inputs, case, example)
        try:
            expected = saved(request.feeds)
            check_declared(signature.outputs, expected, case)
            worst = max(worst, compare(expected, converted(request.feeds), by))
        except ParityError as error:
            hint = ", ragged" if request.ragged else ""
            raise ParityError(f"signature '{name}' ({case}{hint}): {error}") from error
        count += 1
        ragged = ragged or request.ragged
    return Parity(max_relative=worst, tolerance=by.tolerance, cases=count, ragged=ragged)


def compare(expected: Arrays, got: Arrays, by: Measure) -> float:
    """Return the largest relative difference of all outputs; raises ParityError if one is not acceptable."""
    if expected.keys() != got.keys():
        raise ParityError(f"outputs are {sorted(got)}, expected {sorted(expected)}")
    return max((_difference(name, expected, got[name], by) for name in expected), default=0.0)


def relative(expected: NDArray[Any], got: NDArray[Any]) -> float:
    """Return max |a-b| / (1 + |a|); two equal infinities do not differ, NaN differs from everything."""
    a, b = expected.astype(np.float64), got.astype(np.float64)
    with np.errstate(invalid="ignore"):
        apart = np.where(a == b, 0.0, np.abs(a - b) / (1.0 + np.abs(a)))
    return float(np.nan_to_num(apart, nan=np.inf).max(initial=0.0))


def check_declared(outputs: Sequence[Tensor], answer: Arrays, case: Case) -> None:
    """Raise ParityError if names, dtypes or shapes of an answer are not the declared ones."""
    if (declared := {tensor.name for tensor in outputs}) != answer.keys():
        raise ParityError(f"the SavedModel answers {sorted(answer)}, declared are {sorted(declared)}")
    known = {BATCH: case.rows, **case.sizes}
    for tensor in outputs:
        array = answer[tensor.name]
        if not is_of(array, tensor):
            raise ParityError(f"output '{tensor.name}' is {array.dtype}, declared is {tensor.dtype}")
        if not _fits(array.shape, tensor.shape, known):
            raise ParityError(
                f"output '{tensor.name}' has the shape {list(array.shape)}, declared is {list(tensor.shape)}"
            )


def _fits(shape: tuple[int, ...], declared: Sequence[int | str], known: dict[str, int]) -> bool:
    """Compare a shape with a declared one; a name seen for the first time is bound to its size."""
    return len(shape) == len(declared) and all(
        size == (known.setdefault(axis, size) if isinstance(axis, str) else axis)
        for size, axis in zip(shape, declared, strict=True)
    )


def _difference(name: str, answer: Arrays, got: NDArray[Any], by: Measure) -> float:
    expected = answer[name]
    if (expected.dtype, expected.shape) != (got.dtype, got.shape):
        raise ParityError(
            f"output '{name}' is {got.dtype}{list(got.shape)}, expected {expected.dtype}{list(expected.shape)}"
        )
    if expected.dtype.kind != "f":
        _check_equal(name, answer, got, by)
        return 0.0
    if np.isnan(expected).any():
        raise ParityError(f"output '{name}' of the SavedModel is not a number")
    apart = relative(expected, got)
    if apart > by.tolerance:
        raise ParityError(f"output '{name}' differs by {apart:.1e}, the tolerance is {by.tolerance:.1e}")
    return apart


def _check_equal(name: str, answer: Arrays, got: NDArray[Any], by: Measure) -> None:
    unequal = answer[name] != got
    for decision in by.decisions:
        if decision.verdict == name:
            unequal = unequal & ~undecided(answer, decision, by.tolerance)
    if unequal.any():
        raise ParityError(f"output '{name}' differs in {int(unequal.sum())} of {unequal.size} places")


def undecided(answer: Arrays, decision: Decision, tolerance: float) -> NDArray[np.bool_]:
    """Return for each row whether its score lies within `tolerance` (relative) of its threshold."""
    left, right = (answer[side].astype(np.float64) for side in (decision.left, decision.right))
    return np.asarray(np.abs(left - right) <= tolerance * (1.0 + np.abs(left)))
