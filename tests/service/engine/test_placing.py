"""Where a step graph's state is, and for how many rows."""

import pytest

from service.engine.placing import place
from tests.service.engine.generators import GRAPHS
from tests.support.fake_device import FakeDevice
from tests.support.fakes import FakeSession


@pytest.mark.parametrize(
    ("kind", "slots"), [("recurrent", 12), ("present", 12), ("attention", 8), ("counting", 8)]
)
def test_there_is_room_to_read_ahead_where_rows_of_any_length_and_age_share_a_run(
    kind: str, slots: int
) -> None:
    graph, signature, compute = GRAPHS[kind]
    assert place(FakeSession(compute), graph, signature, 8, reads_ahead=True)[1].slots == slots
    assert place(FakeSession(compute), graph, signature, 8, reads_ahead=False)[1].slots == 8


def test_on_a_device_there_is_none() -> None:
    graph, signature, compute = GRAPHS["present"]
    assert place(FakeDevice(compute), graph, signature, 8, reads_ahead=True)[1].slots == 8
