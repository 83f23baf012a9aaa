"""What a run is fed, and what becomes of its logits."""

import numpy as np

from service.engine.step import StepFeeds
from tests.service.engine.step_models import PRESENT, PRESENT_SIGNATURE, VOCABULARY, present


def test_padding_has_no_position_beyond_its_row() -> None:
    feeds = StepFeeds(PRESENT, PRESENT_SIGNATURE, slots=2).read(slice(0, 2), [(1, 2, 3), (4,)])
    assert feeds["position_ids"].tolist() == [[0, 1, 2], [0, 0, 0]]


def test_suppressed_tokens_have_the_least_logit_and_the_others_their_own() -> None:
    graph = PRESENT.model_copy(update={"suppressed": (0, 7)})
    feeds = StepFeeds(graph, PRESENT_SIGNATURE, slots=1)
    outputs = present(feeds.read(slice(0, 1), [(1, 2)]))
    logits = feeds.take(slice(0, 1), outputs, [2])
    assert logits[0, [0, 7]].tolist() == [np.finfo(np.float32).min] * 2
    kept = [token for token in range(VOCABULARY) if token not in {0, 7}]
    assert logits[0, kept].tolist() == outputs["logits"][0, 1, kept].tolist()
    assert np.isfinite(logits).all()
