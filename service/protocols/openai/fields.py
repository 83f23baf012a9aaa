"""Which fields of OpenAI's requests change nothing here, and which are refused unless they ask for nothing.

Pure. Knows names and harmless values; the fields that are served are in `bodies`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.errors import Invalid

IGNORED = frozenset(
    {
        "user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_options",
        "prompt_cache_retention", "parallel_tool_calls", "reasoning_effort", "verbosity",
    }
)  # fmt: skip
"""Accepted with any value: they are about accounts, prices and caches, tools that are not called, or hints to
models that heed them."""

HARMLESS: Mapping[str, tuple[Any, ...]] = {
    "audio": (),
    "function_call": ("none", "auto"),
    "functions": ([],),
    "modalities": (["text"],),
    "moderation": (),
    "prediction": (),
    "response_format": ({"type": "text"},),
    "suffix": ("",),
    "tool_choice": ("none", "auto"),
    "tools": ([],),
    "web_search_options": (),
}
"""Not served: accepted only with a value that asks for nothing, or null."""


def screened(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that ask for something; null means not given. Raises Invalid for what is not served."""
    kept = {}
    for name, value in document.items():
        if value is None or name in IGNORED:
            continue
        if name not in HARMLESS:
            kept[name] = value
        elif value not in HARMLESS[name]:
            raise Invalid(f"{name} is not served{_instead(HARMLESS[name])}", field=name)
    return kept


def _instead(values: tuple[Any, ...]) -> str:
    return f"; only {' or '.join(map(repr, values))} is accepted" if values else ""
