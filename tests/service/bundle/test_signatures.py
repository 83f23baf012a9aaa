"""What a step graph's description refuses."""

import pytest
from pydantic import ValidationError

from service.bundle import StateEntry


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"mode": "append"}, "needs an axis"),
        ({"mode": "replace", "axis": 1}, "has none"),
        ({"mode": "replace", "whole": True}, "can be 'whole'"),
    ],
)
def test_a_state_entry_that_contradicts_itself_is_refused(entry: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        StateEntry.model_validate({"input": "before", "output": "after", **entry})


def test_a_present_may_be_the_whole_of_past_and_new() -> None:
    assert StateEntry(input="past", output="present", mode="append", axis=2, whole=True).whole
