"""Where the versions of a model stand: which of them a caller means, and the message that tells.

Pure. Knows what the gateway says of versions; knows neither HTTP nor gRPC.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pb import tfserving_pb2
from service.domain import ModelRef, VersionStatus
from service.errors import Invalid, NotFound
from service.protocols import model_states
from service.protocols.tfserving.faults import quoted


def meant(statuses: Iterable[VersionStatus], ref: ModelRef) -> list[VersionStatus]:
    """Return the versions that `ref` means, all of a model's without version or label, newest first.

    Raises NotFound, and Invalid for a label that is not known.
    """
    name = quoted(ref.name or "")
    known = sorted(
        (status for status in statuses if status.model.name == ref.name),
        key=lambda status: -status.model.version,
    )
    if not known:
        raise NotFound(f"Could not find any versions of model {name}", field="model")
    if ref.version is not None:
        known = [status for status in known if status.model.version == ref.version]
        if not known:
            raise NotFound(f"Could not find version {ref.version} of model {name}", field="version")
    if ref.label is not None:
        known = [status for status in known if ref.label in status.labels]
        if not known:
            raise Invalid(f"Unrecognized servable version label: {quoted(ref.label)}", field="label")
    return known


def message(statuses: Iterable[VersionStatus]) -> Any:
    """Return a GetModelStatusResponse."""
    return tfserving_pb2.GetModelStatusResponse(
        model_version_status=[
            tfserving_pb2.ModelVersionStatus(
                version=status.model.version,
                state=model_states.STATES[status.state],
                status=tfserving_pb2.StatusProto(
                    error_code=model_states.error_code(status), error_message=status.reason
                ),
            )
            for status in statuses
        ]
    )
