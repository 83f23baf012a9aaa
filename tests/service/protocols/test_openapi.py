"""One document for all wires: what it says of each is what the wire's own code takes."""

import json
from typing import Any

import pytest

from service.errors import Invalid
from service.protocols import openapi
from service.protocols.oip import bodies as oip_bodies
from service.protocols.oip import generation, routes
from service.protocols.oip import openapi as oip
from service.protocols.openai import bodies, chat, completions, rest
from service.protocols.openai import openapi as openai
from service.protocols.openapi import Part, merged
from service.protocols.tfserving import addresses
from service.protocols.tfserving import openapi as tfserving
from tests.support.gateway import FakeGateway

FILLED = {"name": "m", "version": 3, "label": "stable"}


def examples(part: Part) -> list[tuple[str, bytes]]:
    """Every example body with its path."""
    return [
        (path, json.dumps(each["value"]).encode())
        for path, operations in part.paths.items()
        for operation in operations.values()
        if "requestBody" in operation
        for each in operation["requestBody"]["content"]["application/json"]["examples"].values()
    ]


def test_the_routes_of_openai_are_told_and_their_examples_understood() -> None:
    wire = rest.wire(FakeGateway())  # type: ignore[arg-type]
    part = openai.part()
    assert all(wire.claims("POST", path) for path in part.paths)
    decoders: dict[str, Any] = {
        "/v1/completions": completions.decode,
        "/v1/chat/completions": chat.decode,
        "/v1/embeddings": lambda body: bodies.decode(body, bodies.EmbeddingBody),
    }
    assert decoders.keys() == part.paths.keys()
    for path, body in examples(part):
        assert decoders[path](body)


def test_the_addresses_of_tensorflow_serving_are_told() -> None:
    verbs = set()
    for path, operations in tfserving.part().paths.items():
        (method,) = operations
        address = addresses.parse(method.upper(), path.format(**FILLED))
        assert address.ref.name == "m"
        assert addresses.claims(method.upper(), path.format(**FILLED))
        verbs.add((address.verb, address.ref.version, address.ref.label))
    assert len(verbs) == len(tfserving.part().paths)
    with pytest.raises(Invalid):
        addresses.parse("POST", "/v1/models/m")


def test_every_route_of_the_open_inference_protocol_is_told_with_its_methods() -> None:
    found: dict[str, set[str]] = {}
    for path, operations in oip.part().paths.items():
        route = routes.find(path.format(**FILLED))
        assert route is not None, path
        assert (route.name, route.version) == ("m" * ("{name}" in path), "3" * ("{version}" in path))
        found.setdefault(route.action, set()).update(method.upper() for method in operations)
    assert found == {action: set(methods) for action, methods in routes.METHODS.items()}
    for path, body in examples(oip.part()):
        if path.endswith("/infer"):
            assert oip_bodies.decode(body, None).inputs
        if path.endswith("/generate"):
            assert generation.request_of(json.loads(body)).max_tokens == 40


def test_a_documents_parts_are_put_together_and_none_is_said_twice() -> None:
    part = Part({"/a": {"get": {"x": 1}}}, {"B": {}})
    document = {"paths": {"/a": {"post": {}}}, "components": {"schemas": {"A": {}}}, "openapi": "3.1.0"}
    whole = merged(document, [part])
    assert whole["paths"] == {"/a": {"post": {}, "get": {"x": 1}}}
    assert whole["components"]["schemas"] == {"A": {}, "B": {}}
    assert document["paths"] == {"/a": {"post": {}}}
    for twice in (part, Part({}, {"A": {}})):
        with pytest.raises(AssertionError):
            merged(whole, [twice])


def test_parameters_of_a_path_are_those_in_braces() -> None:
    found = openapi.path_parameters("/a/{name}/b/{version}:c", {"name": {"x": 1}, "version": {"y": 2}})
    assert [(each["name"], each["schema"]) for each in found] == [("name", {"x": 1}), ("version", {"y": 2})]
