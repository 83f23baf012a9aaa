"""The loop that keeps what is live in step with what is on disk, driven by hand."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from service.config import Policy, Repository
from service.domain import ModelId, ModelRef
from service.errors import NotFound, Unavailable
from service.repository.errors import LoadError, StorageError
from service.repository.rules import Places
from tests.service.repository.house import House

A1, A2 = ModelId("a", 1), ModelId("a", 2)
B1 = ModelId("b", 1)
pytestmark = pytest.mark.filterwarnings("error")


async def test_what_is_on_disk_goes_live() -> None:
    house = House()
    house.store.versions = {A1: 0, B1: 0}
    assert not house.registry.scanned
    await house.settle()
    assert house.live() == {A1, B1}
    assert house.registry.scanned


async def test_an_empty_directory_is_dealt_with_at_the_first_look() -> None:
    house = House()
    await house.settle()
    assert house.registry.scanned


async def test_a_version_that_waits_for_its_turn_is_already_loading() -> None:
    house = House()
    house.loader.gate = asyncio.Event()
    house.store.versions = {A1: 0, B1: 0}
    loading = asyncio.create_task(house.reloader.tick())
    await house.loader.asked.wait()
    assert house.states() == {A1: "loading", B1: "loading"}
    house.loader.gate.set()
    assert await loading
    assert house.states() == {A1: "available", B1: "loading"}


async def test_a_new_version_answers_before_the_old_one_drains() -> None:
    house = House()
    house.store.versions = {A1: 0}
    await house.settle()
    user = house.registry.find(ModelRef("a"))
    user.acquire()
    house.store.versions = {A1: 0, A2: 0}
    await house.settle()
    assert house.registry.find(ModelRef("a")).model == A2
    assert house.states() == {A1: "draining", A2: "available"}
    old = house.loader.made[0][1]
    assert not old.closed
    user.release()
    await house.settle()
    assert old.closed
    assert house.states() == {A1: "unloaded", A2: "available"}


async def test_a_bad_version_never_replaces_a_good_one_and_is_tried_once() -> None:
    house = House()
    house.store.versions = {A1: 0}
    await house.settle()
    house.store.versions = {A1: 0, A2: 0}
    house.refuse(A2, "golden request 'x' is off by 1")
    await house.settle()
    await house.settle()
    assert house.loader.loads == [A1, A2]
    assert house.live() == {A1}
    (_, failed) = house.registry.statuses()
    assert (failed.state, failed.reason) == ("failed", "golden request 'x' is off by 1")
    text = house.metrics.text().decode()
    assert 'sluice_model_load_failures_total{model="a",reason="files"} 1.0' in text
    assert 'sluice_model_refused{model="a",reason="files",version="2"} 1.0' in text
    assert 'sluice_model_state{model="a",state="failed",version="2"} 1.0' in text


async def test_a_bad_version_is_tried_again_when_its_files_change() -> None:
    house = House()
    house.store.versions = {A1: 0}
    house.refuse(A1)
    await house.settle()
    assert house.states() == {A1: "failed"}
    house.loader.bad.clear()
    house.store.versions = {A1: 1}
    await house.settle()
    assert house.states() == {A1: "available"}
    assert "sluice_model_refused{" not in house.metrics.text().decode()


async def test_a_live_version_whose_changed_files_are_bad_is_told_as_refused_until_they_are_as_before() -> (
    None
):
    house = House()
    house.store.versions = {A1: 0}
    await house.settle()
    house.refuse(A1)
    house.store.versions = {A1: 1}
    await house.settle()
    assert house.states() == {A1: "available"}
    assert 'sluice_model_refused{model="a",reason="files",version="1"} 1.0' in house.metrics.text().decode()
    house.store.versions = {A1: 0}
    await house.settle()
    assert "sluice_model_refused{" not in house.metrics.text().decode()


async def test_at_the_start_the_version_before_a_bad_one_serves() -> None:
    house = House()
    house.store.versions = {A1: 0, A2: 0}
    house.refuse(A2)
    await house.settle()
    assert house.states() == {A1: "available", A2: "failed"}
    assert house.registry.scanned


async def test_a_loader_that_breaks_is_that_versions_failure_and_its_cause_stays_in_the_log() -> None:
    house = House()
    house.store.versions = {A1: 0, B1: 0}
    house.loader.bad[A1] = RuntimeError("/secret/path")
    await house.settle()
    assert house.live() == {B1}
    assert "secret" not in house.registry.statuses()[0].reason


async def test_a_live_version_whose_files_change_is_swapped_for_its_new_copy() -> None:
    house = House()
    house.store.versions = {A1: 0}
    await house.settle()
    user = house.registry.find(ModelRef("a"))
    user.acquire()
    house.store.versions = {A1: 1}
    await house.settle()
    fresh = house.registry.find(ModelRef("a"))
    assert fresh is not user
    (_, old), (_, new) = house.loader.made
    assert not old.closed
    user.release()
    await house.settle()
    assert old.closed
    assert not new.closed
    assert house.states() == {A1: "available"}


async def test_a_live_version_whose_new_files_are_bad_goes_on_and_says_so() -> None:
    house = House()
    house.store.versions = {A1: 0}
    await house.settle()
    house.store.versions = {A1: 1}
    house.refuse(A1, "checksum")
    await house.settle()
    (status,) = house.registry.statuses()
    assert (status.state, status.reason) == ("available", "its changed files are not used: checksum")
    assert len(house.loader.loads) == 2


async def test_a_version_that_vanishes_is_unloaded_and_forgotten() -> None:
    house = House()
    house.store.versions = {A1: 0}
    await house.settle()
    house.registry.find(ModelRef("a")).recorder.answered("predict", "rest", "ok", 0.1)
    assert 'model="a"' in house.metrics.text().decode()
    house.store.versions = {}
    await house.settle()
    assert house.loader.made[0][1].closed
    assert house.states() == {}
    with pytest.raises(NotFound):
        house.registry.find(ModelRef("a"))
    assert 'model="a",' not in house.metrics.text().decode()


async def test_a_version_that_failed_and_vanishes_is_forgotten() -> None:
    house = House()
    house.store.versions = {A1: 0}
    house.refuse(A1)
    await house.settle()
    house.store.versions = {}
    await house.settle()
    assert house.states() == {}


async def test_a_version_that_comes_back_while_it_drains_is_loaded_afresh() -> None:
    house = House()
    house.store.versions = {A1: 0}
    await house.settle()
    user = house.registry.find(ModelRef("a"))
    user.acquire()
    house.store.versions = {}
    await house.settle()
    house.store.versions = {A1: 0}
    await house.settle()
    assert house.states() == {A1: "available"}
    user.release()
    await house.settle()
    assert [closing.closed for _, closing in house.loader.made] == [True, False]
    assert house.states() == {A1: "available"}


async def test_a_disk_that_cannot_be_read_leaves_everything_as_it_is() -> None:
    house = House()
    house.store.versions = {A1: 0}
    await house.settle()
    house.store.error = "the models directory is gone"
    await house.settle()
    assert house.live() == {A1}
    assert "sluice_repository_scan_failures_total 1.0" in house.metrics.text().decode()


async def test_labels_of_the_settings_win_and_keep_their_version_alive() -> None:
    house = House(Repository(labels={"a": {"stable": 1}}))
    house.store.versions = {A1: 0, A2: 0}
    house.store.labels = {"a": {"stable": 2, "canary": 2}}
    await house.settle()
    assert house.live() == {A1, A2}
    assert house.registry.find(ModelRef("a", label="stable")).model == A1
    assert house.registry.find(ModelRef("a", label="canary")).model == A2


async def test_what_the_policy_does_not_want_is_known_and_not_loaded() -> None:
    house = House(Repository(policies={"a": Policy.model_validate("specific:1")}))
    house.store.versions = {A1: 0, A2: 0}
    await house.settle()
    assert house.states() == {A1: "available", A2: "unloaded"}


async def test_closing_closes_what_is_live_and_what_still_drains() -> None:
    house = House()
    house.store.versions = {A1: 0, B1: 0}
    await house.settle()
    house.registry.find(ModelRef("a")).acquire()
    house.store.versions = {B1: 0}
    await house.settle()
    await house.reloader.close()
    assert all(closing.closed for _, closing in house.loader.made)
    assert house.loader.closed


async def test_the_loop_outlives_what_it_cannot_explain() -> None:
    house = House(Repository(poll_interval_s=0.001))
    broken = house.store.scan
    looks = 0

    def scan(places: Places) -> object:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise ZeroDivisionError
        return broken()

    house.store.scan = scan  # type: ignore[method-assign,assignment]
    house.store.versions = {A1: 0}
    running = asyncio.create_task(house.reloader.run())
    revision = 0
    while house.live() != {A1}:
        revision = await asyncio.wait_for(house.changes.wait(revision), 5)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_label_moves_to_a_new_version_without_a_gap() -> None:
    house = House()
    house.store.versions, house.store.labels = {A1: 0}, {"a": {"stable": 1}}
    await house.settle()
    house.loader.gate = asyncio.Event()
    house.loader.asked.clear()
    house.store.versions, house.store.labels = {A1: 0, A2: 0}, {"a": {"stable": 2}}
    loading = asyncio.create_task(house.settle())
    await house.loader.asked.wait()
    assert house.registry.find(ModelRef("a", label="stable")).model == A1
    house.loader.gate.set()
    await loading
    assert house.registry.find(ModelRef("a", label="stable")).model == A2
    assert house.registry.get(A1) is None


async def test_a_bad_version_does_not_take_a_label_from_a_good_one() -> None:
    house = House()
    house.store.versions, house.store.labels = {A1: 0}, {"a": {"stable": 1}}
    await house.settle()
    house.loader.bad = {A2: LoadError("broken")}
    house.store.versions, house.store.labels = {A1: 0, A2: 0}, {"a": {"stable": 2}}
    await house.settle()
    assert house.registry.find(ModelRef("a", label="stable")).model == A1


async def test_it_looks_where_the_rules_say_and_what_is_elsewhere_goes() -> None:
    house = House(Repository(base_paths={"a": Path("/x")}))
    house.store.versions = {A1: 0, B1: 0}
    await house.settle()
    assert house.store.places == Places({"a": Path("/x")})
    places = Places({"b": Path("/y")}, shelf=False)
    house.reloader.adopt(replace(house.reloader.rules, places=places))
    house.store.versions = {B1: 0}
    await house.settle()
    assert (house.store.places, house.live()) == (places, {B1})


async def test_what_is_not_here_yet_is_asked_for_and_loading_and_others_do_not_wait_for_it() -> None:
    house = House()
    house.store.versions = {A1: 0, B1: 0}
    house.store.absent = {A1}
    await house.settle()
    assert house.states() == {A1: "loading", B1: "available"}
    assert house.store.prepared == ((A1,), frozenset({B1}))
    assert not house.registry.scanned
    house.store.absent = set()
    await house.settle()
    assert house.live() == {A1, B1}
    assert house.registry.scanned


async def test_the_old_version_answers_while_the_new_one_is_brought_here() -> None:
    house = House()
    house.store.versions = {A1: 0}
    await house.settle()
    house.store.versions, house.store.absent = {A1: 0, A2: 0}, {A2}
    await house.settle()
    assert house.states() == {A1: "available", A2: "loading"}
    house.store.absent = set()
    await house.settle()
    assert house.live() == {A2}


async def test_what_could_not_be_brought_here_has_failed_with_the_reason_and_the_one_before_it_answers() -> (
    None
):
    house = House()
    house.store.versions = {A1: 0, A2: "file 'model.onnx' is missing"}
    house.store.refused[A2] = StorageError("file 'model.onnx' is missing")
    await house.settle()
    assert house.states() == {A1: "available", A2: "failed"}
    assert [status.reason for status in house.registry.statuses()] == ["", "file 'model.onnx' is missing"]
    assert house.metrics.families.model_refused.labels("a", "2", "storage")._value.get() == 1
    house.store.refused.clear()
    house.store.versions[A2] = 0
    await house.settle()
    assert house.live() == {A2}


async def test_nothing_is_dealt_with_before_something_is_known_of_each_store() -> None:
    house = House()
    house.store.whole, house.store.unreachable = False, True
    await house.settle()
    assert not house.registry.scanned
    house.store.whole, house.store.unreachable = True, False
    await house.settle()
    assert house.registry.scanned


async def test_who_waits_for_a_fresh_look_is_told_that_a_store_does_not_answer() -> None:
    house = House()
    house.store.unreachable = True
    waiting = asyncio.create_task(house.reloader.settled())
    await asyncio.sleep(0)
    assert house.store.freshened == 1
    await house.reloader.tick()
    with pytest.raises(Unavailable, match="the log has the reason"):
        await waiting
