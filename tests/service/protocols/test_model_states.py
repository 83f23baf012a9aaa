from typing import get_args

from service.domain import ModelId, VersionState, VersionStatus
from service.protocols import model_states


def test_every_state_has_a_name_on_the_wire() -> None:
    assert set(model_states.STATES) == set(get_args(VersionState))


def test_versions_are_told_newest_first_with_why_they_failed() -> None:
    told = model_states.documents([
        VersionStatus(ModelId("m", 1), "available"),
        VersionStatus(ModelId("m", 2), "failed", "checksum"),
    ])  # fmt: skip
    assert told == [
        {"version": "2", "state": "END", "status": {"error_code": "UNKNOWN", "error_message": "checksum"}},
        {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}},
    ]
