"""Sequences that take their tokens from one run's logits."""

import numpy as np

from service.domain import ANYONE, Sampling
from service.engine.cohort import Cohort
from service.engine.contracts import Prompt
from service.engine.decoding import SampledSequence
from service.engine.sequence import Sequence


def sequence(number: int, count: int) -> Sequence:
    decoder = SampledSequence(Sampling(temperature=0.0), count, 9)
    return Sequence(number, decoder, Prompt((1,)), ANYONE, 0.0, 1.0, slots=[number])


def logits(*tokens: int) -> np.ndarray:
    return np.eye(10, dtype=np.float32)[list(tokens)]


def test_who_has_ended_takes_no_more_tokens_while_its_row_steps_on_and_ends_once() -> None:
    whole = [sequence(0, 2), sequence(1, 4), sequence(2, 4)]
    cohort = Cohort([(each, [row]) for row, each in enumerate(whole)], 3)
    ended = []
    for tokens in ((1, 2, 3), (4, 5, 9), (6, 7, 9), (8, 8, 8)):
        _, _, ending = cohort.sample(logits(*tokens))
        ended.append([each.number for each in ending])
        for each in ending:
            each.over = True
    assert ended == [[], [0, 2], [], [1]]
    assert [each.decoder.histories()[0] for each in whole] == [(1, 4), (2, 5, 7, 8), (3, 9)]
