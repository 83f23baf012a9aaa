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
    """`members` are sequences with the rows of the logits that are theirs: one, or one for each beam.

    Of `quiet` sequences nothing is told but the tokens: they are only noted, and told by whoever delivers.
    """

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
        self._choice = SampledRows([decoder for _, decoder in self._sampled])
        self._loud = [row for row, (_, decoder) in enumerate(self._sampled) if decoder.tells_logprobs]
        self._quiet = [row for row, (_, decoder) in enumerate(self._sampled) if not decoder.tells_logprobs]
        self.quiet = [self._sampled[row][0] for row in self._quiet]
        self._made = [self._sampled[row][1].made for row in self._quiet]
        self._left = np.array([self._sampled[row][1].left for row in self._quiet])
        self._ends = np.array(sorted(self._sampled[0][1].ends if self._sampled else ()), np.int64)

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
        return tokens, told, self._note(tokens, ids)

    def _note(self, tokens: Array, ids: list[int]) -> list[TokenSequence]:
        """Note the tokens of the quiet, and return who ends with them."""
        if self._loud:
            tokens, ids = tokens[self._quiet], [ids[row] for row in self._quiet]
        for made, token in zip(self._made, ids, strict=True):
            made.append(token)
        self._left -= 1
        ending = self._left == 0
        if len(self._ends):
            ending |= (tokens[:, None] == self._ends).any(axis=1)
        return [self.quiet[row] for row in np.flatnonzero(ending)] if ending.any() else []

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
