"""Make one run in pieces, side by side on several cores: where its rows are cut, and who makes which piece.

Rows of a run know nothing of one another, so that pieces give what the whole gives. Each core reads the weights from its
own caches then, and no operator waits for another core, as one with threads of its own does. Knows costs and callables; knows
no session and no tensor.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

from service.engine.cores import usable_cores
from service.engine.cost import RunCost

WORTH_S = 0.0003
"""One more piece is worth a thread if it takes this much off the run: several times what it costs to wake one."""


def cuts(rows: int, cost: RunCost, most: int) -> tuple[int, ...]:
    """Return where a run of `rows` rows is cut into at most `most` pieces; nowhere if that is not worth it.

    The first piece is the longest, by an eighth of it at least, for the others begin later.
    """
    found: tuple[int, ...] = ()
    for count in range(2, most + 1):
        piece = rows * 7 // (7 * count + 1)
        first = rows - piece * (count - 1)
        shorter = (found[0] if found else rows) - first
        if shorter <= 0 or cost.saved(shorter) < WORTH_S:
            break
        found = tuple(range(first, rows, piece))
    return found


class Crew:
    """Threads that help whoever asks, as many as there are cores at most; they begin when first needed."""

    def __init__(self) -> None:
        self._others = ThreadPoolExecutor(usable_cores(), thread_name_prefix="crew")

    def close(self) -> None:
        """Let the threads end; idempotent."""
        self._others.shutdown(wait=False)

    def work(self, pieces: Sequence[Callable[[], None]]) -> float | None:
        """Do the first piece here and the others in threads, or here as well if no thread has begun them by then.

        Returns the seconds that the first one took, None if it was not the only one that was done here; or raises the
        first error of any. By then none is being worked on.
        """
        first, *rest = pieces
        begun = [self._begin(piece) for piece in rest]
        started_s = time.perf_counter()
        try:
            first()
            first_s: float | None = time.perf_counter() - started_s
            for piece, future in zip(rest, begun, strict=True):
                # A core that is busy elsewhere is not waited for.
                if future is None or future.cancel():
                    first_s = None
                    piece()
        finally:
            errors = [future.exception() for future in begun if future is not None and not future.cancel()]
        for error in errors:
            if error is not None:
                raise error
        return first_s

    def _begin(self, piece: Callable[[], None]) -> Future[None] | None:
        # Who is at work when it is closed goes on alone.
        with suppress(RuntimeError):
            return self._others.submit(piece)
        return None
