"""Pictures, rows and texts over the typed task API: classify and score.

Knows the task API by its messages; knows nothing of how they are sent or served. Pure.
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import orjson

from loadtests.traffic.catalogue import Model
from loadtests.traffic.checks import Answer, Array
from loadtests.traffic.questions import Message
from pb import tasks_pb2

CLASSIFY, SCORE = "/sluice.v1.Inference/Classify", "/sluice.v1.Inference/Score"
Given = dict[str, Any]
"""What is classified, as one of: `image` the bytes of a file, `pixels` scaled, `features`, `text`."""


def ask_classify(model: Model, given: Given) -> Message:
    """Return the request over REST for all labels."""
    body: dict[str, Any] = {"model": model.name, "top_k": len(model.labels)}
    for name, value in given.items():
        if name == "image":
            body[name] = base64.b64encode(value).decode()
        else:
            body[name] = value.tolist() if isinstance(value, np.ndarray) else value
    if "pixels" in given:
        body["scaled"] = True
    return Message("/v1/classify", orjson.dumps(body))


def read_classify(model: Model, body: bytes) -> Answer:
    """Return the probabilities in the order of the model's labels."""
    found = {each["label"]: each["probability"] for each in orjson.loads(body)["labels"]}
    return {"probabilities": np.array([found[label] for label in model.labels])}


def ask_classify_message(model: Model, given: Given) -> Message:
    """Return the request over gRPC for all labels."""
    request = tasks_pb2.ClassifyRequest(
        model=tasks_pb2.ModelRef(name=model.name), top_k=len(model.labels), scaled="pixels" in given
    )
    for name, value in given.items():
        if name == "pixels":
            request.pixels.MergeFrom(
                tasks_pb2.Tensor(dtype=value.dtype.name, shape=value.shape, raw=value.tobytes())
            )
        elif name == "features":
            request.features.values.extend(value.tolist())
        else:
            setattr(request, name, value)
    return Message(CLASSIFY, bytes(request.SerializeToString()))


def read_classify_message(model: Model, body: bytes) -> Answer:
    """Return the probabilities in the order of the model's labels."""
    found = {each.label: each.probability for each in tasks_pb2.ClassifyReply.FromString(body).labels}
    return {"probabilities": np.array([found[label] for label in model.labels])}


def ask_score(model: Model, row: Array) -> Message:
    """Return the request over REST for one row [features]."""
    return Message("/v1/score", orjson.dumps({"model": model.name, "rows": [row.tolist()]}))


def read_score(body: bytes) -> Answer:
    """Return score, verdict and threshold."""
    document = orjson.loads(body)
    (row,) = document["rows"]
    return _scored(row["score"], row["is_anomaly"], document["threshold"])


def ask_score_message(model: Model, row: Array) -> Message:
    """Return the request over gRPC for one row [features]."""
    request = tasks_pb2.ScoreRequest(
        model=tasks_pb2.ModelRef(name=model.name), rows=[tasks_pb2.Features(values=row.tolist())]
    )
    return Message(SCORE, bytes(request.SerializeToString()))


def read_score_message(body: bytes) -> Answer:
    """Return score, verdict and threshold."""
    reply = tasks_pb2.ScoreReply.FromString(body)
    (row,) = reply.rows
    return _scored(row.score, row.is_anomaly, reply.threshold)


def _scored(score: float, is_anomaly: bool, threshold: float) -> Answer:
    return {
        "score": np.array([score]),
        "is_anomaly": np.array([is_anomaly]),
        "threshold": np.array([threshold]),
    }
