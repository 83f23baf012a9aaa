"""Decide which sequences get slots and which tokens each running row is fed.

Pure functions from counts to counts. Knows slots, widths and pending tokens; knows no tensors and no callers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One run: the positions of the running sequences in it, and how many tokens each of them is fed."""

    sequences: tuple[int, ...]
    tokens: tuple[int, ...]


def admit(waiting_widths: Sequence[int], free_slots: int) -> int:
    """Return how many of those who wait, oldest first, may start now.

    A sequence takes all its rows at once or none. The oldest is never overtaken, so a wide one does not
    starve behind a stream of narrow ones.
    """
    admitted = 0
    for width in waiting_widths:
        if width > free_slots:
            break
        free_slots -= width
        admitted += 1
    return admitted


def plan_steps(pending: Sequence[int], chunk: int) -> tuple[Step, ...]:
    """Return the runs of one round, so that every running sequence advances in it.

    `pending` counts the tokens that a sequence still has to be fed, at least 1. Sequences with a prompt to
    read take up to `chunk` tokens in a run of their own, so those that generate neither wait for more than
    one chunk nor are padded to its length.
    """
    assert all(count >= 1 for count in pending), "a running sequence always has a token to feed"
    if chunk == 1:
        everyone = tuple(range(len(pending)))
        return (Step(everyone, (1,) * len(everyone)),) if everyone else ()
    reading = tuple(position for position, count in enumerate(pending) if count > 1)
    generating = tuple(position for position, count in enumerate(pending) if count == 1)
    steps = []
    if reading:
        steps.append(Step(reading, tuple(min(pending[position], chunk) for position in reading)))
    if generating:
        steps.append(Step(generating, (1,) * len(generating)))
    return tuple(steps)
