import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.drawing import Case, cases, draw, free_axes
from export.errors import RecipeError
from service.bundle import Tensor
from tests.export.toys import STEP, WORDS

PADDED = Tensor(name="ids", dtype="int32", shape=("batch", "time"), kind="token_ids", range=(3, 9), pad=3)
ROWS = st.integers(1, 9)
LENGTHS = st.integers(1, 12)
SEEDS = st.integers(0, 2**31 - 1)


@given(rows=ROWS, time=LENGTHS, seed=SEEDS)
def test_token_ids_are_valid_up_to_their_length_and_padding_from_there(
    rows: int, time: int, seed: int
) -> None:
    feeds = draw((PADDED, WORDS[1]), Case(rows, {"time": time}, seed)).feeds
    assert feeds["ids"].shape == (rows, time)
    assert feeds["lengths"].shape == (rows,)
    for ids, length in zip(feeds["ids"], feeds["lengths"], strict=True):
        assert 1 <= length <= time
        assert ((ids[:length] >= 3) & (ids[:length] < 9)).all()
        assert (ids[length:] == 3).all()


@given(rows=ROWS, time=LENGTHS, seed=SEEDS)
def test_without_lengths_the_pad_id_marks_the_end_and_stands_nowhere_else(
    rows: int, time: int, seed: int
) -> None:
    drawn = draw((PADDED,), Case(rows, {"time": time}, seed))
    for ids, length in zip(drawn.feeds["ids"], drawn.valid["time"], strict=True):
        assert (ids != 3).sum() == length
        assert (ids[:length] != 3).all()


@given(rows=ROWS, past=st.integers(0, 12), source=LENGTHS, seed=SEEDS)
def test_masks_and_positions_agree_with_what_is_valid(rows: int, past: int, source: int, seed: int) -> None:
    drawn = draw(STEP, Case(rows, {"past": past, "source": source}, seed))
    for name, axis, least in (("past_mask", "past", 0), ("source_mask", "source", 1)):
        counts = drawn.feeds[name].sum(axis=1)
        np.testing.assert_array_equal(counts, drawn.valid[axis])
        assert (counts >= least).all()
        assert (np.diff(drawn.feeds[name], axis=1) <= 0).all(), "valid entries come first"
    np.testing.assert_array_equal(drawn.feeds["position"][:, 0], drawn.valid["past"])
    assert drawn.feeds["past_key"].shape == (rows, 2, past, 4)
    assert drawn.feeds["cross_key"].shape == (rows, 2, source, 4)


@given(rows=ROWS, time=LENGTHS, seed=SEEDS)
def test_one_case_always_draws_the_same(rows: int, time: int, seed: int) -> None:
    first, second = (draw(WORDS, Case(rows, {"time": time}, seed)).feeds for _ in range(2))
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name])


@given(rows=ROWS, seed=SEEDS)
def test_mixed_values_stay_within_the_example(rows: int, seed: int) -> None:
    tensor = Tensor(name="x", dtype="float32", shape=("batch", 2))
    example = {"x": np.array([[1, 100], [2, 300], [3, 200]], np.float32)}
    x = draw((tensor,), Case(rows, {}, seed, mixed=True), example).feeds["x"]
    assert x.dtype == np.float32
    assert x.shape == (rows, 2)
    assert ((x >= [1, 100]) & (x <= [3.0001, 300.01])).all()


@given(seed=SEEDS)
def test_numbers_keep_to_their_range_and_dtype(seed: int) -> None:
    tensors = (
        Tensor(name="f", dtype="float32", shape=("batch", 4), range=(2, 3)),
        Tensor(name="i", dtype="int64", shape=("batch",), range=(5, 7)),
        Tensor(name="b", dtype="bool", shape=("batch", 2)),
    )
    feeds = draw(tensors, Case(6, {}, seed)).feeds
    assert ((feeds["f"] >= 2) & (feeds["f"] <= 3)).all()
    assert set(feeds["i"]) <= {5, 6}
    assert [feeds[name].dtype for name in "fib"] == [np.float32, np.int64, np.bool_]


def test_the_cases_cover_every_batch_size_length_and_an_empty_past() -> None:
    found = list(cases(STEP))
    assert {case.rows for case in found} == {1, 3, 32}
    assert {case.sizes["past"] for case in found} == {0, 1, 7}
    assert {case.sizes["source"] for case in found} == {1, 6, 33}
    assert {case.mixed for case in found} == {True, False}
    assert len(found) == 3 * 3 * 3 * 2


def test_the_cases_of_a_sequence_are_ragged() -> None:
    drawn = [draw(WORDS, case) for case in cases(WORDS)]
    assert any(request.ragged for request in drawn)
    assert not any(request.ragged for request in drawn if request.feeds["ids"].shape[1] == 1)


def test_tokens_of_a_fixed_width_are_ragged_too() -> None:
    tensor = Tensor(name="ids", dtype="int64", shape=("batch", 8), kind="token_ids", range=(1, 9))
    assert draw((tensor,), Case(32, {}, 0)).ragged


def test_a_signature_without_free_axes_has_no_raggedness() -> None:
    tensor = Tensor(name="image", dtype="float32", shape=("batch", 4, 4, 1))
    assert free_axes((tensor,)) == ()
    assert not draw((tensor,), Case(3, {}, 0)).ragged


@pytest.mark.parametrize(
    ("tensor", "reason"),
    [
        (Tensor(name="text", dtype="string", shape=("batch",)), "strings cannot be drawn"),
        (Tensor(name="ids", dtype="int32", shape=("batch", 4), kind="token_ids"), "need a range"),
        (Tensor(name="n", dtype="int32", shape=("batch",), kind="lengths"), "need an input of token ids"),
        (
            Tensor(name="m", dtype="float32", shape=("batch", 1, 4), kind="mask"),
            r"has the shape \[batch, axis\]",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused_by_name(tensor: Tensor, reason: str) -> None:
    with pytest.raises(RecipeError, match=f"input '{tensor.name}'.*{reason}"):
        draw((tensor,), Case(2, {}, 0))


def test_a_single_number_is_drawn_and_never_mixed_with_its_example() -> None:
    count = Tensor(name="k", dtype="int32", shape=(), range=(1, 4))
    drawn = {
        int(draw((count,), Case(3, {}, seed, mixed=True), {"k": np.array(9, np.int32)}).feeds["k"])
        for seed in range(30)
    }
    assert drawn == {1, 2, 3}
