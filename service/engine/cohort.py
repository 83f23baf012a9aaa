"""The sequences that take a token from one run's logits, and what is the same for them step after step.

Knows rows of logits and decoders. Knows nothing of sessions or of who waits.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from service.domain import Array
from service.engine.contracts import Token
from service.engine.decoding import NOT_NUMBERS, SampledRows, SampledSequence, finite_rows
from service.engine.sequence import Sequence as TokenSequence


class Cohort:
    """`members` are sequences with the rows of the logits that are theirs: one, or one for each beam."""

    def __init__(self, members: Sequence[tuple[TokenSequence, Sequence[int]]], rows: int) -> None:
        self._members = members
        self.searches = [member for member in members if not isinstance(member[0].decoder, SampledSequence)]
        self._sampled: list[tuple[TokenSequence, SampledSequence]] = []
        places = []
        for sequence, mine in members:
            if isinstance(sequence.decoder, SampledSequence):
                self._sampled.append((sequence, sequence.decoder))
                places.append(mine[0])
        self._everything = places == list(range(rows))
        self._places = np.array(places, np.intp)
        self.slots = np.array([sequence.slots[0] for sequence, _ in self._sampled], np.intp)
        self._silent: list[tuple[tuple[int, float], ...]] = [()] * len(self._sampled)
        self._choice = SampledRows([decoder for _, decoder in self._sampled])

    def sample(self, logits: Array) -> tuple[Array, list[tuple[TokenSequence, Token]]]:
        """Choose a token for each sampled sequence that is not over: the tokens to be fed to `slots`, and what is to
        be told. Raises ArithmeticError if one row's logits are not numbers.
        """
        mine = logits if self._everything else logits[self._places]
        tokens, logprobs, tops = self._choice.choose(mine)
        best = [tops.get(row, ()) for row in range(len(tokens))] if tops else self._silent
        told = [
            (sequence, decoder.take(token, logprob, sequence.queue_s, top))
            for (sequence, decoder), token, logprob, top in zip(
                self._sampled, tokens.tolist(), logprobs, best, strict=True
            )
            if not sequence.over
        ]
        return tokens, told

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
