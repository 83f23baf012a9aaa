"""The sequences that take a token from one run's logits, and what is the same for them step after step.

Knows rows of logits and decoders. Knows nothing of sessions or of who waits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from service.domain import Array
from service.engine.contracts import Token
from service.engine.decoding import NOT_NUMBERS, SampledRows, SampledSequence, finite_rows
from service.engine.sequence import Sequence as TokenSequence


class Cohort:
    """`members` are sequences with the rows of the logits that are theirs: one, or one for each beam.

    Of `quiet` sequences nothing is told but the tokens: they are only noted, and told by whoever delivers. The `new`
    of them had no token when they came together.

    The weights of a graph leave little of Python's own memory in the processor's caches, so that what a step costs here
    is counted in different instructions and objects touched: few calls, and those on lists of plain numbers.
    """

    def __init__(self, members: Sequence[tuple[TokenSequence, Sequence[int]]], rows: int) -> None:
        self._members = members
        self.searches: list[tuple[TokenSequence, Sequence[int]]] = []
        self._sampled: list[tuple[TokenSequence, SampledSequence]] = []
        self._loud, self._quiet = list[int](), list[int]()
        self.quiet, self.new = list[TokenSequence](), list[TokenSequence]()
        places, slots, decoders = list[int](), list[int](), list[SampledSequence]()
        for sequence, mine in members:
            decoder = sequence.decoder
            if not isinstance(decoder, SampledSequence):
                self.searches.append((sequence, mine))
                continue
            if decoder.tells_logprobs:
                self._loud.append(len(decoders))
            else:
                self._quiet.append(len(decoders))
                self.quiet.append(sequence)
                if not decoder.made:
                    self.new.append(sequence)
            self._sampled.append((sequence, decoder))
            decoders.append(decoder)
            places.append(mine[0])
            slots.append(sequence.slots[0])
        self._choice = SampledRows(decoders)
        self._everything = places == list(range(rows))
        self._places = np.array(places, np.intp)
        self.slots: slice | Array = _as_slice(slots) or np.array(slots, np.intp)
        self._notes: list[Callable[[int], object]] = [decoders[row].made.append for row in self._quiet]
        self._steps_left = min([decoders[row].left for row in self._quiet], default=0)
        self._ends = decoders[0].ends if decoders else frozenset[int]()

    def sample(self, logits: Array) -> tuple[Array, list[tuple[TokenSequence, Token]], list[TokenSequence]]:
        """Choose a token for each sampled sequence: the tokens to be fed to `slots`, what is to be told of those that
        are not over, and which of the quiet ones end. Raises ArithmeticError if one row's logits are not numbers.
        """
        mine = logits if self._everything else logits[self._places]
        tokens, logprobs, tops = self._choice.choose(mine)
        ids = tokens.tolist()
        told = []
        for row in self._loud:
            sequence, decoder = self._sampled[row]
            if not sequence.over:
                token = decoder.take(ids[row], logprobs[row], sequence.queue_s, tops.get(row, ()))
                told.append((sequence, token))
        return tokens, told, self._note(ids)

    def _note(self, ids: list[int]) -> list[TokenSequence]:
        """Note the tokens of the quiet, and return who ends with them."""
        if self._loud:
            ids = [ids[row] for row in self._quiet]
        for note, token in zip(self._notes, ids, strict=True):
            note(token)
        self._steps_left -= 1
        if self._steps_left > 0 and self._ends.isdisjoint(ids):
            return []
        ending = []
        left = []
        for place, (row, token) in enumerate(zip(self._quiet, ids, strict=True)):
            sequence, decoder = self._sampled[row]
            if sequence.over:
                continue
            if token in self._ends or decoder.left == 0:
                # Its row may step on for nobody.
                self._notes[place] = _ignore
                ending.append(sequence)
            else:
                left.append(decoder.left)
        self._steps_left = min(left, default=0)
        return ending

    def broken(self, logits: Array) -> list[tuple[TokenSequence, ArithmeticError]]:
        """Return the sampled sequences whose logits are not numbers."""
        finite = finite_rows(logits[self._places])
        return [
            (sequence, ArithmeticError(NOT_NUMBERS))
            for (sequence, _), good in zip(self._sampled, finite, strict=True)
            if not good
        ]

    @property
    def samples(self) -> bool:
        """Whether there is any sampled sequence."""
        return bool(self._sampled)

    def without_over(self, rows: int) -> Cohort:
        """Return the same without the sequences that are over by now."""
        return Cohort([member for member in self._members if not member[0].over], rows)


def _ignore(_: int) -> None:
    """Note nothing."""


def _as_slice(numbers: list[int]) -> slice | None:
    """Return the slice that has `numbers` in their order, if they are neighbours."""
    if not numbers or numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        return None
    return slice(numbers[0], numbers[0] + len(numbers))
