"""Sessions around sessions."""

import numpy as np

from service.domain import Tensors
from service.engine.chained import BoundSession, ChainedSession
from service.engine.contracts import GraphTensor
from tests.support.fakes import FakeSession

ROW = GraphTensor("float32", ("batch", "width"))


def doubling() -> FakeSession:
    return FakeSession(
        lambda feeds: {"hidden": feeds["ids"] * 2, "unused": feeds["ids"]},
        inputs={"ids": ROW, "mask": ROW},
        outputs={"hidden": ROW, "unused": ROW},
    )


def adding() -> FakeSession:
    def compute(feeds: Tensors) -> Tensors:
        return {"sum": feeds["encoded"] + feeds["source_mask"] + feeds["ids"], "rows": feeds["past"]}

    return FakeSession(
        compute,
        inputs={"encoded": ROW, "source_mask": ROW, "ids": ROW, "past": ROW, "scale": ROW},
        outputs={"sum": ROW, "rows": ROW},
    )


def chained(first: FakeSession, second: FakeSession) -> ChainedSession:
    return ChainedSession(
        first,
        second,
        first_names={"ids": "source", "mask": "source_mask", "hidden": "encoded"},
        second_names={"sum": "total"},
        same={"ids": np.array([5.0], np.float32), "past": np.zeros((0,), np.float32)},
    )


def test_a_bound_input_is_not_asked_for_and_always_has_its_value() -> None:
    session = BoundSession(adding(), {"scale": np.ones((1, 1), np.float32)})
    assert set(session.inputs) == {"encoded", "source_mask", "ids", "past"}
    ones = np.ones((1, 1), np.float32)
    (total,) = session.run(dict.fromkeys(session.inputs, ones), ["sum"])
    assert total.tolist() == [[3]]


def test_a_chain_takes_what_neither_part_makes_and_gives_what_both_make() -> None:
    session = chained(doubling(), adding())
    assert set(session.inputs) == {"source", "source_mask", "scale"}
    assert set(session.outputs) == {"encoded", "unused", "total", "rows"}


def test_a_chain_feeds_the_second_part_what_the_first_made_and_every_row_the_same_of_the_rest() -> None:
    first, second = doubling(), adding()
    ones = np.ones((2, 1), np.float32)
    feeds = {"source": ones * 10, "source_mask": ones, "scale": ones}
    encoded, rows, total = chained(first, second).run(feeds, ["encoded", "rows", "total"])
    assert (encoded.tolist(), rows.shape, total.tolist()) == ([[20], [20]], (2, 0), [[26], [26]])
    assert len(first.feeds) == len(second.feeds) == 1
