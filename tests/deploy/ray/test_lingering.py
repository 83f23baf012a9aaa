import asyncio

import pytest

from deploy.ray.lingering import LingeringRegistry
from service.domain import ModelId, ModelRef
from service.errors import NotFound
from service.repository.changes import Changes
from tests.service.repository.house import live

OLD, NEW = ModelId("shapes", 1), ModelId("shapes", 2)
EXACTLY_OLD = ModelRef("shapes", version=1)


async def test_a_replaced_version_answers_by_number_for_a_while_and_is_then_let_go() -> None:
    registry = LingeringRegistry(Changes(), linger_s=0.01)
    old, new = live(OLD.name, OLD.version), live(NEW.name, NEW.version)
    registry.publish(old)
    registry.publish(new)
    registry.retire(OLD)
    assert registry.find(EXACTLY_OLD) is old
    assert registry.find(ModelRef("shapes")) is new
    assert registry.live() == (new,)
    async with asyncio.timeout(5):
        await old.drained()
    with pytest.raises(NotFound):
        registry.find(EXACTLY_OLD)


async def test_a_version_that_came_back_answers_itself() -> None:
    registry = LingeringRegistry(Changes(), linger_s=0.01)
    old, again = live(OLD.name, OLD.version), live(OLD.name, OLD.version)
    registry.publish(old)
    registry.retire(OLD)
    registry.publish(again)
    assert registry.find(EXACTLY_OLD) is again
