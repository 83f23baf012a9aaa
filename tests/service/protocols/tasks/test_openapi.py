import json

import httpx

from tests.support.gateway import FakeGateway

PATHS = {"/v1/classify", "/v1/generate", "/v1/translate", "/v1/score", "/v1/predict"}


async def test_every_example_of_the_document_is_accepted(
    http: httpx.AsyncClient, gateway: FakeGateway
) -> None:
    document = (await http.get("/openapi.json")).json()
    tried = set()
    for path, operations in document["paths"].items():
        if path not in PATHS:
            continue
        content = operations["post"]["requestBody"]["content"]["application/json"]
        for name, example in content["examples"].items():
            response = await http.post(path, json=example["value"])
            assert response.status_code == 200, (path, name, response.text)
            tried.add(path)
    assert tried == PATHS
    assert gateway.asked


async def test_every_reference_of_the_document_leads_somewhere(http: httpx.AsyncClient) -> None:
    text = (await http.get("/openapi.json")).text
    document = json.loads(text)
    assert document["openapi"].startswith("3.")
    references = {part.split('"')[0] for part in text.split('"$ref":"')[1:]}
    assert references
    for reference in references:
        found = document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]


async def test_every_operation_tells_its_errors_and_nothing_else(http: httpx.AsyncClient) -> None:
    document = (await http.get("/openapi.json")).json()
    operations = [(path, each) for path, methods in document["paths"].items() for each in methods.values()]
    own = {*PATHS, "/v1/models", "/v1/models/{name}"}
    assert own < {path for path, _ in operations}
    for path, operation in operations:
        assert set(operation["responses"]) - {"400"} == {"200", "4XX", "5XX"}
        schema = operation["responses"]["4XX"]["content"]["application/json"]["schema"]
        assert (schema == {"$ref": "#/components/schemas/ErrorReply"}) == (path in own)


async def test_a_stream_is_told_as_events_with_data(http: httpx.AsyncClient) -> None:
    document = (await http.get("/openapi.json")).json()
    content = document["paths"]["/v1/generate"]["post"]["responses"]["200"]["content"]
    stream = content["text/event-stream"]
    assert "schema" not in stream
    assert stream["itemSchema"]["required"] == ["data"]
    assert stream["itemSchema"]["properties"]["data"]["type"] == "string"


async def test_the_page_for_people_is_there(http: httpx.AsyncClient) -> None:
    assert (await http.get("/docs")).status_code == 200
