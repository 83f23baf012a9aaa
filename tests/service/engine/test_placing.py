"""Where a step graph's state is, and for how many rows."""

import pytest

from service.bundle import Signature, StepGraph
from service.engine.contracts import Session
from service.engine.placing import place
from tests.service.engine.step_models import (
    ATTENTION,
    ATTENTION_SIGNATURE,
    COUNTING,
    COUNTING_SIGNATURE,
    PRESENT,
    PRESENT_SIGNATURE,
    RECURRENT,
    RECURRENT_SIGNATURE,
    attention,
    counting,
    present,
    recurrent,
)
from tests.support.fake_device import FakeDevice
from tests.support.fakes import FakeSession


@pytest.mark.parametrize(
    ("session", "graph", "signature", "slots"),
    [
        (FakeSession(recurrent), RECURRENT, RECURRENT_SIGNATURE, 12),
        (FakeSession(present), PRESENT, PRESENT_SIGNATURE, 12),
        (FakeSession(attention), ATTENTION, ATTENTION_SIGNATURE, 8),
        (FakeSession(counting), COUNTING, COUNTING_SIGNATURE, 8),
        (FakeDevice(present), PRESENT, PRESENT_SIGNATURE, 8),
    ],
    ids=["ragged", "ragged with a cache", "one token a step", "rows of one age", "on a device"],
)
def test_there_is_room_to_read_ahead_where_rows_of_any_length_and_age_share_a_run_on_the_host(
    session: Session, graph: StepGraph, signature: Signature, slots: int
) -> None:
    assert place(session, graph, signature, 8, reads_ahead=True)[1].slots == slots
    assert place(session, graph, signature, 8, reads_ahead=False)[1].slots == 8
