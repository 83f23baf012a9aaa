"""The paths of TensorFlow Serving's REST API: which model is meant, and what is asked of it.

Pure. Knows paths as they are sent, percent-encoded; knows no body.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

from service.domain import ModelRef
from service.errors import Invalid
from service.protocols.tfserving.faults import quoted

Verb = Literal["predict", "classify", "regress", "status", "metadata"]
ROOT = "/v1/models"

_VERSIONED = r"(?i:/v1/models/([^/:]+)(?:/versions/([0-9]+)|/labels/([^/:]+))?"
_POST = re.compile(_VERSIONED + r":(classify|regress|predict))")
_GET = re.compile(_VERSIONED + r"(/metadata)?)")
_VERBS: dict[str, Verb] = {
    "predict": "predict",
    "classify": "classify",
    "regress": "regress",
    "/metadata": "metadata",
}
_INT64_DIGITS = 19


@dataclass(frozen=True, slots=True)
class Address:
    """What a path means; the name of the model is always there."""

    verb: Verb
    ref: ModelRef


def claims(method: str, path: str) -> bool:
    """Say whether a path is TensorFlow Serving's.

    The list of models and a model's own document, in lower case, are everyone's: the model document has what
    readers of either kind look for.
    """
    if not _below_root(path):
        return False
    rest = path[len(ROOT) :]
    everyones = path.startswith(ROOT) and rest.count("/") <= 1 and ":" not in rest
    return not (everyones and (method in {"GET", "HEAD"} or rest == ""))


def _below_root(path: str) -> bool:
    return path[: len(ROOT)].lower() == ROOT and path[len(ROOT) : len(ROOT) + 1] in {"", "/"}


def parse(method: str, path: str) -> Address:
    """Return what is asked; raises Invalid as TensorFlow Serving does, with its texts."""
    match = None
    if method == "POST":
        match = _POST.fullmatch(path)
    elif method == "GET":
        if path.lower() == ROOT:
            raise Invalid("Missing model name in request.", field="path")
        match = _GET.fullmatch(path)
    if match is None:
        raise Invalid(f"Malformed request: {quoted(method)} {quoted(path)}", field="path")
    name, version, label, what = match.groups()
    return Address(
        _VERBS[what.lower()] if what else "status",
        ModelRef(_decoded(name), _number(version), _decoded(label)),
    )


def _number(digits: str | None) -> int | None:
    if digits is None:
        return None
    if len(digits.lstrip("0")) > _INT64_DIGITS or int(digits) >= 2**63:
        raise Invalid(f"Failed to convert version: {quoted(digits)} to numeric.", field="version")
    return int(digits)


def _decoded(text: str | None) -> str | None:
    return None if text is None else unquote(text, errors="replace")
