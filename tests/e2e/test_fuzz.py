"""Requests that our own API document makes up, allowed and forbidden ones, for every wire of the real process.

No answer is a surprise: each has a status, a media type and a body that the document names, and comes in time.
"""

import os
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode, checks
from schemathesis.config import SchemathesisConfig

from tests.e2e.conftest import ANSWER_S, Server
from tests.support import sound_requests as sound
from tests.support.live_server import unharmed

pytestmark = pytest.mark.slow

EXAMPLES = {"tasks": 25, "openai": 40, "tfserving": 10, "oip": 6}
"""Requests for each operation of a wire: as many as take no more than some seconds for all of them."""
TOLERATED = ["2xx", "3xx", "4xx", "501", "503", "504"]
"""501, 503 and 504 are documented: a model that cannot do this, a server that is busy, and time that is up."""
CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]
OPERATIONS = [(wire, *operation) for wire, requests in sound.WIRES.items() for operation in requests]

NUMBER = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70)
FEATURE = st.floats(-1e9, 1e9) | st.integers(-(10**9), 10**9)
PIXEL = st.integers(0, 255)
TEXT = st.text("abc ", min_size=1, max_size=8)
IDS = st.lists(st.integers(-1, 30), min_size=1, max_size=5)


def rows_of(width: int, number: st.SearchStrategy[float]) -> st.SearchStrategy[list[list[float]]]:
    return st.lists(st.lists(number, min_size=width, max_size=width), min_size=1, max_size=4)


ROWS = rows_of(4, FEATURE) | rows_of(4, NUMBER)
EXAMPLE = st.dictionaries(
    st.sampled_from([*sound.EXAMPLE, *sound.BOX]), NUMBER | st.lists(NUMBER, max_size=2)
)
TENSOR = st.fixed_dictionaries(
    {
        "name": st.just("x"),
        "shape": st.lists(st.integers(0, 2**62) | st.just(4), max_size=4),
        "datatype": st.sampled_from(["FP32", "FP64", "INT64", "BOOL", "BYTES", "FP16"]),
        "data": ROWS | st.lists(NUMBER | st.text(max_size=3), max_size=8),
    }
)
LETTERS = {"model": st.just("letters")}
CONTENT = {
    "/v1/classify": st.fixed_dictionaries(
        {
            "model": st.just("shapes"),
            "pixels": st.lists(st.lists(PIXEL, min_size=4, max_size=4), min_size=4, max_size=4),
        }
    ),
    "/v1/generate": st.fixed_dictionaries({"prompt": TEXT}),
    "/v1/translate": st.fixed_dictionaries({"texts": st.lists(TEXT, min_size=1, max_size=3)}),
    "/v1/score": st.fixed_dictionaries({"rows": rows_of(3, NUMBER)}),
    "/v1/predict": st.fixed_dictionaries(
        {"model": st.just("multiply"), "inputs": st.fixed_dictionaries({"x": ROWS})}
    ),
    "/v1/completions": st.fixed_dictionaries({**LETTERS, "prompt": TEXT | IDS | st.lists(TEXT, min_size=1)}),
    "/v1/chat/completions": st.fixed_dictionaries({**LETTERS, "messages": st.just(sound.HELLO)}),
    "/v1/embeddings": st.fixed_dictionaries(
        {"model": st.just("vectors"), "input": IDS | st.lists(IDS, min_size=1, max_size=3)}
    ),
    ":predict": st.fixed_dictionaries({"instances": ROWS}) | st.fixed_dictionaries({"inputs": ROWS}),
    ":classify": st.fixed_dictionaries({"examples": st.lists(EXAMPLE, min_size=1, max_size=3)}),
    ":regress": st.fixed_dictionaries({"examples": st.lists(EXAMPLE, min_size=1, max_size=3)}),
    "/infer": st.fixed_dictionaries({"inputs": st.lists(TENSOR, min_size=1, max_size=2)}),
    "/generate": st.fixed_dictionaries({"text_input": TEXT}),
    "/generate_stream": st.fixed_dictionaries({"text_input": TEXT}),
}
"""What the models take, by the whole path or its end."""
ASIDE = {
    *("model", "version", "label", "signature", "outputs", "image", "pixels", "text", "features", "texts"),
    *("instances", "inputs", "signature_name"),
}


def aimed(context: schemathesis.HookContext, body: Any) -> st.SearchStrategy[Any]:
    """Let many bodies reach a model: what is made up without knowing it is mostly refused at once."""
    path = context.operation.path
    content = next((each for end, each in CONTENT.items() if path.endswith(end)), None)
    if not isinstance(body, dict) or content is None:
        return st.just(body)
    settings = {name: value for name, value in body.items() if name not in ASIDE}
    named = st.sampled_from(sound.SERVED).map(lambda name: {**body, "model": name})
    return st.one_of(st.just(body), named, content.map(lambda found: {**settings, **found}), content)


def aimed_path(_context: object, parameters: Any) -> st.SearchStrategy[Any]:
    """Let half of the names be those of models, with versions and labels that there are."""
    if not parameters:
        return st.just(parameters)
    there = {"version": 1, "label": sound.LABEL}
    known = {name: there.get(name, value) for name, value in parameters.items()}
    return st.one_of(
        st.just(parameters), st.sampled_from(sound.SERVED).map(lambda name: {**known, "name": name})
    )


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
    assert sorted((each.method.upper(), each.path) for each in found) == sorted(
        (method, path) for _, method, path in OPERATIONS
    )


@pytest.mark.parametrize(("wire", "method", "path"), OPERATIONS)
def test_whatever_is_asked_is_answered_as_the_document_says(
    fuzzed: Server, document: schemathesis.BaseSchema, wire: str, method: str, path: str
) -> None:
    multiply = {"model": "multiply", "inputs": {"x": [[1, 2, 3, 4]]}}
    operation = document[path][method]
    request = sound.WIRES[wire][method, path]
    first = operation.Case(media_type="application/json" if "body" in request else None, **request)
    statuses: list[int] = []

    @example(case=first)
    @given(case=st.one_of(operation.as_strategy(generation_mode=mode) for mode in GenerationMode))
    @settings(
        max_examples=EXAMPLES[wire],
        deadline=None,  # each call has its own
        derandomize="CI" in os.environ,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    def ask(case: schemathesis.Case) -> None:
        statuses.append(case.call_and_validate(timeout=ANSWER_S, checks=CHECKS).status_code)

    with unharmed(fuzzed.process.pid, lambda: fuzzed.post("predict", multiply).json()["outputs"]):
        ask()
        fuzzed.wait_for(lambda: fuzzed.metric("sluice_slots_in_use") == 0)
    assert statuses[0] == sound.REFUSED.get((method, path), 200)


def test_features_beyond_what_the_model_can_reckon_with_are_no_server_error(fuzzed: Server) -> None:
    assert fuzzed.post("score", {"rows": [[1e21, 0, 0]]}).status_code == 400
