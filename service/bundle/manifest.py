"""The typed `manifest.json`: everything that another program needs to know of a model version.

Knows how the parts belong together. Knows nothing of sessions, requests or training.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from service.bundle import examples
from service.bundle.examples import Examples
from service.bundle.files import MANIFEST, BundleError, File, problem
from service.bundle.signatures import Frozen, Signature
from service.bundle.tasks import Task
from service.domain import NAME_PATTERN


class Parity(Frozen):
    """How far the SavedModel and the ONNX graph were apart: max |a-b| / (1 + |a|) over all `cases`."""

    max_relative: float
    tolerance: float
    cases: int
    ragged: bool


class Golden(Frozen):
    """A request with its answer: an `.npz` with arrays `in.<input>` and `out.<output>`.

    The gateway runs it when it loads the version, and refuses the version if any output is further than
    `tolerance` from the recorded one, by the measure of `Parity`.
    """

    signature: str
    file: str
    tolerance: float


class Provenance(Frozen):
    """Where a version comes from: enough to make it again. `parameters` counts the numbers that the model learnt or keeps."""

    job: str
    profile: str
    revision: str
    command: str
    seed: int
    data: str
    started: datetime
    seconds: float
    parameters: int | None = None
    libraries: dict[str, str]


class Batching(Frozen):
    """How many rows a session run may take for this model."""

    max_rows: Annotated[int, Field(ge=1)] = 64


class Manifest(Frozen):
    """The typed `manifest.json`: everything that another program needs to know of a model version.

    `examples` are the signatures that answer `tf.Example`s; without any, those that follow from the task.
    """

    schema_version: Literal[1] = 1
    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    version: Annotated[int, Field(ge=1, lt=2**63)]
    created: datetime
    task: Task
    default_signature: str
    signatures: dict[str, Signature]
    examples: tuple[Examples, ...] = ()
    metrics: dict[str, float]
    parity: dict[str, Parity]
    golden: tuple[Golden, ...]
    batching: Batching = Batching()
    provenance: Provenance
    files: dict[str, File]

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        if self.default_signature not in self.signatures:
            raise ValueError(f"default_signature '{self.default_signature}' is not among the signatures")
        for signature in self.signatures.values():
            for file in (signature.file, *(variant.file for variant in signature.variants.values())):
                if file not in self.files:
                    raise ValueError(f"file '{file}' of a signature is not among the files")
        for each in self.examples:
            each.check(self.signatures)
        if len({each.signature for each in self.examples}) < len(self.examples):
            raise ValueError("examples: a signature is declared once")
        return self

    @property
    def variants(self) -> tuple[str, ...]:
        """The names of all variants that any signature has, in alphabetical order; not that of the base."""
        return tuple(sorted({name for signature in self.signatures.values() for name in signature.variants}))

    @property
    def default(self) -> Signature:
        """The signature that is meant when a caller names none."""
        return self.signatures[self.default_signature]

    def example_signatures(self) -> tuple[Examples, ...]:
        """Return the signatures that answer Examples, as declared, or as the task has it."""
        return self.examples or examples.derived(self.task, self.signatures)


def read(directory: Path) -> Manifest:
    """Read the manifest of a version directory; raises BundleError if it is missing or not valid."""
    try:
        text = (directory / MANIFEST).read_bytes()
    except OSError as error:
        raise BundleError(f"{MANIFEST} cannot be read: {error.strerror}") from error
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        raise BundleError(f"{MANIFEST} is not valid: {problem(error, MANIFEST)}") from error
