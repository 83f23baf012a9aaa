"""When readers are told."""

from typing import cast

import pytest

from service.engine import delivery as module
from service.engine.delivery import Delivery
from service.engine.roster import Roster
from service.engine.step import StepFeeds


class Stepping:
    """As much of a roster as is asked here."""

    def __init__(self, stepping: int) -> None:
        self.stepping = stepping


@pytest.mark.parametrize(("stepping", "every"), [(1, 2), (4, 8)])
def test_readers_are_told_the_more_seldom_the_more_step(
    stepping: int, every: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 100.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now_s)
    delivery = Delivery(cast("StepFeeds", None), cast("Roster", Stepping(stepping)), 1000, 0.5)
    told: list[float] = []
    monkeypatch.setattr(delivery, "tell_all", lambda tell=delivery.tell_all: (told.append(now_s), tell()))
    for _ in range(25):
        delivery.round_made()
        now_s += 0.25
    assert told == [100 + 0.25 * number for number in range(0, 25, every)]
