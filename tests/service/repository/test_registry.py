"""Which version a caller means, and what it is told when there is none."""

from __future__ import annotations

import asyncio

import pytest

from service.domain import ModelId, ModelRef
from service.errors import Invalid, NotFound, ServiceError, Unavailable, Unsupported
from service.repository.changes import Changes
from service.repository.registry import Registry, shown
from tests.service.repository.house import live


def registry(*names: str) -> Registry:
    """A registry that has looked once, with `name:version:word` live."""
    made = Registry(Changes())
    for each in names:
        name, version, word = each.split(":")
        made.publish(live(name, int(version), word))  # type: ignore[arg-type]
    made.finish_first_scan()
    return made


def refused(made: Registry, ref: ModelRef, word: str | None = "predict") -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        made.find(ref, word)  # type: ignore[arg-type]
    return caught.value


def test_a_name_alone_means_its_newest_version() -> None:
    made = registry("a:2:predict", "a:10:predict", "a:9:predict")
    assert made.find(ModelRef("a"), "predict").model == ModelId("a", 10)


def test_a_version_and_a_label_mean_exactly_that() -> None:
    made = registry("a:1:predict", "a:2:predict")
    made.set_labels({"a": {"stable": 1}})
    assert made.find(ModelRef("a", version=1), "predict").model == ModelId("a", 1)
    assert made.find(ModelRef("a", label="stable"), "predict").model == ModelId("a", 1)


def test_no_name_means_the_only_model_for_the_word() -> None:
    made = registry("a:1:score", "b:1:generate", "c:1:predict")
    assert made.find(ModelRef(), "score").model.name == "a"
    assert made.find(ModelRef(), "predict").model.name == "c"


def test_no_name_for_predict_means_the_only_model_there_is() -> None:
    assert registry("a:1:score").find(ModelRef(), "predict").model.name == "a"


def test_no_name_with_a_version_means_that_version_of_the_only_model() -> None:
    made = registry("a:1:score", "a:2:score")
    assert made.find(ModelRef(version=1), "score").model == ModelId("a", 1)


def test_several_models_for_a_word_must_be_told_apart() -> None:
    error = refused(registry("a:1:score", "b:1:score"), ModelRef(), "score")
    assert isinstance(error, Invalid)
    assert (error.field, error.message) == ("model", "several models answer: name one of a, b")


def test_many_choices_are_not_all_listed() -> None:
    error = refused(registry(*(f"m{number:02}:1:score" for number in range(12))), ModelRef(), "score")
    assert error.message.endswith("m09 and 2 more")


def test_a_word_that_no_model_answers_is_not_found() -> None:
    error = refused(registry("a:1:score"), ModelRef(), "generate")
    assert isinstance(error, NotFound)
    assert error.message == "no model here answers generate"


def test_a_model_of_another_word_says_what_it_does() -> None:
    error = refused(registry("a:1:score"), ModelRef("a"), "classify")
    assert isinstance(error, Unsupported)
    assert error.message == "model 'a' does score, not classify"


def test_any_model_answers_predict() -> None:
    assert registry("a:1:score").find(ModelRef("a"), "predict").model.name == "a"


def test_an_unknown_name_is_not_found() -> None:
    error = refused(registry("a:1:score"), ModelRef("b"))
    assert isinstance(error, NotFound)
    assert (error.field, error.message) == ("model", "there is no model 'b'")


def test_an_unknown_version_is_told_which_there_are() -> None:
    error = refused(registry("a:1:score", "a:2:score"), ModelRef("a", version=7))
    assert isinstance(error, NotFound)
    assert (error.field, error.message) == (
        "version",
        "version 7 of model 'a' is not available; available: 1, 2",
    )


def test_an_unknown_label_is_told_which_there_are() -> None:
    made = registry("a:1:score")
    assert refused(made, ModelRef("a", label="x")).message == "model 'a' has no label 'x'; known: none"
    made.set_labels({"a": {"stable": 1, "canary": 2}})
    error = refused(made, ModelRef("a", label="x"))
    assert isinstance(error, NotFound)
    assert (error.field, error.message) == ("label", "model 'a' has no label 'x'; known: canary, stable")


def test_a_label_for_a_version_that_is_loading_says_come_back() -> None:
    made = registry("a:1:score")
    made.set_labels({"a": {"canary": 2}})
    assert isinstance(refused(made, ModelRef("a", label="canary")), NotFound)
    made.mark(ModelId("a", 2), "loading")
    error = refused(made, ModelRef("a", label="canary"))
    assert isinstance(error, Unavailable)
    assert (error.field, error.retry_after_s) == ("label", 1.0)


def test_a_version_and_a_label_together_are_refused() -> None:
    error = refused(registry("a:1:score"), ModelRef("a", version=1, label="stable"))
    assert (type(error), error.field) == (Invalid, "label")


def test_before_the_first_look_is_dealt_with_every_model_may_yet_come() -> None:
    made = Registry(Changes())
    assert isinstance(refused(made, ModelRef("a")), Unavailable)
    assert isinstance(refused(made, ModelRef(), "score"), Unavailable)
    made.finish_first_scan()
    assert isinstance(refused(made, ModelRef("a")), NotFound)
    assert isinstance(refused(made, ModelRef(), "score"), NotFound)


def test_a_model_that_is_loading_or_failed_is_unavailable() -> None:
    made = registry()
    made.mark(ModelId("a", 1), "loading")
    assert refused(made, ModelRef("a")).message == "model 'a' is loading"
    assert isinstance(refused(made, ModelRef(), "score"), Unavailable)
    made.mark(ModelId("a", 1), "failed", "the disk says /secret")
    error = refused(made, ModelRef("a"))
    assert isinstance(error, Unavailable)
    assert error.message == "no version of model 'a' is available"


def test_what_a_caller_calls_a_model_is_shown_escaped_and_cut() -> None:
    error = refused(registry(), ModelRef("a\r\nb" + "x" * 10_000))
    assert "\n" not in error.message
    assert len(error.message) < 150
    assert shown("ä") == "'\\xe4'"


def test_a_retired_version_is_found_no_more_and_the_one_before_is_the_newest() -> None:
    made = registry("a:1:score", "a:2:score")
    assert made.retire(ModelId("a", 2)).model == ModelId("a", 2)
    assert made.find(ModelRef("a")).model == ModelId("a", 1)
    made.retire(ModelId("a", 1))
    assert isinstance(refused(made, ModelRef("a")), Unavailable)
    with pytest.raises(KeyError):
        made.retire(ModelId("a", 1))


def test_publishing_the_same_number_again_returns_the_version_it_replaces() -> None:
    made = registry()
    first, second = live("a", 1), live("a", 1)
    assert made.publish(first) is None
    assert made.publish(second) is first
    assert made.find(ModelRef("a")) is second


def test_summaries_have_each_model_with_all_its_versions_and_labels() -> None:
    made = registry("a:1:score", "a:2:score")
    made.set_labels({"a": {"stable": 1, "blessed": 1}})
    made.mark(ModelId("a", 3), "failed", "checksum")
    made.mark(ModelId("b", 1), "loading")
    (summary,) = made.summaries()
    assert (summary.name, summary.word, summary.metrics) == ("a", "score", {"accuracy": 0.5})
    assert [(each.model.version, each.state, each.reason, each.labels) for each in summary.versions] == [
        (1, "available", "", ("blessed", "stable")),
        (2, "available", "", ()),
        (3, "failed", "checksum", ()),
    ]


async def test_a_drained_version_waits_for_its_last_lease() -> None:
    version = live()
    version.acquire()
    version.acquire()
    waiting = asyncio.create_task(version.drained())
    await asyncio.sleep(0)
    version.release()
    await asyncio.sleep(0)
    assert not waiting.done()
    version.release()
    await waiting
    await version.drained()
    assert version.leases == 0


async def test_nobody_misses_a_change() -> None:
    changes = Changes()
    seen = changes.revision
    changes.notify()
    assert await changes.wait(seen) == 1
    waiting = [asyncio.create_task(changes.wait(1)) for _ in range(2)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    changes.notify()
    assert await waiting[1] == 2
    with pytest.raises(asyncio.CancelledError):
        await waiting[0]


async def test_marking_and_labelling_wake_only_when_there_is_news() -> None:
    changes = Changes()
    made = Registry(changes)
    made.mark(ModelId("a", 1), "loading")
    revision = changes.revision
    made.mark(ModelId("a", 1), "loading")
    made.set_labels({})
    assert changes.revision == revision
    made.set_labels({"a": {"x": 1}})
    made.forget(ModelId("a", 1))
    made.finish_first_scan()
    assert changes.revision == revision + 3
