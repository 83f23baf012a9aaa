"""State of all slots: entries of one form together, and nothing of who had a slot before."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.bundle import Signature, StateEntry, StepGraph, Tensor
from service.engine.block import Block, alike
from service.engine.slots import SlotState

SLOTS = 4


def graph_of(shapes: list[tuple[int | str, ...]], axes: list[int]) -> tuple[StepGraph, Signature]:
    """Return a step graph that appends to a state of each shape, all under one mask."""
    entries = [
        StateEntry(input=f"past_{i}", output=f"new_{i}", mode="append", axis=axis)
        for i, axis in enumerate(axes)
    ]
    inputs = [
        Tensor(name="ids", dtype="int32", shape=("batch", 1), kind="token_ids"),
        Tensor(name="mask", dtype="float32", shape=("batch", "past"), kind="mask"),
        *[Tensor(name=f"past_{i}", dtype="float32", shape=shape) for i, shape in enumerate(shapes)],
    ]
    graph = StepGraph(signature="step", tokens="ids", past_mask="mask", logits="logits", state=tuple(entries))
    return graph, Signature(file="step.onnx", saved_model_signature="step", inputs=tuple(inputs), outputs=())


FORMS = (
    [("batch", 2, "past", 3), ("batch", 2, "past", 3), ("batch", "past", 5)],
    [2, 2, 1],
)


@given(st.lists(st.integers(1, SLOTS), min_size=1, max_size=40))
def test_a_step_appends_to_every_entry_what_each_row_was_given(widths: list[int]) -> None:
    graph, signature = graph_of(*FORMS)
    state = SlotState(graph, signature, SLOTS)
    told: list[list[list[np.ndarray]]] = [[[] for _ in graph.state] for _ in range(SLOTS)]
    numbers = np.random.default_rng(len(widths))
    for rows in widths:
        part = slice(0, rows)
        state.fit(int(state.seen.max()) + 1, SLOTS)
        state.feeds(part)
        outputs = {}
        for i, entry in enumerate(graph.state):
            shape = [1 if size == "past" else size for size in FORMS[0][i][1:]]
            outputs[entry.output] = numbers.normal(size=(rows, *shape)).astype(np.float32)
            for row in range(rows):
                told[row][i].append(outputs[entry.output][row])
        state.store(part, outputs)
    feeds = state.feeds(slice(0, SLOTS))
    for row in range(SLOTS):
        for i, (entry, axis) in enumerate(zip(graph.state, FORMS[1], strict=True)):
            kept = np.asarray(feeds[entry.input])[row]
            mine = np.take(kept, range(int(state.seen[row])), axis=axis - 1)
            expected = told[row][i]
            assert np.array_equal(mine, np.concatenate(expected, axis - 1) if expected else mine)


def step(state: SlotState, graph: StepGraph, rows: int, value: float) -> None:
    """Append a slice of `value` to each of the first rows."""
    state.feeds(slice(0, rows))
    arrays = {entry.output: state._arrays[entry.input] for entry in graph.state}
    shapes = {
        name: (rows, *[1 if size == state.room else size for size in array.shape[1:]])
        for name, array in arrays.items()
    }
    state.store(slice(0, rows), {name: np.full(shape, value, np.float32) for name, shape in shapes.items()})


def test_a_slot_that_is_taken_anew_has_no_number_of_who_had_it_even_if_that_was_none() -> None:
    graph, signature = graph_of(*FORMS)
    state = SlotState(graph, signature, SLOTS)
    for _ in range(5):
        step(state, graph, 2, np.nan)
    state.move([1], [3])
    state.renew([0, 1, 3])
    assert state.seen.tolist() == [0] * SLOTS
    for array in state._arrays.values():
        assert not array.any()


def test_of_a_slot_whose_last_run_gave_numbers_only_the_mask_is_new() -> None:
    graph, signature = graph_of(*FORMS)
    state = SlotState(graph, signature, SLOTS)
    step(state, graph, 2, 1.0)
    state.trust(slice(1, 2))
    state.move([0, 1], [2, 3])
    state.renew([0, 1, 2, 3])
    assert state.seen.tolist() == [0] * SLOTS
    left = [bool(array[slot].any()) for array in state._arrays.values() for slot in range(SLOTS)]
    assert left == [slot in {1, 3} for _ in state._arrays for slot in range(SLOTS)]


def test_a_free_axis_that_nothing_fills_is_refused() -> None:
    graph, signature = graph_of([("batch", "heads", "past", 3)], [2])
    with pytest.raises(ValueError, match="'past_0' has a free axis"):
        SlotState(graph, signature, SLOTS)


ROWS = st.tuples(st.integers(0, SLOTS - 1), st.integers(0, 6))


@given(st.lists(st.tuples(st.sampled_from(["put", "move", "resize"]), ROWS)), st.integers(0, 1))
def test_a_row_is_padded_to_the_room_whatever_was_there_before(
    done: list[tuple[str, tuple[int, int]]], pad: int
) -> None:
    block = Block([Tensor(name="a", dtype="float32", shape=("batch", "length", 2), pad=pad)], SLOTS, (1,), 2)
    kept: dict[int, list[float]] = {}
    for count, (what, (slot, size)) in enumerate(done):
        if what == "put":
            before = len(kept.get(slot, []))
            kept[slot] = [2 + count] * min(size, block.array.shape[2])
            block.put(slot, [np.full((len(kept[slot]), 2), 2 + count, np.float32)], [before])
        elif what == "move":
            block.move([slot], [size % SLOTS])
            kept[size % SLOTS] = kept.get(slot, [])
        else:
            rows = slot + 1
            kept = {each: row[:size] for each, row in kept.items() if each < rows}
            block.use(block.resized([size], rows))
            block.pad_from(rows)
        for each, row in kept.items():
            padded = row + [pad] * (block.array.shape[2] - len(row))
            assert block.by_name["a"][each].tolist() == [[value] * 2 for value in padded]


def test_rows_of_one_form_are_written_together_and_padded_to_the_room() -> None:
    tensors = [Tensor(name=name, dtype="float32", shape=("batch", 2, "length"), pad=7) for name in "ab"]
    other = Tensor(name="c", dtype="float32", shape=("batch", "length"))
    assert [[each.name for each in form] for form in alike([*tensors, other])] == [["a", "b"], ["c"]]
    block = Block(tensors, SLOTS, (2,), 4)
    block.put(1, [np.full((2, 3), value, np.float32) for value in (1, 2)], [0])
    block.put(1, [np.full((2, 2), value, np.float32) for value in (3, 4)], [3])
    assert block.by_name["a"][1].tolist() == [[3, 3, 7, 7]] * 2
    assert block.by_name["b"][1].tolist() == [[4, 4, 7, 7]] * 2
    block.use(block.resized([5], 2))
    assert block.by_name["b"][1].tolist() == [[4, 4, 7, 7, 7]] * 2
    assert block.by_name["b"].shape == (SLOTS, 2, 5)
