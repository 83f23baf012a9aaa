"""A request that is answered, for every operation of the API document, over the models of `SERVED`.

Knows paths and bodies; knows nothing of how they are sent.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support import bundles, embedders

SERVED = ("shapes", "letters", "words", "boxes", "rows", "multiply", "vectors")
LABEL = "stable"
Requests = dict[tuple[str, str], dict[str, Any]]

MULTIPLY = {"name": "multiply"}
EXAMPLE = {"first": 1, "second": 2, "third": [3], "fourth": 0}
BOX = {"length": 1, "width": 2.5, "height": 3}
HELLO = [{"role": "user", "content": "hello"}]
TENSOR = {"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}


def write_models(models: Path) -> None:
    """Write one model for each word, one that embeds, and a label."""
    bundles.write_classifier(models)
    bundles.write_feature_classifier(models)
    bundles.write_generator(models, alphabet=bundles.ALPHABET + ":")
    bundles.write_translator(models)
    bundles.write_scorer(models)
    bundles.write_multiply(models)
    embedders.write_embedder(models)
    for name in ("multiply", "rows", "boxes"):
        (models / name / "labels.json").write_text(f'{{"{LABEL}": 1}}')


TASKS: Requests = {
    ("POST", "/v1/classify"): {"body": {"model": "shapes", "pixels": [[0, 255, 0, 255]] * 4}},
    ("POST", "/v1/generate"): {"body": {"prompt": "a", "max_tokens": 3, "stream": True}},
    ("POST", "/v1/translate"): {"body": {"text": "the cat", "beams": 2}},
    ("POST", "/v1/score"): {"body": {"rows": [[1, 2, 3], {"length": 9, "width": 2, "height": 1}]}},
    ("POST", "/v1/predict"): {"body": {"model": "multiply", "inputs": {"x": [[1, 2, 3, 1e38]]}}},
    ("GET", "/v1/models"): {},
    ("GET", "/v1/models/{name}"): {"path_parameters": MULTIPLY},
}

OPENAI: Requests = {
    ("POST", "/v1/completions"): {
        "body": {"model": "letters", "prompt": "ab", "max_tokens": 2, "echo": True, "logprobs": 2}
    },
    ("POST", "/v1/chat/completions"): {"body": {"model": "letters", "messages": HELLO, "max_tokens": 2}},
    ("POST", "/v1/embeddings"): {"body": {"model": "vectors", "input": [[1, 2], [3]]}},
}


def _tfserving() -> Requests:
    found: Requests = {}
    for place, which in (
        ("", {}),
        ("/versions/{version}", {"version": 1}),
        ("/labels/{label}", {"label": LABEL}),
    ):
        where = "/v1/models/{name}" + place
        named = {**MULTIPLY, **which}
        found["POST", f"{where}:predict"] = {
            "path_parameters": named,
            "body": {"instances": [[1, 2, 3, 4], [0.5, 0, 0, 0]]},
        }
        found["POST", f"{where}:classify"] = {
            "path_parameters": {**which, "name": "rows"},
            "body": {"examples": [EXAMPLE]},
        }
        found["POST", f"{where}:regress"] = {
            "path_parameters": {**which, "name": "boxes"},
            "body": {"examples": [BOX], "context": {"depth": 1}},
        }
        found["GET", f"{where}/metadata"] = {"path_parameters": named}
        if place:
            found["GET", where] = {"path_parameters": named}
    return found


TFSERVING = _tfserving()


def _oip() -> Requests:
    found: Requests = {
        ("GET", "/v2"): {},
        ("GET", "/v2/health/live"): {},
        ("GET", "/v2/health/ready"): {},
        ("GET", "/v2/models/stats"): {},
        ("POST", "/v2/repository/index"): {"body": {"ready": True}},
        ("GET", "/v2/trace/setting"): {},
        ("POST", "/v2/trace/setting"): {"body": {}},
        ("GET", "/v2/logging"): {},
        ("POST", "/v2/logging"): {"body": {}},
        ("GET", "/v2/models/{name}/trace/setting"): {"path_parameters": MULTIPLY},
        ("POST", "/v2/models/{name}/trace/setting"): {"path_parameters": MULTIPLY, "body": {}},
        ("POST", "/v2/repository/models/{name}/load"): {"path_parameters": MULTIPLY},
        ("POST", "/v2/repository/models/{name}/unload"): {"path_parameters": MULTIPLY},
    }
    for kind in ("system", "cuda"):
        where = f"/v2/{kind}sharedmemory"
        found["GET", f"{where}/status"] = found["POST", f"{where}/unregister"] = {}
        found["GET", f"{where}/region/{{name}}/status"] = {"path_parameters": MULTIPLY}
        found["POST", f"{where}/region/{{name}}/unregister"] = {"path_parameters": MULTIPLY}
        body = {"key": "/sluice_none", "byte_size": 8}
        found["POST", f"{where}/region/{{name}}/register"] = {"path_parameters": MULTIPLY, "body": body}
    for place, which in (("", {}), ("/versions/{version}", {"version": 1})):
        where = "/v2/models/{name}" + place
        named = {**MULTIPLY, **which}
        for what in ("", "/ready", "/config", "/stats"):
            found["GET", where + what] = {"path_parameters": named}
        found["POST", f"{where}/infer"] = {"path_parameters": named, "body": {"inputs": [TENSOR]}}
        for what in ("generate", "generate_stream"):
            found["POST", f"{where}/{what}"] = {
                "path_parameters": {**which, "name": "letters"},
                "body": {"text_input": "ab", "max_tokens": 3},
            }
    return found


OIP = _oip()

WIRES = {"tasks": TASKS, "openai": OPENAI, "tfserving": TFSERVING, "oip": OIP}
REFUSED = {
    ("POST", "/v2/repository/models/{name}/load"): 403,
    ("POST", "/v2/repository/models/{name}/unload"): 403,
    **{operation: 501 for operation in OIP if "sharedmemory" in operation[1]},
}
"""What even a sound request is refused with."""
