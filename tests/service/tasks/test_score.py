"""Scores, verdicts and what contributed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis.extra import numpy as numpy_strategies

from service import bundle
from service.bundle import BundleError
from service.domain import Array, Contribution, ModelId, ScoreRequest, Tensors, Timing
from service.errors import Invalid
from service.tasks import build_task
from service.tasks.build import Task
from service.tasks.score import MAX_ROWS, shares_of
from tests.support.bundles import DEVIATION, MEAN, THRESHOLD, score_of, write_scorer
from tests.support.fakes import FakeRunner

NEVER_S = 1e9
TIMING = Timing(queue_s=0.1, run_s=0.2, batch_rows=7)


def compute(feeds: Tensors) -> Tensors:
    rows = feeds["features"]
    return {
        "score": score_of(rows),
        "is_anomaly": score_of(rows) > THRESHOLD,
        "threshold": np.full(len(rows), THRESHOLD, np.float32),
        "contributions": np.square((rows - MEAN) / DEVIATION),
    }


@pytest.fixture
def manifest(tmp_path: Path) -> bundle.Manifest:
    return bundle.read(write_scorer(tmp_path))


@pytest.fixture
def runner(manifest: bundle.Manifest) -> FakeRunner:
    return FakeRunner(manifest.default, compute, timing=TIMING)


@pytest.fixture
def score(manifest: bundle.Manifest, runner: FakeRunner, tmp_path: Path) -> Task:
    return build_task(manifest, {"score": runner}, None, tmp_path)


async def test_each_row_has_a_score_a_verdict_and_its_largest_contributions(score: Task) -> None:
    rows: tuple[Any, ...] = ([1, 2, 3], {"length": 9, "width": 2, "height": 1})
    answer = await score.run(ScoreRequest(rows, top_features=2), NEVER_S)
    assert (answer.model, answer.threshold, answer.timing) == (ModelId("boxes", 1), THRESHOLD, TIMING)
    normal, strange = answer.rows
    assert (normal.score, normal.is_anomaly) == (0.0, False)
    assert [each.share for each in normal.contributions] == [0.0, 0.0]
    assert (strange.score, strange.is_anomaly) == (pytest.approx(80 / 3), True)
    assert strange.contributions == (
        Contribution("length", pytest.approx(0.8)),
        Contribution("height", pytest.approx(0.2)),
    )


async def test_all_rows_of_a_request_are_one_run(score: Task, runner: FakeRunner) -> None:
    await score.run(ScoreRequest(([1, 2, 3],) * 100), NEVER_S)
    assert [len(call.feeds["features"]) for call in runner.calls] == [100]


@pytest.mark.parametrize(("asked", "given"), [(0, 0), (2, 2), (99, 3)])
async def test_as_many_features_come_back_as_were_asked_for_and_there_are(
    score: Task, asked: int, given: int
) -> None:
    answer = await score.run(ScoreRequest(([9, 9, 9],), top_features=asked), NEVER_S)
    assert len(answer.rows[0].contributions) == given


@pytest.mark.parametrize(
    ("request_", "field", "message"),
    [
        (ScoreRequest(()), "rows", "expected 1 to 8192 rows, got 0"),
        (ScoreRequest(([1, 2, 3],) * (MAX_ROWS + 1)), "rows", "expected 1 to 8192 rows, got 8193"),
        (ScoreRequest(([1, 2, 3],), top_features=-1), "top_features", "expected 0 or more, got -1"),
        (ScoreRequest(([1, 2, 3], [1, 2])), "rows[1]", "expected 3 numbers, got 2"),
        (ScoreRequest(([1, 2, float("nan")],)), "rows[0].height", "expected a finite number"),
    ],
)
async def test_a_wrong_request_names_its_field_and_runs_nothing(
    score: Task, runner: FakeRunner, request_: ScoreRequest, field: str, message: str
) -> None:
    with pytest.raises(Invalid, match=message) as caught:
        await score.run(request_, NEVER_S)
    assert caught.value.field == field
    assert runner.calls == []


async def test_a_row_without_a_finite_score_is_named(manifest: bundle.Manifest, tmp_path: Path) -> None:
    runner = FakeRunner(
        manifest.default, lambda feeds: {**compute(feeds), "score": np.array([1, np.nan], np.float32)}
    )
    task = build_task(manifest, {"score": runner}, None, tmp_path)
    with pytest.raises(Invalid, match="no finite score") as caught:
        await task.run(ScoreRequest(([1, 2, 3], [4, 5, 6])), NEVER_S)
    assert caught.value.field == "rows[1]"


def test_a_version_whose_signature_nothing_runs_is_not_built(
    manifest: bundle.Manifest, tmp_path: Path
) -> None:
    with pytest.raises(BundleError, match="nothing runs the signature 'score'"):
        build_task(manifest, {}, None, tmp_path)


@example(np.array([[np.inf, np.inf, 1], [np.nan, 0, 2], [3e38, 3e38, 3e38]], np.float32))
@given(numpy_strategies.arrays(np.float32, numpy_strategies.array_shapes(min_dims=2, max_dims=2)))
def test_shares_add_up_to_one_or_are_all_zero(contributions: Array) -> None:
    shares = shares_of(contributions)
    assert ((shares >= 0) & (shares <= 1)).all()
    for total, row in zip(shares.sum(axis=1), np.nan_to_num(contributions), strict=True):
        assert total == pytest.approx(1 if row.any() else 0)
