"""Which spans a request's trace has."""

from __future__ import annotations

import pytest

from service.domain import ModelId, Timing
from service.observability import stages
from service.observability.tracing import UNTRACED, Batch, Tokens, Visit, Wait

A1 = ModelId("a", 1)
BATCH = Batch(
    model=A1,
    signature="serving_default",
    started_at_s=3.0,
    ended_at_s=4.0,
    run_s=0.5,
    requests=2,
    rows=6,
    padding=0.25,
    reason="full",
    failed=False,
    waits=(),
)


def visit(
    word: str = "predict",
    outcome: str = "ok",
    tokens: Tokens | None = None,
    timing: Timing | None = None,
    model: ModelId | None = A1,
) -> Visit:
    return Visit(word, "r-1", model, outcome, 2.0, 6.0, timing or Timing(), tokens)  # type: ignore[arg-type]


def spans(*visits: Visit) -> list[tuple[str, float, float]]:
    return [(each.name, each.started_at_s, each.ended_at_s) for each in stages.of_visits(visits, 1.0, 7.0)]


def test_decoding_is_what_comes_before_the_door_and_encoding_what_comes_after() -> None:
    assert spans(visit()) == [("decode", 1.0, 2.0), ("encode", 6.0, 7.0)]


def test_a_request_that_never_came_to_the_door_has_no_stages() -> None:
    assert spans() == []


def test_many_visits_are_decoded_and_encoded_once() -> None:
    names = [name for name, _, _ in spans(visit(), visit(), visit())]
    assert names == ["decode", "encode"]


def test_generation_waits_reads_its_prompt_and_makes_tokens() -> None:
    timing = Timing(queue_s=0.5, run_s=3.0, first_token_s=1.0)
    made = spans(visit("generate", tokens=Tokens(5, 7, ("stop",)), timing=timing))
    assert made[1:-1] == [("queue", 2.5, 3.0), ("prefill", 3.0, 4.0), ("tokens", 4.0, 6.0)]


def test_no_stage_of_a_generator_lies_outside_its_visit() -> None:
    timing = Timing(queue_s=9.0, run_s=9.0, first_token_s=9.0)
    for _, started_at_s, ended_at_s in spans(
        visit("generate", tokens=Tokens(1, 1, ("stop",)), timing=timing)
    ):
        assert 1.0 <= started_at_s <= ended_at_s <= 7.0


def test_a_translation_has_its_tokens_and_leaves_the_wait_to_its_encoder() -> None:
    names = [name for name, _, _ in spans(visit("translate", tokens=Tokens(5, 7, ("stop",))))]
    assert names == ["decode", "tokens", "encode"]


def test_a_run_is_a_wait_and_a_part_in_a_batch() -> None:
    queue, run = stages.of_wait(Wait(UNTRACED, 2.5), BATCH, "its identity")
    assert (queue.name, queue.started_at_s, queue.ended_at_s, queue.batch) == ("queue", 2.5, 3.0, None)
    assert (run.name, run.started_at_s, run.ended_at_s, run.batch) == ("run", 3.0, 4.0, "its identity")
    assert run.attributes["sluice.batch.rows"] == 6


def test_tokens_of_all_visits_are_counted_together() -> None:
    told = stages.of_request(
        [
            visit("generate", tokens=Tokens(5, 7, ("stop",))),
            visit("generate", tokens=Tokens(5, 9, ("length",))),
        ]
    )
    assert told["gen_ai.usage.input_tokens"] == 10
    assert told["gen_ai.usage.output_tokens"] == 16
    assert told["gen_ai.response.finish_reasons"] == ("stop", "length")
    assert told["gen_ai.request.model"] == "a"


def test_what_failed_says_so_even_if_something_else_went_well_after_it() -> None:
    assert stages.of_request([visit(outcome="OVERLOADED"), visit()])["error.type"] == "OVERLOADED"
    assert "error.type" not in stages.of_request([visit()])


@pytest.mark.parametrize("model", [None, A1])
def test_a_model_is_named_only_if_it_was_found(model: ModelId | None) -> None:
    assert ("sluice.model" in stages.of_request([visit(model=model)])) == (model is not None)
