"""Check that a row is answered the same alone as in a batch with others that are longer.

Knows descriptions of tensors and a function that runs a graph. The gateway puts rows of different callers into
one batch and pads them: a graph in which padding or a neighbour changes the answer must not be published,
however well SavedModel and ONNX agree about it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from export.drawing import BATCH, Case, Drawn, draw, free_axes
from export.errors import CompanyError, ParityError
from export.parity import Measure, Runner, compare
from export.recipe import Arrays
from service.bundle import Signature, Tensor

ROWS = 3
LONGEST = 7
SEEDS = (0, 1)


def check(name: str, signature: Signature, run: Runner, by: Measure, *, example: Arrays | None = None) -> int:
    """Return how many rows were compared; raises CompanyError for the first that others change.

    Each row is run once in a ragged batch and once alone, cut to what is valid of it. A signature whose tensors
    do not all have a batch axis has no rows to compare.
    """
    if not all(tensor.shape[:1] == (BATCH,) for tensor in (*signature.inputs, *signature.outputs)):
        return 0
    longest = min(LONGEST, by.longest)
    sizes = {axis: max(longest - index, 1) for index, axis in enumerate(free_axes(signature.inputs))}
    for seed in SEEDS:
        case = Case(ROWS, sizes, seed, mixed=seed % 2 == 1)
        _check_case(name, signature, run, by, draw(signature.inputs, case, example))
    return ROWS * len(SEEDS)


def _check_case(name: str, signature: Signature, run: Runner, by: Measure, drawn: Drawn) -> None:
    together = run(drawn.feeds)
    for row in range(ROWS):
        valid = {axis: int(counts[row]) for axis, counts in drawn.valid.items()}
        alone = run(_only(signature.inputs, drawn.feeds, row, valid))
        try:
            # The lone answer may be shorter along an axis of its own; both are cut to what is valid.
            compare(
                _only(signature.outputs, alone, 0, valid), _only(signature.outputs, together, row, valid), by
            )
        except ParityError as error:
            sizes = "".join(f", {axis} {size}" for axis, size in valid.items())
            raise CompanyError(
                f"signature '{name}': a row (of {ROWS}{sizes}) is answered otherwise in a batch than alone, so "
                f"padding or its neighbours change it: {error}"
            ) from error


def _only(tensors: Sequence[Tensor], arrays: Arrays, row: int, valid: Mapping[str, int]) -> Arrays:
    """Return one row of each tensor, its free axes cut to their valid part."""
    cut = {}
    for tensor in tensors:
        ends = [slice(valid.get(axis)) if isinstance(axis, str) else slice(None) for axis in tensor.shape[1:]]
        cut[tensor.name] = arrays[tensor.name][(slice(row, row + 1), *ends)]
    return cut
