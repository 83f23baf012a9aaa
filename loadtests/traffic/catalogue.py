"""What the gateway says of its models: words, versions, tensors, labels, limits.

Knows the documents of `GET /v1/models` and `GET /v1/models/NAME`; knows nothing of how they are fetched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

BATCH = "batch"


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output; `shape` has a number for a fixed axis and a name for a free one."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    kind: str


@dataclass(frozen=True, slots=True)
class Model:
    """The version of a model that answers by default, and its default signature."""

    name: str
    version: int
    word: str
    signature: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    labels: tuple[str, ...]
    features: tuple[str, ...]
    limits: Mapping[str, int]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Return the model of a detail document."""
        signature = document["signatures"][document["default_signature"]]
        return cls(
            name=document["id"],
            version=document["version"],
            word=document["word"],
            signature=document["default_signature"],
            inputs=tuple(map(_tensor, signature["inputs"])),
            outputs=tuple(map(_tensor, signature["outputs"])),
            labels=tuple(document["labels"]),
            features=tuple(document["features"]),
            limits=document["limits"],
        )

    @property
    def by_row(self) -> bool:
        """Whether each row of the inputs has its own row of the outputs."""
        return all(tensor.shape[:1] == (BATCH,) for tensor in (*self.inputs, *self.outputs))


def available(listing: Mapping[str, Any]) -> Sequence[str]:
    """Return the names of the models that have a version which answers."""
    return [
        each["id"]
        for each in listing["data"]
        if any(version["state"] == "available" for version in each["versions"])
    ]


def _tensor(document: Mapping[str, Any]) -> Tensor:
    return Tensor(document["name"], document["dtype"], tuple(document["shape"]), document["kind"])
