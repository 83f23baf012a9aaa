"""Score rows of features: how unusual each is, whether that is too much, and what contributed most.

Knows features and outputs of a score model. Scaling, score and threshold are in the graph.
"""

from __future__ import annotations

import numpy as np

from service import bundle
from service.bundle import Manifest
from service.domain import Array, Contribution, ModelId, RowScore, ScoreAnswer, ScoreRequest
from service.errors import Invalid
from service.tasks.parts import Parts
from service.tasks.rows import FeatureRows

MAX_ROWS = 8192


class Score:
    """Answers `score` for one model version."""

    def __init__(self, manifest: Manifest, parts: Parts) -> None:
        task = manifest.task
        assert isinstance(task, bundle.Score)
        self._model = ModelId(manifest.name, manifest.version)
        self._task = task
        self._runner = parts.runner(task.signature)
        dtype = self._runner.signature.input(task.input).dtype
        self._rows = FeatureRows(task.features, dtype)
        self._outputs = (task.score, task.is_anomaly, task.threshold, task.contributions)

    async def run(self, request: ScoreRequest, deadline_at_s: float) -> ScoreAnswer:
        """Return score, verdict and largest contributions of each row, all rows in one run.

        A contribution's share is its part of the sum of the row's contributions by size, so that all shares
        of a row add up to 1; they are 0 where nothing contributes. More `top_features` than features mean
        all. Raises Invalid (fields `rows`, `rows[3]`, `rows[3].<feature>`, `top_features`) and whatever
        `contracts.Runner.run` raises.
        """
        count = len(request.rows)
        if not 1 <= count <= MAX_ROWS:
            raise Invalid(f"expected 1 to {MAX_ROWS} rows, got {count}", field="rows")
        if request.top_features < 0:
            raise Invalid(f"expected 0 or more, got {request.top_features}", field="top_features")
        rows = self._rows(request.rows, lambda row: f"rows[{row}]")
        answer = await self._runner.run({self._task.input: rows}, self._outputs, deadline_at_s)
        scores, verdicts, threshold, contributions = (answer.outputs[name] for name in self._outputs)
        finite = np.isfinite(scores)
        if not finite.all():
            # Its golden requests are answered: what overflows or cancels out is in the row.
            raise Invalid("the model has no finite score for these numbers", field=f"rows[{finite.argmin()}]")
        shares = shares_of(contributions)
        top = self._top(shares, request.top_features)
        return ScoreAnswer(
            self._model,
            float(threshold.reshape(-1)[0]),
            tuple(
                RowScore(score, verdict, each)
                for score, verdict, each in zip(scores.tolist(), verdicts.tolist(), top, strict=True)
            ),
            answer.timing,
        )

    def _top(self, shares: Array, count: int) -> list[tuple[Contribution, ...]]:
        names = self._task.features
        # Stable: equal shares keep the features' own order.
        order = np.argsort(-shares, axis=1, kind="stable")[:, :count]
        values = np.take_along_axis(shares, order, axis=1).tolist()
        return [
            tuple(Contribution(names[index], share) for index, share in zip(indices, row, strict=True))
            for indices, row in zip(order.tolist(), values, strict=True)
        ]


def shares_of(contributions: Array) -> Array:
    """Return each contribution's part of its row's sum, by size; rows of nothing but zeros stay zero."""
    # Divided by the largest first: the sum of large contributions must not overflow.
    sizes = np.abs(np.nan_to_num(contributions.astype(np.float64)))
    largest = sizes.max(axis=1, keepdims=True, initial=0.0)
    relative = np.divide(sizes, largest, out=np.zeros_like(sizes), where=largest > 0)
    total = relative.sum(axis=1, keepdims=True)
    shares: Array = np.divide(relative, total, out=np.zeros_like(relative), where=total > 0)
    return shares
