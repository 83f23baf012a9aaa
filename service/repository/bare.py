"""Write the contract of a graph that lies in a version directory without one.

Knows manifests. Knows nothing of sessions.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from service.bundle import File, Manifest, Predict, Provenance, Signature, sha256
from service.domain import ModelId

SIGNATURE = "serving_default"


def manifest(model: ModelId, signature: Signature, graph: Path) -> Manifest:
    """Return the manifest of a bare graph: it is served as `predict`, and promises nothing else."""
    status = graph.stat()
    changed = datetime.fromtimestamp(status.st_mtime, tz=UTC)
    return Manifest(
        name=model.name,
        version=model.version,
        created=changed,
        task=Predict(),
        default_signature=SIGNATURE,
        signatures={SIGNATURE: signature},
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
        files={graph.name: File(sha256=sha256(graph), bytes=status.st_size)},
    )
