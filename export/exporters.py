"""The table of exporters: which function describes the runs of a word.

Knows nothing of how they do it.
"""

from __future__ import annotations

from collections.abc import Callable

from export import classify, generate, score, translate
from export.recipe import Recipe, Source

EXPORTERS: dict[str, Callable[[Source], Recipe]] = {
    "classify": classify.describe,
    "generate": generate.describe,
    "score": score.describe,
    "translate": translate.describe,
}
