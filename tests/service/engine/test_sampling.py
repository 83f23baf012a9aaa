"""Choosing the next token of one row."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from service.domain import Array, Sampling
from service.engine.sampling import Sampler, SamplerGroup, length_penalty, log_normalisers, most_probable

LOGITS = np.array([0.0, 3.0, 1.0, 2.5, -1.0], np.float32)


def draw(sampling: Sampling, logits: Array = LOGITS, count: int = 400) -> list[int]:
    group = SamplerGroup([Sampler(sampling)])
    return [int(group.choose(logits[None], logits[None].argmax(axis=1))[0]) for _ in range(count)]


def test_temperature_zero_is_greedy() -> None:
    assert set(draw(Sampling(temperature=0.0))) == {1}


def test_top_k_one_is_greedy_at_any_temperature() -> None:
    assert set(draw(Sampling(temperature=5.0, top_k=1))) == {1}


def test_top_k_keeps_the_most_probable() -> None:
    assert set(draw(Sampling(temperature=2.0, top_k=2, seed=1))) == {1, 3}


@pytest.mark.parametrize("vocabulary", [6, 500])
def test_of_equal_tokens_top_k_keeps_the_lower_ids(vocabulary: int) -> None:
    assert set(draw(Sampling(top_k=2, seed=1), np.zeros(vocabulary, np.float32))) == {0, 1}


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
@example(np.array([0, 0, 0, -0.0, 0, 0, 0, 0, -1e-38], np.float32), 0.05, 4, 0.65)
@example(np.array([0, 0, 0, 0, 0, 0, 0, 5.8e-24, 0], np.float32), 1.0, 1, 1.0)
@example(np.array([-5.8e-24, 0, 0, -5.8e-24, 0, 0, 0, 0, 0], np.float32), 1.0, 7, 1.0)
def test_a_token_outside_top_k_is_never_drawn(
    logits: Array, temperature: float, top_k: int, top_p: float
) -> None:
    allowed = np.sort(logits)[::-1][(top_k or 9) - 1]
    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p, seed=1)
    assert all(logits[token] >= allowed for token in draw(sampling, logits, 5))


FINITE = arrays.arrays(np.float32, 9, elements=st.floats(-50, 50, width=32))
COUNTS = st.dictionaries(st.integers(0, 8), st.integers(1, 50))
PENALTIES = st.floats(-2, 2)


@given(FINITE, COUNTS, PENALTIES, PENALTIES, st.dictionaries(st.integers(0, 8), st.floats(-100, 100)))
def test_bias_and_penalties_change_the_logits_as_the_formula_says(
    logits: Array, counts: dict[int, int], presence: float, frequency: float, bias: dict[int, float]
) -> None:
    sampling = Sampling(
        presence_penalty=presence, frequency_penalty=frequency, logit_bias=tuple(bias.items())
    )
    expected = [
        float(logits[token])
        + bias.get(token, 0.0)
        - counts.get(token, 0) * frequency
        - (counts.get(token, 0) > 0) * presence
        for token in range(9)
    ]
    sampler = Sampler(sampling)
    sampler.adjust(np.zeros(9))
    for token, count in counts.items():
        for _ in range(count):
            sampler.count(token)
    changed = logits.astype(np.float64)
    sampler.adjust(changed)
    assert changed == pytest.approx(expected)


@given(FINITE, st.integers(0, 8), st.sampled_from([0.0, 0.5, 2.0]))
def test_enough_bias_forces_a_token_at_any_temperature(logits: Array, token: int, temperature: float) -> None:
    others = tuple((other, -100.0) for other in range(9) if other != token)
    sampling = Sampling(temperature=temperature, logit_bias=((token, 100.0), *others), seed=1)
    assert set(draw(sampling, logits, 5)) == {token}


@given(FINITE)
def test_bias_that_is_nothing_changes_nothing(logits: Array) -> None:
    biased = Sampling(seed=5, logit_bias=((0, 0.0),))
    assert draw(biased, logits, 9) == draw(Sampling(seed=5), logits, 9)


def test_bias_and_penalties_come_before_the_temperature() -> None:
    # At a low temperature, a bias of 2.5 on the third best is as good as certain.
    assert set(draw(Sampling(temperature=0.01, logit_bias=((2, 2.5),), seed=1))) == {2}


def test_a_frequency_penalty_counts_and_a_presence_penalty_does_not() -> None:
    logits = np.array([3.0, 2.0, 0.0], np.float32)
    assert draw(Sampling(temperature=0, frequency_penalty=0.4), logits, 6) == [0, 0, 0, 1, 0, 1]
    assert draw(Sampling(temperature=0, presence_penalty=0.4), logits, 6) == [0] * 6
    assert draw(Sampling(temperature=0, presence_penalty=1.5), logits, 3) == [0, 1, 0]


@given(FINITE)
def test_a_negative_penalty_keeps_the_first_greedy_token(logits: Array) -> None:
    drawn = draw(Sampling(temperature=0, presence_penalty=-1, frequency_penalty=-1), logits, 4)
    assert drawn == [int(logits.argmax())] * 4


@given(FINITE, st.integers(0, 12))
def test_the_most_probable_are_the_largest_in_order_and_none_is_more_probable_than_the_first(
    logits: Array, count: int
) -> None:
    normaliser = float(log_normalisers(logits[None])[0])
    top = most_probable(logits, normaliser, count)
    assert [token for token, _ in top] == list(np.argsort(-logits, kind="stable")[:count])
    assert [logprob for _, logprob in top] == [float(logits[token]) - normaliser for token, _ in top]
    assert sum(np.exp([logprob for _, logprob in top])) <= 1 + 1e-6
    assert len(top) == min(count, 9)


def test_of_equal_tokens_the_lower_ids_are_told() -> None:
    assert [token for token, _ in most_probable(np.zeros(50, np.float32), 0.0, 3)] == [0, 1, 2]


def test_the_length_penalty_is_that_of_the_paper() -> None:
    assert length_penalty(1, 0.6) == 1.0
    assert length_penalty(7, 1.0) == 2.0
    assert length_penalty(50, 0.0) == 1.0


def left_by_hand(logits: Array, sampling: Sampling) -> set[int]:
    """Return the tokens that top-k, min-p and top-p leave, by their definitions."""
    scaled = (logits - logits.max()).astype(np.float32) / np.float32(sampling.temperature)
    weights = np.exp(scaled).astype(np.float64)
    order = np.argsort(-weights, kind="stable")[: sampling.top_k or None]
    order = order[weights[order] >= np.float32(sampling.min_p)]
    before = np.cumsum(weights[order]) - weights[order]
    kept = order[before < sampling.top_p * weights[order].sum() * (1 + 1e-6)]
    return set(np.flatnonzero(weights >= weights[kept[-1]]).tolist())


@pytest.mark.parametrize("vocabulary", [7, 100, 1000])
@given(
    seed=st.integers(0, 50),
    spread=st.sampled_from([0.1, 1.0, 5.0]),
    top_k=st.sampled_from([0, 2, 5, 300]),
    top_p=st.sampled_from([0.3, 0.9, 1.0]),
    min_p=st.sampled_from([0.0, 0.05, 0.6, 1.0]),
)
@settings(max_examples=25, deadline=None)
def test_what_is_drawn_is_what_the_truncations_leave(  # one for each of them
    vocabulary: int, seed: int, spread: float, top_k: int, top_p: float, min_p: float
) -> None:
    logits = np.random.default_rng(seed).normal(0, spread, vocabulary).astype(np.float32)
    sampling = Sampling(temperature=0.9, top_k=top_k, top_p=top_p, min_p=min_p, seed=seed)
    drawn = set(draw(sampling, logits, 30))
    left = left_by_hand(logits, sampling)
    assert drawn <= left
    least = np.exp((logits[list(left)].min() - logits.max()) / sampling.temperature)
    if len(left) <= 3 and least > 0.1:  # at least one draw in thirty
        assert left == set(draw(sampling, logits, 300))


def test_min_p_drops_what_is_improbable_beside_the_best() -> None:
    # The others have 0.61, 0.14, 0.05 and 0.02 of the best one's probability.
    assert set(draw(Sampling(min_p=0.5, seed=1))) == {1, 3}
    assert set(draw(Sampling(min_p=1.0, seed=1))) == {1}


def test_a_repetition_penalty_counts_the_prompt_and_divides_or_multiplies() -> None:
    sampler = Sampler(Sampling(repetition_penalty=2.0), prompt=(0, 1))
    logits = np.array([3.0, -1.0, 2.0, -4.0])
    sampler.adjust(logits)
    sampler.count(2)
    assert logits.tolist() == [1.5, -2.0, 2.0, -4.0]
    again = np.array([3.0, -1.0, 2.0, -4.0])
    sampler.adjust(again)
    assert again.tolist() == [1.5, -2.0, 1.0, -4.0]


KINDS = [
    Sampling(temperature=0),
    Sampling(seed=1),
    Sampling(temperature=0.7, top_k=4, seed=2),
    Sampling(top_p=0.8, seed=3),
    Sampling(min_p=0.1, seed=4),
    Sampling(presence_penalty=1.0, frequency_penalty=0.3, repetition_penalty=1.3, seed=5),
    Sampling(temperature=0, logit_bias=((3, 5.0),)),
]


@pytest.mark.parametrize("vocabulary", [9, 700])
@given(st.lists(st.sampled_from(KINDS), min_size=1, max_size=9), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_a_row_in_company_draws_what_it_draws_alone(
    vocabulary: int, kinds: list[Sampling], seed: int
) -> None:
    steps = np.random.default_rng(seed).normal(0, 2, (6, len(kinds), vocabulary)).astype(np.float32)
    together = SamplerGroup([Sampler(kind, (0, 1)) for kind in kinds])
    found = np.array([together.choose(logits, logits.argmax(axis=1)) for logits in steps])
    for row, kind in enumerate(kinds):
        alone = SamplerGroup([Sampler(kind, (0, 1))])
        mine = [int(alone.choose(logits[[row]], logits[[row]].argmax(axis=1))[0]) for logits in steps]
        assert found[:, row].tolist() == mine
