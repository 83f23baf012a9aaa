"""State on a device: the same tokens as from the host's memory. Here the device is the CPU's provider, bound."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service import bundle
from service.bundle import Generate, Signature, StateEntry, StepGraph, Tensor, Translate
from service.domain import Caller, Sampling
from service.engine.contracts import Prompt
from service.engine.device import Resident
from service.engine.generator import GenerationLimits, Generator
from service.engine.placing import place
from service.engine.resident import ResidentContext, ResidentState
from service.engine.session import OnnxSession, Placement, open_session
from service.engine.slots import SlotState
from service.errors import Internal
from tests.service.engine.step_models import COUNTING, COUNTING_SIGNATURE, PRESENT, PRESENT_SIGNATURE, present
from tests.support import bundles, graphs
from tests.support.fake_device import FakeDevice, view_of

Step = tuple[OnnxSession, StepGraph, Signature]


def _whole(directory: Path) -> Step:
    """A decoder as Hugging Face's exporters declare it; each token's logits peak at the sum of what it may see."""
    size = 23
    inputs = (
        Tensor(name="input_ids", dtype="int64", shape=("batch", "sequence"), kind="token_ids"),
        Tensor(name="position_ids", dtype="int64", shape=("batch", "sequence"), kind="positions"),
        Tensor(name="attention_mask", dtype="int64", shape=("batch", "total"), kind="mask"),
        Tensor(name="past", dtype="float16", shape=("batch", 2, "past", 3), kind="state"),
    )
    outputs = (
        Tensor(name="logits", dtype="float32", shape=("batch", "sequence", size)),
        Tensor(name="present", dtype="float16", shape=("batch", 2, "total", 3)),
    )
    node = graphs.node
    nodes = [
        # new [batch, 2, sequence, 3]: the id times the place's parity and one
        node("Mod", "position_ids two", "parity"),
        node("Add", "parity one", "weight"),
        node("Mul", "input_ids weight", "worth"),
        node("Unsqueeze", "worth outside", "worth_4"),
        node("Cast", "worth_4", "worth_half", to=10),
        node("Mul", "worth_half pattern", "new"),
        node("Concat", "past new", "present", axis=2),
        # what is valid, summed up to each new token
        node("Cast", "attention_mask", "mask_half", to=10),
        node("Unsqueeze", "mask_half outside", "mask_4"),
        node("Mul", "present mask_4", "seen"),
        node("ReduceSum", "seen inner", "seen_tokens", keepdims=0),
        node("Cast", "seen_tokens", "seen_float", to=1),
        node("CumSum", "seen_float last", "sums"),
        node("Shape", "input_ids", "time", start=1, end=2),
        node("Neg", "time", "from"),
        node("Slice", "sums from most axis", "own"),
        node("Mod", "own size", "target", fmod=1),
        node("Unsqueeze", "target two_axis", "target_3"),
        node("Sub", "entries target_3", "away"),
        node("Abs", "away", "distance"),
        node("Mul", "distance slope", "logits"),
    ]
    constants = {
        "one": np.array(1),
        "two": np.array(2),
        "outside": np.array([1, 3]),
        "inner": np.array([1, 3]),
        "two_axis": np.array([2]),
        "axis": np.array([1]),
        "last": np.array(1),
        "most": np.array([np.iinfo(np.int64).max]),
        "size": np.array(size, np.float32),
        "slope": np.array(-1.5, np.float32),
        "entries": np.arange(size, dtype=np.float32)[None, None],
        "pattern": np.array([[1, 0, 0], [0, 1, 1]], np.float16).reshape(1, 2, 1, 3),
    }
    path = directory / "step.onnx"
    path.write_bytes(graphs.model(nodes, inputs, outputs, constants).SerializeToString())
    entry = StateEntry(input="past", output="present", mode="append", axis=2, whole=True)
    graph = StepGraph(
        signature="step",
        tokens="input_ids",
        positions="position_ids",
        mask="attention_mask",
        logits="logits",
        state=(entry,),
    )
    signature = Signature(file=path.name, saved_model_signature="step", inputs=inputs, outputs=outputs)
    return open_session(path, Placement("cpu", 1)), graph, signature


def _bundled(directory: Path) -> Step:
    manifest = bundle.read(directory)
    task = manifest.task
    assert isinstance(task, Generate | Translate)
    signature = manifest.signatures[task.step.signature]
    return open_session(directory / signature.file, Placement("cpu", 1)), task.step, signature


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Step]:
    return {
        "recurrent": _bundled(bundles.write_generator(tmp_path_factory.mktemp("recurrent"))),
        "translator": _bundled(bundles.write_translator(tmp_path_factory.mktemp("translator"))),
        "whole": _whole(tmp_path_factory.mktemp("whole")),
    }


KINDS = ("recurrent", "translator", "whole")


def bound(session: OnnxSession) -> OnnxSession:
    return OnnxSession(session._session, resident=True)


def prompt_of(kind: str, tokens: tuple[int, ...]) -> Prompt:
    if kind != "translator":
        return Prompt(tokens)
    targets = np.array([[token % 9 + 4] for token in range(len(tokens) * 5)], np.float32)
    return Prompt(tokens, {"cross_targets": targets, "source_mask": np.ones(len(targets), np.float32)})


Asked = tuple[tuple[int, ...], int, str, int]
ASKED = st.tuples(
    st.lists(st.integers(1, 9), min_size=1, max_size=8).map(tuple),
    st.sampled_from([2, 12, 30, 45]),
    st.sampled_from(["greedy", "sampled", "beams", "leave"]),
    st.integers(0, 4),
)


async def _answer(generator: Generator, prompt: Prompt, asked: Asked) -> object:
    _, count, fate, number = asked
    deadline_at_s = asyncio.get_running_loop().time() + 30
    if fate == "beams":
        best = await generator.search(prompt, 3, 0.6, count, deadline_at_s)
        return best.tokens, best.score
    sampling = Sampling(temperature=1.4, seed=number) if fate == "sampled" else Sampling(temperature=0.0)
    stream = generator.stream(prompt, sampling, count, deadline_at_s, Caller("x", number % 2))
    found = []
    async for token in stream:
        found.append((token.id, token.logprob))
        if fate == "leave" and len(found) == 1 + number:
            break
    await stream.aclose()
    return found


async def _together(kind: str, step: Step, crowd: Sequence[Asked], limits: GenerationLimits) -> list[object]:
    generator = Generator(*step, limits, end_id=None)
    tasks = []
    for asked in crowd:
        tasks.append(asyncio.create_task(_answer(generator, prompt_of(kind, asked[0]), asked)))
        for _ in range(asked[3]):
            await asyncio.sleep(0)
    return list(await asyncio.gather(*tasks))


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=8)
@given(crowd=st.lists(ASKED, min_size=2, max_size=7), slots=st.integers(3, 7), tight=st.booleans())
def test_any_company_has_the_tokens_of_the_hosts_memory(
    opened: dict[str, Step], kind: str, crowd: list[Asked], slots: int, tight: bool
) -> None:
    session, graph, signature = opened[kind]
    state = SlotState(graph, signature, slots)
    # Room for two or three rows of the longest: somebody yields.
    cache_bytes = 3 * (state.row_bytes + 64 * state.token_bytes) if tight else None
    limits = GenerationLimits(
        slots=slots, chunk=3, read_tokens=8, cache_bytes=cache_bytes, inline_bound_s=60.0
    )
    near = asyncio.run(_together(kind, (session, graph, signature), crowd, limits))
    far = asyncio.run(_together(kind, (bound(session), graph, signature), crowd, limits))
    assert far == near


class Roomy(SlotState):
    """On the host, with the room that it has on a device."""

    room_step = ResidentState.room_step


@pytest.mark.parametrize("kind", KINDS)
def test_the_state_is_what_it_is_in_the_hosts_memory(opened: dict[str, Step], kind: str) -> None:
    """Write, move, grow and clear the same numbers in both."""
    session, graph, signature = opened[kind]
    near = Roomy(graph, signature, 5)
    far = ResidentState(graph, signature, 5, bound(session))
    numbers = np.random.default_rng(3)
    for longest, part, told in (
        (7, slice(0, 3), [2, 7, 1]),
        (8, slice(1, 4), None),
        (40, slice(0, 4), [30, 5, 4, 32]),
        (40, slice(0, 3), None),
    ):
        # The translator reads one token a run.
        counts = None if kind == "translator" else told
        time = 1 if counts is None else max(counts)
        for state in (near, far):
            state.fit(longest, 5)
            state.feeds(part)
        outputs = {entry.output: _made(signature, near, entry, part, time, numbers) for entry in graph.state}
        near.store(part, outputs, counts)
        far.store(part, {name: sent(bound(session), array) for name, array in outputs.items()}, counts)
        for state in (near, far):
            state.move([0, 2, 1], [2, 4, 0])
    near.clear([1])
    far.clear([1])
    assert near.seen.tolist() == far.seen.tolist()
    everything = slice(0, 5)
    here, there = near.feeds(everything), far.feeds(everything)
    for entry in graph.state:
        mine = np.asarray(here[entry.input]).copy()
        theirs = cast("Resident", there[entry.input]).numpy()
        if entry.axis is not None:
            hidden = np.arange(near.room) >= near.seen[:, None]
            np.moveaxis(mine, entry.axis, 1)[hidden] = 0
            np.moveaxis(theirs, entry.axis, 1)[hidden] = 0
        assert np.array_equal(mine, theirs)


def _made(  # what a run would have been given
    signature: Signature,
    state: SlotState,
    entry: StateEntry,
    part: slice,
    time: int,
    numbers: np.random.Generator,
) -> np.ndarray:
    tensor = signature.input(entry.input)
    shape = [part.stop - part.start, *(size if isinstance(size, int) else 0 for size in tensor.shape[1:])]
    if entry.axis is not None:
        shape[entry.axis] = time + (state._past if entry.whole else 0)
    return numbers.normal(size=shape).astype(tensor.dtype)


def sent(session: OnnxSession, array: np.ndarray) -> Resident:
    resident = session.allocate(array.shape, array.dtype.name)
    resident.memory.write(array)
    return resident


def test_lines_are_written_in_place_and_all_read_before(opened: dict[str, Step]) -> None:
    session = bound(opened["recurrent"][0])
    table = sent(session, np.arange(12, dtype=np.int32).reshape(4, 3))
    address = table.address
    session.write_lines([(table, table)], np.array([0, 1], np.int64), np.array([1, 0], np.int64))
    assert table.address == address
    assert table.numpy().tolist() == [[3, 4, 5], [0, 1, 2], [6, 7, 8], [9, 10, 11]]


def test_what_was_fetched_does_not_change_with_the_memory(opened: dict[str, Step]) -> None:
    tensor = sent(bound(opened["recurrent"][0]), np.ones((2, 2), np.float32))
    before = tensor.numpy()
    tensor.memory.write(np.zeros((2, 2), np.float32))
    assert before.tolist() == [[1, 1], [1, 1]]


def test_a_view_beyond_its_memory_is_refused() -> None:
    tensor = FakeDevice(present).allocate((4, 2), "float32")
    assert tensor.rows(1, 1).rows(0, 3).shape == (3, 2)
    with pytest.raises(ValueError, match="beyond"):
        tensor.rows(2, 3)
    with pytest.raises(ValueError, match="cannot be seen"):
        tensor.seen_as((4, 1), "float32")


def test_a_graph_whose_rows_must_be_of_one_age_stays_on_the_host() -> None:
    device = FakeDevice(present)
    session, step = place(device, COUNTING, COUNTING_SIGNATURE, 4, reads_ahead=True)
    assert session is device
    assert type(step.state) is SlotState
    session, step = place(device, PRESENT, PRESENT_SIGNATURE, 4, reads_ahead=True)
    assert session is not device
    assert isinstance(step.state, ResidentState)
    assert set(step.state.holdable) == {"present.0.key"}


async def test_numbers_that_are_none_are_wiped_from_the_device() -> None:
    def poisoned(feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        outputs = dict(present(feeds))
        bad = (feeds["input_ids"] == 7).any(axis=1)
        outputs["logits"] = np.where(bad[:, None, None], np.nan, outputs["logits"]).astype(np.float32)
        past = np.where(bad[:, None, None, None], np.nan, outputs["present.0.key"])
        outputs["present.0.key"] = past.astype(np.float32)
        return outputs

    device = FakeDevice(poisoned)
    generator = Generator(device, PRESENT, PRESENT_SIGNATURE, GenerationLimits(slots=1), end_id=None)
    deadline_at_s = asyncio.get_running_loop().time() + 20
    stream = generator.stream(Prompt((1, 7)), Sampling(temperature=0.0), 3, deadline_at_s)
    with pytest.raises(Internal):
        await anext(stream)
    state = generator._step.state
    assert isinstance(state, ResidentState)
    assert all(not np.isnan(view_of(table)).any() for table in state._tables.values())


def test_context_is_sent_again_only_after_a_row_came_or_moved() -> None:
    tensor = Tensor(name="source", dtype="float32", shape=("batch", "length"), kind="context", pad=0)
    context = ResidentContext([tensor], 3, FakeDevice(present))
    context.put([([0], {"source": np.array([1, 2], np.float32)})], 1)
    context.put([([1], {"source": np.array([3], np.float32)})], 2)

    def fed() -> Resident:
        return cast("Resident", context.feeds(slice(0, 2))["source"])

    first = fed()
    assert first.numpy()[:, :2].tolist() == [[1, 2], [3, 0]]
    context.move([0], [1])
    assert fed().numpy()[:, :2].tolist() == [[1, 2], [1, 2]]
    assert fed().address == first.address
