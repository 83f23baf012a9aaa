"""Write one version directory as the on-disk contract wants it, or with one deliberate fault.

Knows manifests, checksums and golden requests; knows no particular model.
"""

from __future__ import annotations

import io
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np
import onnx

from service import bundle
from service.bundle import Batching, Golden, Manifest, Parity, Provenance, Signature, Task, Tensor
from service.domain import Tensors

Fault = Literal["checksum", "golden", "truncated", "missing", "manifest"]
"""What is wrong with a version: `checksum` a byte of `model.onnx` differs; `golden` the recorded answer does not
come back; `truncated` half of `model.onnx` (with a matching checksum); `missing` no `model.onnx`; `manifest` it
is cut off in the middle.
"""


@dataclass(frozen=True, slots=True)
class Draft:
    """One signature in the making: its graph, and a request with its answer (none: no golden request)."""

    graph: onnx.ModelProto
    inputs: Sequence[Tensor]
    outputs: Sequence[Tensor]
    request: Tensors = field(default_factory=dict)
    answer: Tensors = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a version goes, and what is wrong with it."""

    models: Path
    name: str
    version: int = 1
    fault: Fault | None = None
    max_rows: int = 64


def write(
    place: Place, task: Task, drafts: Mapping[str, Draft], assets: Mapping[str, bytes] | None = None
) -> Path:
    """Write a version whose default signature is the first of `drafts`, and return its directory."""
    work = workspace(place.models / place.name)
    (work / bundle.ASSETS).mkdir()
    for name, content in (assets or {}).items():
        (work / bundle.ASSETS / name).write_bytes(content)
    signatures: dict[str, Signature] = {}
    golden: list[Golden] = []
    for name, draft in drafts.items():
        file = f"{name}.onnx" if signatures else bundle.DEFAULT_GRAPH
        graph = draft.graph.SerializeToString()
        if place.fault == "truncated" and not signatures:
            graph = graph[: len(graph) // 2]
        (work / file).write_bytes(graph)
        signatures[name] = Signature(
            file=file, saved_model_signature=name, inputs=tuple(draft.inputs), outputs=tuple(draft.outputs)
        )
        if draft.request:
            recorded = f"{bundle.ASSETS}/golden-{name}.npz"
            (work / recorded).write_bytes(_golden(draft, wrong=place.fault == "golden"))
            golden.append(Golden(signature=name, file=recorded, tolerance=1e-3))
    manifest = _manifest(place, task, signatures, golden, work)
    text = manifest.model_dump_json(indent=2)
    (work / bundle.MANIFEST).write_text(text[: len(text) // 2] if place.fault == "manifest" else text)
    _break(work / bundle.DEFAULT_GRAPH, place.fault)
    return work.rename(place.models / place.name / str(place.version))


def workspace(home: Path) -> Path:
    """Return a new directory beside the versions of a model, which becomes a version by a rename."""
    work = home / f".tmp-{secrets.token_hex(4)}"
    work.mkdir(parents=True)
    return work


def _golden(draft: Draft, *, wrong: bool) -> bytes:
    arrays = {f"in.{name}": array for name, array in draft.request.items()}
    for name, array in draft.answer.items():
        other = ~array if array.dtype == np.bool_ else array + array.dtype.type(1)
        arrays[f"out.{name}"] = other if wrong else array
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()


def _manifest(
    place: Place, task: Task, signatures: dict[str, Signature], golden: list[Golden], work: Path
) -> Manifest:
    return Manifest(
        name=place.name,
        version=place.version,
        created=datetime(2026, 1, 1, tzinfo=UTC),
        task=task,
        default_signature=next(iter(signatures)),
        signatures=signatures,
        metrics={"accuracy": 0.99},
        parity={name: Parity(max_relative=1e-7, tolerance=1e-4, cases=4, ragged=True) for name in signatures},
        golden=tuple(golden),
        batching=Batching(max_rows=place.max_rows),
        provenance=Provenance(
            job="tiny",
            profile="quick",
            revision="0" * 40,
            command="python -m tests.support.bundles",
            seed=0,
            data="none",
            started=datetime(2026, 1, 1, tzinfo=UTC),
            seconds=0.0,
            libraries={"onnx": onnx.__version__},
        ),
        files=bundle.describe_files(work),
    )


def _break(graph: Path, fault: Fault | None) -> None:
    if fault == "checksum":
        content = bytearray(graph.read_bytes())
        content[-1] ^= 1
        graph.write_bytes(bytes(content))
    elif fault == "missing":
        graph.unlink()
