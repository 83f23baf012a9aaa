"""A model that generates, if the repository has one: its bare step, and the requests that ask it for tokens.

Knows the manifest's outline and the graph's own inputs; knows nothing of how tokens are chosen.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

TOKENS = 32
PROMPT = "The "
_DTYPES = {
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(float)": np.float32,
    "tensor(bool)": np.bool_,
}


@dataclass(frozen=True, slots=True)
class Generator:
    """A version directory of a model that generates, and its step graph."""

    name: str
    directory: Path
    step: Path

    def requests(self) -> dict[str, tuple[str, bytes]]:
        """Return path and body by wire; each answer is `TOKENS` tokens, unless the model ends before."""
        asked = {"model": self.name, "prompt": PROMPT, "max_tokens": TOKENS, "temperature": 0}
        body = orjson.dumps(asked)
        return {
            "task API, generate": ("/v1/generate", body),
            "OpenAI, completions": ("/v1/completions", body),
            "OpenAI, streamed": ("/v1/completions", orjson.dumps({**asked, "stream": True})),
        }


def find(models: Path) -> Generator | None:
    """Return the first model below `models` whose newest version generates, None if there is none."""
    for manifest in sorted(models.glob("*/*/manifest.json"), key=_place):
        document = json.loads(manifest.read_text())
        if document["task"]["word"] == "generate":
            graph = document["signatures"][document["task"]["step"]["signature"]]["file"]
            return Generator(document["name"], manifest.parent, manifest.parent / graph)
    return None


def _place(manifest: Path) -> tuple[str, int]:
    return manifest.parts[-3], -int(manifest.parts[-2])


def feeds(session: Any) -> dict[str, Any]:
    """Return the inputs of one row and one token; every free axis is 1."""
    return {
        each.name: np.ones([size if isinstance(size, int) else 1 for size in each.shape], _DTYPES[each.type])
        for each in session.get_inputs()
    }
