"""Which model a caller means, and the protocol's words for one that is not there.

Knows names and versions. Knows no wire.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from service.domain import ModelRef
from service.errors import Invalid, NotFound

_VERSION = re.compile(r"[0-9]{1,19}")
_SHOWN = 64


def model_ref(name: str, version: str) -> ModelRef:
    """Return the model meant; `version` "" is the default one. Raises Invalid."""
    if not name:
        raise Invalid("expected the name of a model", field="model")
    if not version:
        return ModelRef(name)
    if not _VERSION.fullmatch(version) or not 1 <= int(version) < 2**63:
        raise Invalid(
            f"failed to get model version from specified version string {_shown(version)}: "
            "version should be an integral value > 0",
            field="version",
        )
    return ModelRef(name, int(version))


@contextmanager
def naming(ref: ModelRef) -> Iterator[None]:
    """Turn a NotFound for the model or its version into the words that clients of this protocol know."""
    try:
        yield
    except NotFound as error:
        if error.field == "model":
            raise NotFound(
                f"Request for unknown model: {_shown(str(ref.name))} is not found", field="model"
            ) from error
        if error.field == "version":
            raise NotFound(
                f"Request for unknown model: {_shown(str(ref.name))} version {ref.version} is not found",
                field="version",
            ) from error
        raise


def _shown(text: str) -> str:
    return ascii(text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...")
