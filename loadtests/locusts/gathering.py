"""Ask the gateway which models there are, and gather the questions for them: the traffic of a load test.

Knows the gateway's lists, files and options; knows nothing of users.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote, urlsplit
from urllib.request import urlopen

from loadtests.traffic import catalogue, plan, samples, scopes
from loadtests.traffic.catalogue import Model
from loadtests.traffic.checks import Memory
from loadtests.traffic.plan import Materials
from loadtests.traffic.questions import Question

GRPC_PORT = 8001
_log = logging.getLogger("loadtests")


@dataclass(frozen=True, slots=True)
class Series:
    """The questions of one model on one wire, and how often they are asked beside other series."""

    questions: Sequence[Question]
    weight: float


@dataclass(frozen=True, slots=True)
class Traffic:
    """All that may be asked, and the right answers that have been seen."""

    series: Sequence[Series]
    memory: Memory = field(default_factory=Memory)

    def of(self, labels: frozenset[str]) -> Sequence[Series]:
        """Return the series that have all `labels`."""
        return [each for each in self.series if labels <= each.questions[0].labels]


def choose(series: Sequence[Series], random: Random) -> Question:
    """Return a question: a series by its weight, and of that any."""
    (chosen,) = random.choices(series, [each.weight for each in series])
    return random.choice(chosen.questions)


def gather(host: str, options: Any) -> Traffic:
    """Return the traffic for the gateway at `host`; raises OSError or ValueError if that cannot be done."""
    materials = read_materials(Path(options.examples), options.tokens)
    wanted, weights = scopes.parse_all(options.only), scopes.weights(options.weights)
    found: dict[str, list[Question]] = {}
    for model in _models(host, options.timeout_s):
        bundle = samples.read_bundle(Path(options.models), model)
        if not bundle.golden:
            _log.info("no recorded answers of %s at hand: its first answers count as right", model.name)
        for question in plan.questions(model, bundle, materials):
            if any(scope <= question.labels for scope in wanted):
                found.setdefault(question.name, []).append(question)
    series = [Series(each, scopes.weight(weights, each[0].labels)) for each in found.values()]
    series = [each for each in series if each.weight > 0]
    if not series:
        raise ValueError(f"nothing to ask: no model at {host} has data for what --only and --weights leave")
    return Traffic(series)


def read_materials(examples: Path, tokens: int) -> Materials:
    """Return what a folder of examples has: `texts.json`, pictures, and documents with rows by name."""
    texts, rows = {}, []
    for path in sorted(examples.glob("*.json")):
        document = json.loads(path.read_bytes())
        if path.name == "texts.json":
            texts = document
        elif isinstance(document, dict):
            rows += [row for row in document.get("rows", []) if isinstance(row, dict)]
    pictures = [path.read_bytes() for path in sorted(examples.glob("*.png"))]
    return Materials(texts, pictures, rows, tokens)


def grpc_address(host: str, given: str) -> str:
    """Return where gRPC is: as given, else the usual port of the REST host."""
    return given or f"{urlsplit(host).hostname}:{GRPC_PORT}"


def _models(host: str, timeout_s: float) -> list[Model]:
    def fetch(path: str) -> Any:
        with urlopen(f"{host.rstrip('/')}{path}", timeout=timeout_s) as answer:  # noqa: S310  # --host, given by the operator
            return json.load(answer)

    names = catalogue.available(fetch("/v1/models"))
    return [Model.of(fetch(f"/v1/models/{quote(name)}")) for name in names]
