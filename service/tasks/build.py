"""Make what answers a model's own word, and `predict`, from its manifest and what runs its graphs.

Knows which class answers which word. Knows nothing of how graphs are run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from service.bundle import Manifest
from service.domain import Word
from service.engine.contracts import Runner, TokenGenerator
from service.tasks.classify import Classify
from service.tasks.generate import Generate
from service.tasks.parts import Parts
from service.tasks.predict import Predict
from service.tasks.score import Score
from service.tasks.translate import Translate


class Task(Protocol):
    """Answers one word for one model version; request and answer are those of the word in `service.domain`.

    `generate` also has `stream(request, deadline_at_s, client)`, an async generator of `TextChunk`. Those that make
    tokens also take the client that asks, as callers wait for one another there.
    """

    async def run(self, request: Any, deadline_at_s: float) -> Any:
        """Answer one request; raises ServiceError."""


TASKS: dict[Word, Callable[[Manifest, Parts], Task]] = {
    "classify": Classify,
    "generate": Generate,
    "translate": Translate,
    "score": Score,
    "predict": Predict,
}


def build_task(
    manifest: Manifest,
    runners: Mapping[str, Runner],
    generator: TokenGenerator | None,
    directory: Path,
) -> Task:
    """Return what answers the manifest's word. `runners` has one for each signature that is run by itself.

    Raises BundleError if the version's files do not give what the task needs: a tokenizer that cannot be
    read or does not fit, an input that nothing fills, a signature without a runner, a generator missing.
    """
    return TASKS[manifest.task.word](manifest, Parts(runners, generator, directory))


def build_predict(manifest: Manifest, runners: Mapping[str, Runner]) -> Predict:
    """Return what answers `predict` beside another word, through every signature that has a runner."""
    return Predict(manifest, Parts(runners))
