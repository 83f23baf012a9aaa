"""Embeddings: which values become which feeds, and what comes back."""

import base64
from collections.abc import Mapping
from typing import Any

import httpx
import numpy as np
import pytest

from service.bundle import Manifest, Signature, Tensor
from service.domain import Array, Call, ModelId, ModelRef, PredictAnswer, PredictRequest
from service.errors import Invalid, ServiceError, Unsupported
from service.protocols.limits import WireLimits
from service.protocols.openai.embeddings import grouped
from service.protocols.servers import create_http_app
from tests.support.gateway import MODEL, FakeGateway

WIDE = ("batch", "time")


def signature(*inputs: Tensor, outputs: tuple[str, ...] = ("vector",)) -> Signature:
    vectors = tuple(Tensor(name=name, dtype="float32", shape=("batch", 2)) for name in outputs)
    return Signature(file="model.onnx", saved_model_signature="embed", inputs=inputs, outputs=vectors)


TEXT = signature(Tensor(name="text", dtype="string", shape=("batch",)))
IDS = signature(
    Tensor(name="ids", dtype="int32", shape=WIDE, kind="token_ids"),
    Tensor(name="lengths", dtype="int32", shape=("batch",), kind="lengths"),
    Tensor(name="mask", dtype="float32", shape=WIDE, kind="mask"),
    Tensor(name="positions", dtype="int64", shape=WIDE, kind="positions"),
)


def lists(feeds: Mapping[str, Array]) -> dict[str, Any]:
    return {name: array.tolist() for name, array in feeds.items()}


def test_texts_are_one_run() -> None:
    ((places, feeds),) = grouped(["a", "b"], TEXT)
    assert (places, lists(feeds)) == ([0, 1], {"text": ["a", "b"]})
    assert lists(grouped("a", TEXT)[0][1]) == {"text": ["a"]}


def test_ids_of_one_length_share_a_run_and_what_follows_from_it_is_filled_in() -> None:
    (long, short) = grouped([[1, 2], [3], [4, 5]], IDS)
    assert (long[0], short[0]) == ([0, 2], [1])
    assert lists(long[1]) == {
        "ids": [[1, 2], [4, 5]],
        "lengths": [2, 2],
        "mask": [[1.0, 1.0], [1.0, 1.0]],
        "positions": [[0, 1], [0, 1]],
    }
    assert {name: array.dtype.name for name, array in long[1].items()} == {
        "ids": "int32", "lengths": "int32", "mask": "float32", "positions": "int64",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("value", "taken_by"),
    [
        ([1], TEXT), ("a", IDS), ([], IDS), ([[]], IDS), ("", TEXT), ([""], TEXT), (["a", [1]], TEXT),
        ([True], IDS), ([1.5], IDS), ({"a": 1}, IDS), (None, TEXT), ([2**31], IDS), (["a"] * 2049, TEXT),
    ],
)  # fmt: skip
def test_what_the_model_does_not_take_is_refused(value: Any, taken_by: Signature) -> None:
    with pytest.raises(Invalid) as caught:
        grouped(value, taken_by)
    assert caught.value.field == "input"


def test_a_signature_of_several_inputs_is_not_for_embeddings() -> None:
    text = TEXT.inputs[0]
    with pytest.raises(Unsupported):
        grouped("a", signature(text, text.model_copy(update={"name": "other"})))


class Embedder(FakeGateway):
    """Gives each row its own numbers."""

    found = TEXT

    def describe(self, ref: ModelRef) -> tuple[ModelId, Manifest]:
        model, plain = super().describe(ref)
        return model, plain.model_copy(update={"signatures": {"embed": self.found}})

    async def predict(self, ref: ModelRef, request: PredictRequest, call: Call) -> PredictAnswer:
        await self._enter(ref, request, call)
        (first, *_) = request.inputs.values()
        rows = np.arange(len(first), dtype=np.float64)
        return PredictAnswer(MODEL, "embed", {request.outputs[0]: np.stack([rows, rows / 3], axis=1)})


async def ask(gateway: FakeGateway, **fields: Any) -> httpx.Response:
    transport = httpx.ASGITransport(create_http_app(gateway, WireLimits()))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        return await http.post("/v1/embeddings", json={"model": "fake", **fields})


async def test_numbers_come_as_json_or_as_base64_of_float32() -> None:
    gateway = Embedder()
    numbers = (await ask(gateway, input=["a", "b"])).json()
    third = float(np.float32(1 / 3))
    assert numbers == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [0.0, 0.0]},
            {"object": "embedding", "index": 1, "embedding": [1.0, third]},
        ],
        "model": "fake",
        "usage": {"prompt_tokens": 0, "total_tokens": 0},
    }
    coded = (await ask(gateway, input=["a", "b"], encoding_format="base64")).json()
    assert np.frombuffer(base64.b64decode(coded["data"][1]["embedding"]), "<f4").tolist() == [1.0, third]
    assert gateway.asked[0][0] == ModelRef("fake", 3)
    assert gateway.asked[0][1].signature == "embed"


async def test_rows_of_several_runs_come_back_in_their_order() -> None:
    gateway = Embedder()
    gateway.found = IDS
    answer = (await ask(gateway, input=[[5, 6], [7], [8, 9]])).json()
    assert [each["embedding"][0] for each in answer["data"]] == [0.0, 0.0, 1.0]
    assert answer["usage"] == {"prompt_tokens": 5, "total_tokens": 5}


async def test_only_the_models_own_number_of_dimensions_may_be_asked_for() -> None:
    assert (await ask(Embedder(), input="a", dimensions=2)).status_code == 200
    for wrong in (1, 3, 0, "2"):
        refused = await ask(Embedder(), input="a", dimensions=wrong)
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "dimensions")


async def test_a_model_without_the_signature_says_so() -> None:
    response = await ask(FakeGateway(), input="a")
    assert (response.status_code, response.json()["error"]["param"]) == (400, "model")
    missing = await ask(FakeGateway(), input="a", model="none")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "model_not_found")


async def test_of_several_outputs_the_one_with_the_signatures_name_counts() -> None:
    gateway = Embedder()
    gateway.found = signature(*TEXT.inputs, outputs=("vector", "embed"))
    assert (await ask(gateway, input="a")).status_code == 200
    assert gateway.asked[0][1].outputs == ("embed",)
    gateway.found = signature(*TEXT.inputs, outputs=("one", "other"))
    assert (await ask(gateway, input="a")).status_code == 400


@pytest.mark.parametrize(
    ("error", "param"), [(Invalid("x", field="inputs.text"), "input"), (Unsupported("x"), None)]
)
async def test_an_error_about_an_input_names_the_field_of_the_wire(
    error: ServiceError, param: str | None
) -> None:
    gateway = Embedder()
    gateway.fail = error
    assert (await ask(gateway, input="a")).json()["error"]["param"] == param


def test_a_model_that_reads_takes_texts_for_its_tokens() -> None:
    ((places, feeds),) = grouped(["a b", "c"], IDS, reads=True)
    assert (places, lists(feeds)) == ([0, 1], {"ids": ["a b", "c"]})
    assert lists(grouped([[1, 2]], IDS, reads=True)[0][1])["ids"] == [[1, 2]]
