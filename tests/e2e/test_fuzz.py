"""Requests that our own API document makes up, allowed and forbidden ones, for the real process.

No answer is a surprise: each has a status, a media type and a body that the document names, and comes in time.
"""

import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode, checks
from schemathesis.config import SchemathesisConfig

from tests.e2e.conftest import Server
from tests.support import bundles

EXAMPLES = 25
ANSWER_S = 10.0
SERVED = ("shapes", "letters", "words", "boxes", "multiply")
TOLERATED = ["2xx", "3xx", "4xx", "501", "503", "504"]
"""501, 503 and 504 are documented: a model that cannot do this, a server that is busy, and time that is up."""
CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]
SOUND: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/v1/classify"): {"body": {"pixels": [[0, 255, 0, 255]] * 4}},
    ("POST", "/v1/generate"): {"body": {"prompt": "a", "max_tokens": 3, "stream": True}},
    ("POST", "/v1/translate"): {"body": {"text": "the cat", "beams": 2}},
    ("POST", "/v1/score"): {"body": {"rows": [[1, 2, 3], {"length": 9, "width": 2, "height": 1}]}},
    ("POST", "/v1/predict"): {"body": {"model": "multiply", "inputs": {"x": [[1, 2, 3, 1e38]]}}},
    ("GET", "/v1/models"): {},
    ("GET", "/v1/models/{name}"): {"path_parameters": {"name": "multiply"}},
}
"""A request for each operation that is answered: whatever is made up, this one is asked first."""

NUMBER = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70)
FEATURE = st.floats(-1e9, 1e9) | st.integers(-(10**9), 10**9)
PIXEL = st.integers(0, 255)
TEXT = st.text("abc ", min_size=1, max_size=8)


def rows_of(width: int, number: st.SearchStrategy[float]) -> st.SearchStrategy[list[list[float]]]:
    return st.lists(st.lists(number, min_size=width, max_size=width), min_size=1, max_size=4)


CONTENT = {
    "/v1/classify": st.fixed_dictionaries(
        {"pixels": st.lists(st.lists(PIXEL, min_size=4, max_size=4), min_size=4, max_size=4)}
    ),
    "/v1/generate": st.fixed_dictionaries({"prompt": TEXT}),
    "/v1/translate": st.fixed_dictionaries({"texts": st.lists(TEXT, min_size=1, max_size=3)}),
    "/v1/score": st.fixed_dictionaries({"rows": rows_of(3, NUMBER)}),
    "/v1/predict": st.fixed_dictionaries(
        {
            "model": st.just("multiply"),
            "inputs": st.fixed_dictionaries({"x": rows_of(4, FEATURE) | rows_of(4, NUMBER)}),
        }
    ),
}
"""What the model of each word takes."""
ASIDE = {"model", "version", "label", "signature", "outputs", "image", "pixels", "text", "features", "texts"}


def aimed(context: schemathesis.HookContext, body: Any) -> st.SearchStrategy[Any]:
    """Let many bodies reach a model: what is made up without knowing it is mostly refused at once."""
    if not isinstance(body, dict):
        return st.just(body)
    content = CONTENT[context.operation.path]
    settings = {name: value for name, value in body.items() if name not in ASIDE}
    named = st.sampled_from(SERVED).map(lambda name: {**body, "model": name})
    return st.one_of(st.just(body), named, content.map(lambda found: {**settings, **found}), content)


def aimed_path(_context: object, parameters: Any) -> st.SearchStrategy[Any]:
    """Let half of the names be those of models."""
    return st.one_of(st.just(parameters), st.sampled_from(SERVED).map(lambda name: {"name": name}))


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One model for each word, so that a request need not name one."""
    models = tmp_path_factory.mktemp("fuzzed")
    bundles.write_classifier(models)
    bundles.write_generator(models)
    bundles.write_translator(models)
    bundles.write_scorer(models)
    bundles.write_multiply(models)
    with Server(models, "--engine-slots=2", f"--limits-request-timeout-s={ANSWER_S / 2}") as server:
        for name in SERVED:
            server.wait_until_available(name)
        yield server


@pytest.fixture(scope="module")
def document(fuzzed: Server) -> schemathesis.BaseSchema:
    """What the live server says of itself."""
    config = SchemathesisConfig()
    config.projects.default.checks.not_a_server_error.expected_statuses = TOLERATED
    address = fuzzed.http.base_url.join("/openapi.json")
    document = schemathesis.openapi.from_url(str(address), config=config)
    document.hook("flatmap_body")(aimed)
    document.hook("flatmap_path_parameters")(aimed_path)
    return document


def test_every_operation_of_the_document_is_tried(document: schemathesis.BaseSchema) -> None:
    found = [result.ok() for result in document.get_all_operations()]
    assert sorted((each.method.upper(), each.path) for each in found) == sorted(SOUND)


@pytest.mark.parametrize(("method", "path"), SOUND)
def test_whatever_is_asked_is_answered_as_the_document_says(
    fuzzed: Server, document: schemathesis.BaseSchema, method: str, path: str
) -> None:
    multiply = {"model": "multiply", "inputs": {"x": [[1, 2, 3, 4]]}}
    operation = document[path][method]
    sound = operation.Case(media_type="application/json" if method == "POST" else None, **SOUND[method, path])
    statuses: list[int] = []

    @example(case=sound)
    @given(case=st.one_of(operation.as_strategy(generation_mode=mode) for mode in GenerationMode))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,  # each call has its own
        derandomize="CI" in os.environ,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    def ask(case: schemathesis.Case) -> None:
        statuses.append(case.call_and_validate(timeout=ANSWER_S, checks=CHECKS).status_code)

    ask()
    assert statuses[0] == 200
    assert fuzzed.process.poll() is None, fuzzed.log()
    fuzzed.wait_for(lambda: fuzzed.metric("sluice_slots_in_use") == 0)
    assert fuzzed.post("predict", multiply).json()["outputs"] == {"y": [[2, 4, 6, 8]]}


def test_features_beyond_what_the_model_can_reckon_with_are_no_server_error(fuzzed: Server) -> None:
    assert fuzzed.post("score", {"rows": [[1e21, 0, 0]]}).status_code == 400
