"""Read the files that flags of TensorFlow Serving name, and say which of them cannot be used.

Knows paths and texts; what the texts mean is `model_config`'s and `batching_config`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from service.config import ConfigError, Settings
from service.errors import Invalid
from service.protocols.tfserving import model_config
from service.protocols.tfserving.model_config import Served

LARGEST_FILE_BYTES = 2**20
SOURCE = "repository.model_config_file (flag --model_config_file)"


def parsed(text: str, source: str, parse: Callable[[str], Any]) -> Any:
    """Return what `parse` makes of a file; raises ConfigError that names the flag."""
    try:
        content = read_file(Path(text))
    except ValueError as error:
        raise ConfigError(f"{source}: the file '{text}' {error}") from error
    try:
        return parse(content)
    except Invalid as error:
        raise ConfigError(f"{source}: in the file '{text}': {error.message}") from error


def read_file(path: Path) -> str:
    """Return the text of a small file; raises ValueError with what is wrong with it."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE_BYTES + 1)
        if len(content) > LARGEST_FILE_BYTES:
            raise ValueError(f"is larger than {LARGEST_FILE_BYTES} bytes")
        return content.decode("utf-8")
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError("is not UTF-8 text") from error


def read_model_config(path: Path) -> Served:
    """Return what a `model.config` file lists; raises ConfigError."""
    return parsed(str(path), SOURCE, model_config.read)  # type: ignore[no-any-return]  # what `read` returns


def with_model_config(settings: Settings) -> tuple[Settings, list[str]]:
    """Return the settings with what their `model.config` file lists, and notes for the log.

    Raises ConfigError for a file that cannot be used, or lists a model that the settings know already.
    """
    path = settings.repository.model_config_file
    if path is None:
        return settings, []
    listed = read_model_config(path)
    mine = settings.repository
    for key, here, there in (
        ("base_paths", mine.base_paths, listed.base_paths),
        ("policies", mine.policies, listed.policies),
        ("labels", mine.labels, listed.labels),
    ):
        both = sorted(here.keys() & there.keys())
        if both:
            raise ConfigError(f"repository.{key} and {SOURCE} both say something of model '{both[0]}'")
    together = {
        "base_paths": {**mine.base_paths, **listed.base_paths},
        "policies": {**mine.policies, **listed.policies},
        "labels": {**mine.labels, **{name: dict(labels) for name, labels in listed.labels.items()}},
    }
    repository = mine.model_copy(update=together)
    return settings.model_copy(update={"repository": repository}), list(listed.without_effect)
