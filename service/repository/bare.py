"""Write the contract of graphs that lie in a version directory without one.

Knows manifests. Knows nothing of sessions.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from service.bundle import File, Manifest, Provenance, Signature, Task, sha256
from service.domain import ModelId

SIGNATURE = "serving_default"


def manifest(
    model: ModelId, task: Task, signatures: Mapping[str, Signature], files: Mapping[str, Path]
) -> Manifest:
    """Return a manifest of `files`, by relative name, that promises no numbers; the first signature is default."""
    changed = datetime.fromtimestamp(max(path.stat().st_mtime for path in files.values()), tz=UTC)
    return Manifest(
        name=model.name,
        version=model.version,
        created=changed,
        task=task,
        default_signature=next(iter(signatures)),
        signatures=dict(signatures),
        metrics={},
        parity={},
        golden=(),
        provenance=Provenance(
            job="",
            profile="",
            revision="",
            command="",
            seed=0,
            data="",
            started=changed,
            seconds=0.0,
            libraries={},
        ),
        files={name: File(sha256=sha256(path), bytes=path.stat().st_size) for name, path in files.items()},
    )
