"""What locust loads: `locust -f loadtests/locustfile.py`. README.md beside it says how.

Knows which users there are; knows nothing of how they do it.
"""

from __future__ import annotations

from loadtests.locusts import setup
from loadtests.locusts.users import (
    ClassifyGrpc,
    ClassifyRest,
    GenerateGrpc,
    GenerateRest,
    OpenLoop,
    PredictGrpc,
    PredictRest,
    ScoreGrpc,
    ScoreRest,
    TranslateGrpc,
    TranslateRest,
)

__all__ = [
    "ClassifyGrpc",
    "ClassifyRest",
    "GenerateGrpc",
    "GenerateRest",
    "OpenLoop",
    "PredictGrpc",
    "PredictRest",
    "ScoreGrpc",
    "ScoreRest",
    "TranslateGrpc",
    "TranslateRest",
]

setup.prepare()
