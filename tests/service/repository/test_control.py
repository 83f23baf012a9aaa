"""What an operator changes while the gateway serves, over a store and a loader that do as they are told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.config import Policy, Repository
from service.domain import ModelId, ModelRef
from service.errors import Invalid, NotFound, TimedOut, Unavailable
from service.repository.control import Control
from service.repository.plan import Situation, plan
from service.repository.rules import Rules
from tests.service.repository.house import House

A1, A2, A3 = ModelId("a", 1), ModelId("a", 2), ModelId("a", 3)
B1 = ModelId("b", 1)
NEVER_S = 3600.0


class Running:
    """A house whose reloader runs, and looks only when it is asked to."""

    def __init__(self, *versions: ModelId) -> None:
        self.house = House(Repository(poll_interval_s=NEVER_S))
        self.house.store.versions = dict.fromkeys(versions, 0)
        self.control = Control(self.house.reloader, self.house.registry, self.house.changes)
        self._task = asyncio.create_task(self.house.reloader.run())

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.wait((self._task,))

    def found(self, **ref: Any) -> ModelId:
        return self.house.registry.find(ModelRef("a", **ref)).model


def soon() -> float:
    return time.monotonic() + 10


def begun(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    return asyncio.create_task(work)


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    running = Running(A1, A2, B1)
    await running.control.reload(soon())
    yield running
    await running.stop()
    await running.house.reloader.close()


async def test_an_unloaded_model_answers_nobody_and_stays_so_through_polling(running: Running) -> None:
    statuses = await running.control.unload("a", soon())
    assert [(each.model, each.state, each.reason) for each in statuses] == [
        (A1, "unloaded", "unloaded"),
        (A2, "unloaded", "unloaded"),
    ]
    await running.control.reload(soon())
    running.house.store.versions[A3] = 0
    await running.control.reload(soon())
    assert running.house.live() == {B1}
    with pytest.raises(Unavailable):
        running.found()


async def test_a_model_that_is_loaded_again_serves_what_its_policy_wants(running: Running) -> None:
    await running.control.unload("a", soon())
    statuses = await running.control.load("a", soon())
    assert [(each.model, each.state) for each in statuses] == [(A1, "unloaded"), (A2, "available")]
    assert running.found() == A2


async def test_a_version_that_was_just_written_is_loaded_at_once(running: Running) -> None:
    running.house.store.versions[A3] = 0
    await running.control.load("a", soon())
    assert running.found() == A3


async def test_loading_tries_a_failed_version_again_and_says_why_it_fails(running: Running) -> None:
    running.house.refuse(A3, "golden request 'x' is off by 1")
    running.house.store.versions[A3] = 0
    with pytest.raises(
        Invalid, match="failed to load version 3 of model 'a': golden request 'x' is off by 1"
    ):
        await running.control.load("a", soon())
    assert running.found() == A2
    running.house.loader.bad.clear()
    await running.control.load("a", soon())
    assert running.found() == A3


async def test_reloading_does_not_try_again_what_failed(running: Running) -> None:
    running.house.refuse(A3)
    running.house.store.versions[A3] = 0
    await running.control.reload(soon())
    await running.control.reload(soon())
    assert running.house.loader.loads.count(A3) == 1


async def test_a_failed_model_that_is_unloaded_says_unloaded(running: Running) -> None:
    running.house.refuse(A3)
    running.house.store.versions[A3] = 0
    await running.control.reload(soon())
    statuses = await running.control.unload("a", soon())
    assert {each.reason for each in statuses} == {"unloaded"}


async def test_loading_waits_for_its_own_model_only(running: Running) -> None:
    await running.control.unload("a", soon())
    house = running.house
    house.store.versions[ModelId("z", 1)] = 0
    house.loader.gate = asyncio.Event()
    house.loader.asked.clear()
    everything = begun(running.control.reload(soon()))
    await house.loader.asked.wait()
    house.loader.gate.set()
    await running.control.load("a", soon())
    await everything
    assert house.live() == {A2, B1, ModelId("z", 1)}


async def test_whoever_does_not_wait_is_told_and_the_change_goes_on(running: Running) -> None:
    house = running.house
    house.store.versions[A3] = 0
    house.loader.gate = asyncio.Event()
    with pytest.raises(TimedOut):
        await running.control.load("a", time.monotonic() + 0.01)
    house.loader.gate.set()
    await running.control.reload(soon())
    assert running.found() == A3


async def test_unloading_waits_for_the_last_request(running: Running) -> None:
    user = running.house.registry.find(ModelRef("a"))
    user.acquire()
    unloading = begun(running.control.unload("a", soon()))
    revision = 0
    while running.house.states()[A2] != "draining":
        revision = await running.house.changes.wait(revision)
    assert not unloading.done()
    user.release()
    assert {each.state for each in await unloading} == {"unloaded"}


async def test_of_two_who_disagree_the_last_one_wins_and_the_first_one_knows(running: Running) -> None:
    loading = begun(running.control.load("a", soon()))
    unloading = begun(running.control.unload("a", soon()))
    results = await asyncio.gather(loading, unloading, return_exceptions=True)
    assert isinstance(results[0], Invalid)
    assert "unloaded meanwhile" in results[0].message
    assert running.house.live() == {B1}


async def test_a_model_that_there_is_not_can_be_neither_loaded_nor_unloaded(running: Running) -> None:
    for work in (running.control.load, running.control.unload):
        with pytest.raises(NotFound, match=r"there is no model '\.\./etc'"):
            await work("../etc", soon())
    assert running.control.rules == Rules()


async def test_a_store_that_cannot_be_read_is_said(running: Running) -> None:
    running.house.store.error = "the models directory is gone"
    with pytest.raises(Unavailable, match="the models directory is gone"):
        await running.control.load("a", soon())


async def test_what_needs_no_disk_is_done_without_one(running: Running) -> None:
    running.house.store.error = "the models directory is gone"
    await running.control.set_label("a", "stable", 2, soon())
    assert running.found(label="stable") == A2
    await running.control.remove_label("a", "stable", soon())
    await running.control.unload("a", soon())
    assert running.house.live() == {B1}


async def test_whoever_waits_when_the_gateway_goes_down_is_told(running: Running) -> None:
    running.house.store.versions[A3] = 0
    running.house.loader.gate = asyncio.Event()
    loading = begun(running.control.load("a", soon()))
    await running.house.loader.asked.wait()
    await running.stop()
    with pytest.raises(Unavailable, match="going down"):
        await loading
    with pytest.raises(Unavailable, match="going down"):
        await running.control.load("a", soon())


async def test_a_label_moves_when_its_version_is_live_and_not_before(running: Running) -> None:
    await running.control.set_label("a", "stable", 2, soon())
    house = running.house
    house.store.versions[A3] = 0
    house.loader.gate = asyncio.Event()
    house.loader.asked.clear()
    moving = begun(running.control.set_label("a", "stable", 3, soon()))
    await house.loader.asked.wait()
    assert running.found(label="stable") == A2
    house.loader.gate.set()
    await moving
    assert running.found(label="stable") == A3


async def test_a_label_may_bring_an_older_version_back(running: Running) -> None:
    statuses = await running.control.set_label("a", "previous", 1, soon())
    assert [(each.model, each.labels) for each in statuses] == [(A1, ("previous",)), (A2, ())]
    assert running.found(label="previous") == A1
    await running.control.remove_label("a", "previous", soon())
    assert running.house.live() == {A2, B1}


async def test_a_label_stays_where_it_was_if_its_new_version_is_bad_or_missing(running: Running) -> None:
    await running.control.set_label("a", "stable", 2, soon())
    running.house.refuse(A3, "checksum")
    running.house.store.versions[A3] = 0
    with pytest.raises(Invalid, match="version 3 of model 'a' is not available: checksum"):
        await running.control.set_label("a", "stable", 3, soon())
    with pytest.raises(NotFound, match="model 'a' has no version 9"):
        await running.control.set_label("a", "stable", 9, soon())
    with pytest.raises(NotFound):
        await running.control.set_label("a", "fresh", 9, soon())
    await running.control.reload(soon())
    assert running.found(label="stable") == A2
    assert running.control.rules.labels == {"a": {"stable": 2}}


async def test_a_label_of_the_disk_can_be_moved_and_removed(running: Running) -> None:
    running.house.store.labels = {"a": {"stable": 1}}
    await running.control.reload(soon())
    assert running.found(label="stable") == A1
    await running.control.set_label("a", "stable", 2, soon())
    assert running.found(label="stable") == A2
    await running.control.remove_label("a", "stable", soon())
    with pytest.raises(NotFound, match="no label 'stable'"):
        running.found(label="stable")
    with pytest.raises(NotFound, match="no label 'stable'"):
        await running.control.remove_label("a", "stable", soon())


async def test_new_rules_take_the_place_of_all_others(running: Running) -> None:
    await running.control.unload("b", soon())
    rules = Rules(
        policies={"a": Policy.model_validate("all")}, labels={"a": {"stable": 1}}, unloaded=frozenset()
    )
    await running.control.reconfigure(rules, soon())
    assert running.house.live() == {A1, A2, B1}
    assert running.found(label="stable") == A1
    assert running.control.rules == rules


async def test_new_rules_under_which_a_version_fails_are_in_force_and_the_failure_is_said(
    running: Running,
) -> None:
    before = running.control.rules
    running.house.refuse(A1, "checksum")
    with pytest.raises(Invalid, match="failed to load version 1 of model 'a': checksum"):
        await running.control.reconfigure(Rules(policy=Policy.model_validate("all")), soon())
    assert running.house.live() == {A2, B1}
    await running.control.reconfigure(before, soon())
    assert running.house.live() == {A2, B1}


async def test_a_policy_that_wants_no_version_is_said(running: Running) -> None:
    rules = Rules(policies={"a": Policy.model_validate("specific:9")})
    await running.control.reconfigure(rules, soon())
    with pytest.raises(Invalid, match="no version of model 'a' is wanted"):
        await running.control.load("a", soon())


async def test_files_that_are_what_they_were_again_are_no_failure(running: Running) -> None:
    running.house.refuse(A2, "checksum")
    running.house.store.versions[A2] = 1
    with pytest.raises(Invalid, match="its changed files are not used: checksum"):
        await running.control.load("a", soon())
    running.house.store.versions[A2] = 0
    statuses = await running.control.load("a", soon())
    assert statuses[1].reason == ""


CHANGES = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["load", "unload"]), st.sampled_from(["a", "b", "z"])),
        st.tuples(st.just("set_label"), st.sampled_from(["a", "b"]), st.just("x"), st.integers(1, 4)),
        st.tuples(st.just("remove_label"), st.sampled_from(["a", "b"]), st.just("x")),
        st.tuples(st.just("write"), st.builds(ModelId, st.sampled_from(["a", "b"]), st.integers(1, 4))),
        st.tuples(st.just("reload")),
    ),
    max_size=12,
)


async def _change(running: Running, what: str, *arguments: Any) -> None:
    if what == "write":
        running.house.store.versions[arguments[0]] = running.house.store.versions.get(arguments[0], 0) + 1
        return
    try:
        await getattr(running.control, what)(*arguments, soon())
    except (Invalid, NotFound):
        return  # an answer: others changed something meanwhile


@settings(max_examples=60, deadline=None)
@given(CHANGES, st.sets(st.builds(ModelId, st.just("a"), st.integers(2, 4))))
def test_whatever_many_ask_at_once_everyone_is_answered_and_the_rules_hold(
    changes: list[tuple[Any, ...]], bad: set[ModelId]
) -> None:
    async def play() -> None:
        running = Running(A1, B1)
        for model in bad:
            running.house.refuse(model)
        await asyncio.gather(*(_change(running, *change) for change in changes))
        await running.control.reload(soon())
        disk, live = running.house.store.versions, dict.fromkeys(running.house.live(), 0)
        live = {model: disk[model] for model in live}
        failed = {model: disk[model] for model in bad if model in disk}
        labels = {name: running.control.rules.labels_of(name, {}) for name in ("a", "b")}
        decision = plan(Situation(disk, live, failed, labels), running.control.rules)
        assert decision.load == ()
        assert decision.unload == ()
        assert live.keys() == decision.wanted
        await running.stop()
        await running.house.reloader.close()

    asyncio.run(play())
