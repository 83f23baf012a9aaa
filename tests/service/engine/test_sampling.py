"""Choosing the next token of one row."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from service.domain import Array, Sampling
from service.engine.sampling import Sampler, length_penalty, log_normalisers

LOGITS = np.array([0.0, 3.0, 1.0, 2.5, -1.0], np.float32)


def draw(sampling: Sampling, logits: Array = LOGITS, count: int = 400) -> list[int]:
    sampler = Sampler(sampling)
    return [sampler.choose(logits, int(logits.argmax())) for _ in range(count)]


def test_temperature_zero_is_greedy() -> None:
    assert set(draw(Sampling(temperature=0.0))) == {1}


def test_top_k_one_is_greedy_at_any_temperature() -> None:
    assert set(draw(Sampling(temperature=5.0, top_k=1))) == {1}


def test_top_k_keeps_the_most_probable() -> None:
    assert set(draw(Sampling(temperature=2.0, top_k=2, seed=1))) == {1, 3}


def test_top_p_keeps_the_smallest_head_that_reaches_it() -> None:
    probabilities = np.exp(LOGITS) / np.exp(LOGITS).sum()
    assert probabilities[1] < 0.6 < probabilities[1] + probabilities[3]
    assert set(draw(Sampling(top_p=0.6, seed=1))) == {1, 3}


def test_a_tiny_top_p_still_leaves_the_best() -> None:
    assert set(draw(Sampling(top_p=1e-9, seed=1))) == {1}


def test_the_same_seed_draws_the_same_tokens() -> None:
    assert draw(Sampling(seed=7)) == draw(Sampling(seed=7))
    assert draw(Sampling(seed=7)) != draw(Sampling(seed=8))


def test_tokens_are_drawn_in_proportion_to_their_probability() -> None:
    drawn = np.bincount(draw(Sampling(seed=3), count=20_000), minlength=5) / 20_000
    assert drawn == pytest.approx(np.exp(LOGITS) / np.exp(LOGITS).sum(), abs=0.02)


@given(arrays.arrays(np.float32, (3, 9), elements=st.floats(-50, 50, width=32)))
def test_log_normalisers_make_probabilities_of_logits(logits: Array) -> None:
    probabilities = np.exp(logits.astype(np.float64) - log_normalisers(logits)[:, None])
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(3))


@given(
    arrays.arrays(np.float32, 9, elements=st.floats(-50, 50, width=32)),
    st.floats(0.05, 3.0),
    st.integers(0, 9),
    st.floats(0.01, 1.0),
)
def test_a_token_outside_top_k_is_never_drawn(
    logits: Array, temperature: float, top_k: int, top_p: float
) -> None:
    allowed = np.sort(logits)[::-1][(top_k or 9) - 1]
    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p, seed=1)
    assert all(logits[token] >= allowed for token in draw(sampling, logits, 5))


def test_the_length_penalty_is_that_of_the_paper() -> None:
    assert length_penalty(1, 0.6) == 1.0
    assert length_penalty(7, 1.0) == 2.0
    assert length_penalty(50, 0.0) == 1.0
