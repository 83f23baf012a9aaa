"""The one door: who is let in, what comes out, and what is written down."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Any

import pytest
from structlog.testing import capture_logs

from service.config import Limits, Secret
from service.domain import (
    Call,
    GenerateAnswer,
    GenerateRequest,
    ModelId,
    ModelRef,
    PredictAnswer,
    PredictRequest,
    ScoreAnswer,
    ScoreRequest,
    TextChunk,
    Timing,
    TranslateAnswer,
    TranslateRequest,
    Translation,
)
from service.errors import (
    Forbidden,
    Internal,
    Invalid,
    NotFound,
    Overloaded,
    ServiceError,
    TimedOut,
    Unavailable,
)
from service.gateway import Admin, Gateway
from service.observability.metrics import Metrics
from service.repository.changes import Changes
from service.repository.registry import Registry
from tests.service.repository.house import live
from tests.support.gateway import BEARER, KEY, FakeControl

A1 = ModelId("a", 1)
A = ModelRef("a")
ASK = PredictRequest({})
PROMPT = GenerateRequest("once")


class Answering:
    """A task that answers with a value, raises an error, or waits at its gate first; remembers its calls."""

    def __init__(self, answer: Any = None, error: BaseException | None = None) -> None:
        self.answer = answer or PredictAnswer(A1, "serving_default", {}, Timing(queue_s=0.25, batch_rows=3))
        self.error = error
        self.gate: asyncio.Event | None = None
        self.deadlines: list[float] = []
        self.inside = 0

    async def run(self, request: object, deadline_at_s: float, client: str = "") -> Any:
        """Answer."""
        self.deadlines.append(deadline_at_s)
        self.inside += 1
        try:
            if self.gate is not None:
                await self.gate.wait()
        finally:
            self.inside -= 1
        if self.error is not None:
            raise self.error
        return self.answer

    async def stream(
        self, request: GenerateRequest, deadline_at_s: float, client: str = ""
    ) -> AsyncGenerator[TextChunk, None]:
        """Answer in three pieces; `inside` is 0 again as soon as nobody listens."""
        self.inside += 1
        try:
            yield TextChunk(A1, "a", tokens=1)
            if self.error is not None:
                raise self.error
            yield TextChunk(A1, "b", tokens=2)
            yield TextChunk(
                A1,
                "",
                finish_reason="stop",
                prompt_tokens=4,
                completion_tokens=3,
                timing=Timing(queue_s=0.25),
            )
        finally:
            self.inside -= 1


class Entrance:
    """A gateway with one live model, `a` version 1, of a word."""

    def __init__(self, task: Answering, word: str = "predict", max_in_flight: int = 4) -> None:
        self.metrics = Metrics()
        self.changes = Changes()
        self.registry = Registry(self.changes)
        self.version = live("a", 1, word, self.metrics, task)  # type: ignore[arg-type]
        self.registry.publish(self.version)
        self.registry.finish_first_scan()
        self.gateway = Gateway(self.registry, self.changes, self.metrics, Limits(max_in_flight=max_in_flight))

    def count(self, name: str, **labels: str) -> float:
        """Return a sample of the metrics, 0 if there is none."""
        return self.metrics.families.registry.get_sample_value(name, labels) or 0.0

    def ended(self, outcome: str, word: str = "predict", model: str = "a", version: str = "1") -> float:
        """Return how many requests ended like that."""
        return self.count(
            "sluice_request_duration_seconds_count",
            model=model,
            version=version,
            word=word,
            protocol="rest",
            outcome=outcome,
        )

    def is_empty(self) -> bool:
        """Say whether nobody is inside and nobody holds the version."""
        return self.gateway.in_flight == 0 and self.version.leases == 0


def call(in_s: float = 10.0) -> Call:
    """A call over REST whose deadline is `in_s` away."""
    return Call("request-7", "rest", asyncio.get_running_loop().time() + in_s)


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    """What was logged."""
    with capture_logs() as captured:
        yield captured


async def test_an_answer_comes_out_as_the_task_made_it_and_is_counted() -> None:
    entrance = Entrance(task := Answering())
    around = call()
    assert await entrance.gateway.predict(A, ASK, around) is task.answer
    assert task.deadlines == [around.deadline_at_s]
    assert entrance.ended("ok") == 1
    assert entrance.count("sluice_queue_wait_seconds_sum", model="a", version="1", word="predict") == 0.25
    assert entrance.is_empty()


async def test_predict_reaches_a_model_of_any_word_through_its_raw_signatures() -> None:
    entrance = Entrance(task := Answering(), word="score")
    assert await entrance.gateway.predict(ModelRef(), ASK, call()) is task.answer
    assert entrance.ended("ok", word="predict") == 1


async def test_each_word_reaches_its_task() -> None:
    score = ScoreAnswer(A1, 0.5, ())
    assert await Entrance(Answering(score), "score").gateway.score(A, ScoreRequest(()), call()) is score


async def test_tokens_of_whole_answers_are_counted() -> None:
    answer = GenerateAnswer(A1, "x", "stop", prompt_tokens=5, completion_tokens=7)
    entrance = Entrance(Answering(answer), "generate")
    assert await entrance.gateway.generate(A, PROMPT, call()) is answer
    assert entrance.count("sluice_tokens_total", model="a", version="1", kind="prompt") == 5
    assert entrance.count("sluice_tokens_total", model="a", version="1", kind="completion") == 7


async def test_tokens_of_all_translations_are_counted() -> None:
    texts = tuple(Translation("x", -1.0, "stop", source_tokens=2, target_tokens=3) for _ in range(2))
    entrance = Entrance(Answering(TranslateAnswer(A1, texts)), "translate")
    await entrance.gateway.translate(A, TranslateRequest(("a", "b")), call())
    assert entrance.count("sluice_tokens_total", model="a", version="1", kind="prompt") == 4
    assert entrance.count("sluice_tokens_total", model="a", version="1", kind="completion") == 6


async def test_a_deadline_that_has_passed_does_no_work(lines: list[Any]) -> None:
    entrance = Entrance(task := Answering())
    with pytest.raises(TimedOut):
        await entrance.gateway.predict(A, ASK, call(in_s=0.0))
    assert task.deadlines == []
    assert entrance.ended("timed_out") == 1
    assert entrance.count("sluice_refusals_total", model="a", reason="timed_out") == 1
    assert entrance.is_empty()


async def test_beyond_the_last_place_requests_are_refused_at_once(lines: list[Any]) -> None:
    entrance = Entrance(task := Answering(), max_in_flight=2)
    task.gate = asyncio.Event()
    inside = [asyncio.create_task(entrance.gateway.predict(A, ASK, call())) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded) as caught:
        await entrance.gateway.predict(A, ASK, call())
    assert caught.value.retry_after_s == 1.0
    assert entrance.count("sluice_refusals_total", model="a", reason="overloaded") == 1
    assert entrance.count("sluice_requests_in_flight") == 2
    task.gate.set()
    await asyncio.gather(*inside)
    await entrance.gateway.predict(A, ASK, call())
    assert entrance.is_empty()


async def test_a_caller_who_leaves_frees_its_place(lines: list[Any]) -> None:
    entrance = Entrance(task := Answering())
    task.gate = asyncio.Event()
    leaving = asyncio.create_task(entrance.gateway.predict(A, ASK, call()))
    await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert task.inside == 0
    assert entrance.ended("cancelled") == 1
    assert entrance.is_empty()


async def test_an_error_raised_on_purpose_comes_out_unchanged(lines: list[Any]) -> None:
    error = Invalid("expected 2 features", field="rows[0]")
    entrance = Entrance(Answering(error=error))
    with pytest.raises(Invalid) as caught:
        await entrance.gateway.predict(A, ASK, call())
    assert caught.value is error
    assert entrance.ended("invalid") == 1
    (line,) = lines
    assert (line["event"], line["code"], line["field"], line["log_level"]) == (
        "refused",
        "INVALID",
        "rows[0]",
        "info",
    )
    assert (line["request_id"], line["model"], line["version"]) == ("request-7", "a", 1)


async def test_an_unexpected_error_becomes_internal_and_its_cause_stays_in_the_log(lines: list[Any]) -> None:
    cause = ZeroDivisionError("secret")
    entrance = Entrance(Answering(error=cause))
    with pytest.raises(Internal) as caught:
        await entrance.gateway.predict(A, ASK, call())
    assert caught.value.message == "internal error"
    assert "secret" not in str(caught.value)
    assert entrance.ended("internal") == 1
    (line,) = lines
    assert (line["event"], line["log_level"], line["exc_info"]) == ("failed", "error", cause)
    assert line["request_id"] == "request-7"
    assert entrance.is_empty()


async def test_an_internal_error_of_the_engine_is_logged_with_its_cause(lines: list[Any]) -> None:
    error = Internal("the model failed to run")
    error.__cause__ = RuntimeError("what the runtime said")
    with pytest.raises(Internal, match="failed to run"):
        await Entrance(Answering(error=error)).gateway.predict(A, ASK, call())
    assert lines[0]["exc_info"].__cause__ is error.__cause__


async def test_names_that_nobody_has_are_counted_as_one(lines: list[Any]) -> None:
    entrance = Entrance(Answering())
    for number in range(20):
        with pytest.raises(NotFound):
            await entrance.gateway.predict(ModelRef(f"made-up-{number}"), ASK, call())
    assert entrance.ended("not_found", model="unknown", version="") == 20
    assert "made-up" not in entrance.metrics.text().decode()


async def test_a_storm_of_refusals_is_one_line_a_second(lines: list[Any]) -> None:
    entrance = Entrance(Answering(), max_in_flight=1)
    entrance.gateway._in_flight = 1
    for _ in range(100):
        with pytest.raises(Overloaded):
            await entrance.gateway.predict(A, ASK, call())
    assert len(lines) <= 2
    assert lines[0]["log_level"] == "warning"


async def test_successes_are_logged_only_when_asked_for(lines: list[Any]) -> None:
    entrance = Entrance(Answering())
    await entrance.gateway.predict(A, ASK, call())
    assert lines == []
    writing = Gateway(entrance.registry, entrance.changes, Metrics(), access_log=True)
    await writing.predict(A, ASK, call())
    assert (lines[0]["event"], lines[0]["batch_rows"], lines[0]["queue_s"]) == ("answered", 3, 0.25)


async def test_a_stream_comes_out_piece_by_piece_and_is_counted() -> None:
    entrance = Entrance(Answering(), "generate")
    pieces = [chunk async for chunk in entrance.gateway.generate_stream(A, PROMPT, call())]
    assert [chunk.text for chunk in pieces] == ["a", "b", ""]
    assert entrance.ended("ok", "generate") == 1
    assert entrance.count("sluice_time_to_first_token_seconds_count", model="a", version="1") == 1
    assert entrance.count("sluice_time_between_tokens_seconds_count", model="a", version="1") == 2
    assert entrance.count("sluice_tokens_total", model="a", version="1", kind="completion") == 3
    assert entrance.is_empty()


async def test_whoever_stops_listening_to_a_stream_frees_its_place(lines: list[Any]) -> None:
    entrance = Entrance(task := Answering(), "generate")
    async with aclosing(entrance.gateway.generate_stream(A, PROMPT, call())) as pieces:
        assert (await anext(pieces)).text == "a"
        assert (task.inside, entrance.gateway.in_flight) == (1, 1)
    assert task.inside == 0
    assert entrance.ended("cancelled", "generate") == 1
    assert entrance.is_empty()


async def test_a_stream_that_breaks_ends_with_internal(lines: list[Any]) -> None:
    entrance = Entrance(Answering(error=KeyError("secret")), "generate")
    with pytest.raises(Internal, match="internal error"):
        _ = [chunk async for chunk in entrance.gateway.generate_stream(A, PROMPT, call())]
    assert entrance.ended("internal", "generate") == 1
    assert entrance.is_empty()


async def test_a_stream_that_is_refused_is_refused_before_its_first_piece(lines: list[Any]) -> None:
    entrance = Entrance(Answering(), "generate")
    with pytest.raises(TimedOut):
        await anext(entrance.gateway.generate_stream(A, PROMPT, call(in_s=-1.0)))
    assert entrance.is_empty()


async def test_draining_says_unready_first_and_still_lets_in() -> None:
    entrance = Entrance(Answering())
    assert entrance.gateway.ready()
    revision = entrance.gateway.changes.revision
    entrance.gateway.drain()
    entrance.gateway.drain()
    assert (entrance.gateway.ready(), entrance.gateway.draining) == (False, True)
    assert entrance.gateway.changes.revision == revision + 1
    await entrance.gateway.predict(A, ASK, call())


async def test_a_closed_door_lets_nobody_in_and_waits_for_those_inside(lines: list[Any]) -> None:
    entrance = Entrance(task := Answering())
    task.gate = asyncio.Event()
    inside = asyncio.create_task(entrance.gateway.predict(A, ASK, call()))
    await asyncio.sleep(0)
    entrance.gateway.close()
    with pytest.raises(Unavailable) as caught:
        await entrance.gateway.predict(A, ASK, call())
    assert caught.value.retry_after_s == 1.0
    empty = asyncio.create_task(entrance.gateway.empty())
    await asyncio.sleep(0)
    assert not empty.done()
    task.gate.set()
    assert await inside is task.answer
    await empty
    await entrance.gateway.empty()


async def test_readiness_waits_for_the_first_look_and_not_for_bad_versions() -> None:
    changes = Changes()
    registry = Registry(changes)
    gateway = Gateway(registry, changes, Metrics())
    assert not gateway.ready()
    registry.mark(A1, "failed", "checksum")
    registry.finish_first_scan()
    assert gateway.ready()
    assert gateway.statuses()[0].reason == "checksum"


async def test_describing_a_model_names_the_version_that_is_meant() -> None:
    entrance = Entrance(Answering(), "score")
    model, manifest = entrance.gateway.describe(ModelRef("a"))
    assert (model, manifest.task.word) == (A1, "score")
    assert [summary.name for summary in entrance.gateway.models()] == ["a"]
    with pytest.raises(ServiceError):
        entrance.gateway.describe(ModelRef("b"))


async def test_a_version_swapped_out_while_in_use_answers_to_the_end() -> None:
    entrance = Entrance(task := Answering())
    task.gate = asyncio.Event()
    inside = asyncio.create_task(entrance.gateway.predict(A, ASK, call()))
    await asyncio.sleep(0)
    entrance.registry.publish(live("a", 2, task=Answering()))
    old = entrance.registry.retire(A1)
    assert old.leases == 1
    await entrance.gateway.predict(A, ASK, call())
    task.gate.set()
    assert await inside is task.answer
    assert old.leases == 0


async def test_what_was_counted_can_be_read_back_for_each_live_version() -> None:
    entrance = Entrance(Answering())
    call = Call("r", "rest", time.monotonic() + 5)
    await entrance.gateway.predict(A, ASK, call)
    with pytest.raises(NotFound):
        await entrance.gateway.predict(ModelRef("b"), ASK, call)
    failing = Entrance(Answering(error=Internal("no")))
    with pytest.raises(Internal):
        await failing.gateway.predict(A, ASK, call)
    ((model, tally),) = entrance.gateway.tallies()
    assert (model, tally.answered.times, tally.failed.times) == (A1, 1, 0)
    assert tally.queued.total_s == 0.25
    ((_, tally),) = failing.gateway.tallies()
    assert (tally.answered.times, tally.failed.times) == (0, 1)


async def test_control_of_the_repository_is_handed_to_who_may_until_the_door_closes() -> None:
    control: Any = FakeControl(())
    changes = Changes()
    admin = Admin(Secret.of(KEY.encode()), control)
    gateway = Gateway(Registry(changes), changes, Metrics(), admin=admin)
    shown = Call("request-7", "rest", 0.0, BEARER)
    assert gateway.has_admin_calls
    assert gateway.control("load", shown) is control
    gateway.drain()
    assert gateway.control("load", shown) is control
    gateway.close()
    with pytest.raises(Unavailable, match="going down"):
        gateway.control("load", shown)


async def test_without_being_told_a_gateway_hands_control_to_nobody() -> None:
    changes = Changes()
    gateway = Gateway(Registry(changes), changes, Metrics())
    assert not gateway.has_admin_calls
    with pytest.raises(Forbidden):
        gateway.control("load", Call("request-7", "rest", 0.0, BEARER))
