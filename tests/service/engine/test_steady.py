"""Feeds that stay: bound once, run on whatever is in them then."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx

from service.bundle import Tensor
from service.domain import Array, Tensors
from service.engine.contracts import BindingSession, GraphTensor
from service.engine.session import Placement, open_session
from service.engine.steady import OutputRows, SteadyFeeds
from service.engine.step import StepFeeds
from tests.service.engine.step_models import (
    ATTENTION,
    ATTENTION_SIGNATURE,
    PRESENT,
    PRESENT_SIGNATURE,
    RECURRENT,
    RECURRENT_SIGNATURE,
)
from tests.support import graphs


class Doubling:
    """A `contracts.BindingSession` that doubles `x`; counts how often it was told its arrays."""

    def __init__(self) -> None:
        self.inputs: dict[str, GraphTensor] = {}
        self.outputs: dict[str, GraphTensor] = {}
        self.told = 0

    def abreast(self, spare: int = 0) -> int:
        return 1

    def run(self, feeds: Tensors, outputs: Sequence[str]) -> list[Array]:
        self.told += 1
        return [feeds["x"] * 2 for _ in outputs]

    def bind(self, feeds: Tensors, outputs: Tensors) -> Callable[[], None]:
        self.told += 1

        def run() -> None:
            for array in outputs.values():
                np.multiply(feeds["x"], 2, out=array)

        return run


def test_a_run_sees_what_its_arrays_hold_and_writes_where_the_last_one_did() -> None:
    session, x = Doubling(), np.ones(3)
    feeds = SteadyFeeds({"x": x}, OutputRows(3))
    feeds.run(session, ["y"])
    first = feeds.outputs["y"]
    assert first.tolist() == [2, 2, 2]
    for value in (2.0, 3.0):
        x[:] = value
        (run,) = feeds.bound(session, ())
        run()
        assert feeds.outputs["y"] is first
        assert first.tolist() == [2 * value] * 3
    assert session.told == 2


def test_each_run_of_several_writes_its_rows() -> None:
    session, x = Doubling(), np.ones(5)
    feeds = SteadyFeeds({"x": x}, OutputRows(8))
    assert feeds.rows == 5
    feeds.run(session, ["y"])
    x[:] = 3
    first, second = feeds.bound(session, (3,))
    second()
    assert feeds.outputs["y"].tolist() == [2, 2, 2, 6, 6]
    first()
    assert feeds.outputs["y"].tolist() == [6, 6, 6, 6, 6]


def test_a_session_of_the_runtime_is_bound_to_arrays_of_the_host(tmp_path: Path) -> None:
    path = tmp_path / "triple.onnx"
    tensors = [Tensor(name=name, dtype="float32", shape=("batch", 3)) for name in "xy"]
    onnx.save(graphs.multiply(tensors[:1], tensors[1:], 3.0), path)
    session = open_session(path, Placement("cpu", 1))
    assert isinstance(session, BindingSession)
    (name,), (output,) = session.inputs, session.outputs
    array = np.ones((4, 3), np.float32)
    feeds = SteadyFeeds({name: array}, OutputRows(4))
    feeds.run(session, [output])
    for value, cuts in ((1.0, ()), (5.0, (1, 3)), (-2.0, (2,))):
        array[:] = value
        (expected,) = session.run({name: array.copy()}, [output])
        for run in feeds.bound(session, cuts):
            run()
        assert feeds.outputs[output].tolist() == expected.tolist()


def test_a_step_is_fed_the_same_arrays_until_they_lie_elsewhere() -> None:
    step, part = StepFeeds(RECURRENT, RECURRENT_SIGNATURE, slots=4), slice(0, 2)
    feeds = step.step(part)
    assert isinstance(feeds, SteadyFeeds)
    assert step.step(part) is feeds
    assert step.step(slice(0, 3)) is not feeds


def test_a_cache_that_grows_is_fed_anew_and_positions_are_those_of_now() -> None:
    step, part = StepFeeds(ATTENTION, ATTENTION_SIGNATURE, slots=2), slice(0, 2)
    new = {"logits": np.zeros((2, 11), np.float32), "new": np.ones((2, 1, 1), np.float32)}
    assert not isinstance(step.step(part), SteadyFeeds), "rows that are all new have no past"
    step.take(part, new)
    feeds = step.step(part)
    step.take(part, new)
    assert step.step(part) is feeds
    assert feeds["positions"].tolist() == [[2], [2]]
    step.state.fit(step.state.room + 1, 2)
    other = step.step(part)
    assert other is not feeds
    assert np.asarray(other["past"]).shape[1] == step.state.room


def test_what_rows_of_one_shape_give_is_known_from_any_number_of_them() -> None:
    session, kept = Doubling(), OutputRows(8)
    SteadyFeeds({"x": np.ones((3, 2))}, kept).run(session, ["y"])
    more = SteadyFeeds({"x": np.full((5, 2), 4.0)}, kept)
    assert more.outputs["y"].shape == (5, 2)
    more.bound(session, ())[0]()
    assert more.outputs["y"].tolist() == [[8, 8]] * 5
    assert not SteadyFeeds({"x": np.ones((3, 7))}, kept).outputs, "rows of another shape may give another one"


def test_outputs_of_another_shape_take_the_place_of_those_before() -> None:
    session, kept = Doubling(), OutputRows(8)
    narrow, wide = np.ones((3, 2)), np.ones((3, 7))
    before = SteadyFeeds({"x": narrow}, kept)
    for x in (narrow, wide, narrow):
        feeds = SteadyFeeds({"x": x}, kept)
        feeds.run(session, ["y"])
        assert feeds.outputs["y"].tolist() == (x * 2).tolist()
    before.run(session, ["y"])
    assert before.outputs["y"].base is feeds.outputs["y"].base, "there is one array for all"


def test_a_mask_over_past_and_new_is_made_for_each_step() -> None:
    step = StepFeeds(PRESENT, PRESENT_SIGNATURE, slots=2)
    step.state.seen[:] = 1
    assert not isinstance(step.step(slice(0, 2)), SteadyFeeds)
