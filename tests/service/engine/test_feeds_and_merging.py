"""Checking, merging and splitting the tensors of requests."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.bundle import Signature, Tensor
from service.engine.feeds import FeedCheck, bucket
from service.engine.merging import Merger, OutputRowsError
from service.errors import Invalid


def signature(inputs: list[Tensor], outputs: list[Tensor]) -> Signature:
    return Signature(
        file="model.onnx", saved_model_signature="s", inputs=tuple(inputs), outputs=tuple(outputs)
    )


IMAGE = signature(
    [Tensor(name="image", dtype="float32", shape=("batch", 28, 28, 1))],
    [Tensor(name="y", dtype="float32", shape=("batch", 2)), Tensor(name="t", dtype="float32", shape=())],
)
TEXT = signature(
    [
        Tensor(name="ids", dtype="int32", shape=("batch", "time"), kind="token_ids", pad=7),
        Tensor(name="weight", dtype="float32", shape=("batch", "time", 2)),
    ],
    [Tensor(name="states", dtype="float32", shape=("batch", "time", 3))],
)


@pytest.mark.parametrize(
    ("feeds", "field", "message"),
    [
        ({}, "inputs.image", "missing input 'image'"),
        ({"image": 0, "x": 0}, "inputs.x", "unknown input 'x'; expected image"),
        (
            {"image": np.zeros((3, 28, 28), np.float32)},
            "inputs.image",
            r"expected shape \[-1, 28, 28, 1\], got \[3, 28, 28\]",
        ),
        ({"image": np.zeros((1, 28, 28, 3), np.float32)}, "inputs.image", r"got \[1, 28, 28, 3\]"),
        ({"image": np.zeros((1, 28, 28, 1))}, "inputs.image", "expected dtype float32, got float64"),
        ({"image": np.zeros((0, 28, 28, 1), np.float32)}, "inputs.image", "at least one row"),
    ],
)
def test_a_wrong_request_is_refused_before_it_meets_others(
    feeds: dict[str, Any], field: str, message: str
) -> None:
    with pytest.raises(Invalid, match=message) as caught:
        FeedCheck(IMAGE)(feeds, ())
    assert caught.value.field == field


def test_an_unknown_output_is_refused() -> None:
    with pytest.raises(Invalid, match="unknown output 'z'; this signature has y, t"):
        FeedCheck(IMAGE)({"image": np.zeros((1, 28, 28, 1), np.float32)}, ("z",))


def test_axes_of_one_name_must_have_one_size() -> None:
    feeds = {"ids": np.zeros((2, 5), np.int32), "weight": np.zeros((2, 4, 2), np.float32)}
    with pytest.raises(Invalid, match=r"input 'weight': expected shape \[-1, 5, 2\], got \[2, 4, 2\]"):
        FeedCheck(TEXT)(feeds, ())


def test_an_output_without_a_batch_axis_goes_to_everyone_whole() -> None:
    check, merger = FeedCheck(IMAGE), Merger(IMAGE)
    requests = [check({"image": np.zeros((rows, 28, 28, 1), np.float32)}, ()) for rows in (1, 2)]
    answers = merger.split([np.arange(6, dtype=np.float32).reshape(3, 2), np.float32(4)], requests)
    assert [answer["t"] for answer in answers] == [4, 4]
    assert answers[1]["y"].tolist() == [[2, 3], [4, 5]]


def test_a_graph_that_loses_rows_is_found_out() -> None:
    check, merger = FeedCheck(IMAGE), Merger(IMAGE)
    requests = [check({"image": np.zeros((1, 28, 28, 1), np.float32)}, ("y",)) for _ in range(2)]
    with pytest.raises(OutputRowsError, match="for 2 rows"):
        merger.split([np.zeros((1, 2), np.float32)], requests)
    with pytest.raises(OutputRowsError, match="for 1 rows"):
        merger.split([np.zeros((2, 2), np.float32)], requests[:1])


def test_a_signature_without_a_batch_axis_never_merges() -> None:
    whole = signature(
        [Tensor(name="k", dtype="int64", shape=())], [Tensor(name="y", dtype="int64", shape=(3,))]
    )
    assert FeedCheck(whole)({"k": np.array(1)}, ()).key is None


def test_strings_merge_as_they_are() -> None:
    words = signature([Tensor(name="w", dtype="string", shape=("batch",))], [])
    check = FeedCheck(words)
    requests = [check({"w": np.array(text, object)}, ()) for text in (["a"], ["b", "c"])]
    assert Merger(words).merge(requests).feeds["w"].tolist() == ["a", "b", "c"]


def test_a_transposed_array_is_merged_by_its_values() -> None:
    check, merger = FeedCheck(TEXT), Merger(TEXT)
    values = np.arange(8, dtype=np.float32).reshape(2, 4).T.reshape(1, 4, 2)
    feeds = {"ids": np.zeros((1, 4), np.int32), "weight": values}
    merged = merger.merge([check(feeds, ()), check(feeds, ())])
    assert merged.feeds["weight"].tolist() == [values[0].tolist()] * 2


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(9, 16)), min_size=1, max_size=6))
def test_ragged_requests_come_back_as_they_went_in(shapes: list[tuple[int, int]]) -> None:
    check, merger = FeedCheck(TEXT), Merger(TEXT)
    counter = iter(range(10_000))
    requests = []
    for rows, time in shapes:
        ids = np.array([[next(counter) for _ in range(time)] for _ in range(rows)], np.int32)
        weight = np.stack([ids, ids], axis=2).astype(np.float32)
        requests.append(check({"ids": ids, "weight": weight}, ()))
    assert len({request.key for request in requests}) == 1
    merged = merger.merge(requests)
    longest = max(time for _, time in shapes)
    assert merged.feeds["ids"].shape == (sum(rows for rows, _ in shapes), longest)
    states = np.repeat(merged.feeds["ids"][:, :, None], 3, axis=2).astype(np.float32)
    for request, answer in zip(requests, merger.split([states], requests), strict=True):
        assert np.array_equal(answer["states"][:, :, 0], request.feeds["ids"])
    given_elements = sum(rows * time for rows, time in shapes)
    made = sum(rows for rows, _ in shapes) * longest
    assert merged.padding == pytest.approx(1 - given_elements / made)


@given(st.integers(1, 5000))
def test_a_bucket_holds_its_length_and_pads_it_to_less_than_double_or_eight(length: int) -> None:
    assert length <= bucket(length) <= max(8, 2 * length - 1)


def test_lengths_of_different_buckets_do_not_merge() -> None:
    check = FeedCheck(TEXT)
    keys = {
        check({"ids": np.zeros((1, n), np.int32), "weight": np.zeros((1, n, 2), np.float32)}, ()).key
        for n in (3, 8, 9, 100)
    }
    assert len(keys) == 3
