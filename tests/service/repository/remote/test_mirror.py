"""What is known of one URL as the store, the cache and the time change."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.config import Url
from service.domain import ModelId
from service.observability.metrics import Metrics
from service.repository.errors import LoadError, StorageError
from service.repository.remote.cache import Cache
from service.repository.remote.looking import Site
from service.repository.remote.mirror import Mirror, retry_after_s
from tests.support import bundles
from tests.support.stores import FakeFiles

URL = Url.read("s3://bucket/models")
M1, M2 = ModelId("multiply", 1), ModelId("multiply", 2)
POLL_S = 30.0


class Bench:
    """A mirror of a store with one version, at a time that a test sets."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.files = FakeFiles()
        self.files.put(bundles.write_multiply(home / "models"), "multiply/1")
        self.now_s = 100.0
        self.metrics = Metrics()
        self.mirror = self.restarted()

    def restarted(self) -> Mirror:
        """Return a mirror as the next process would have it, over the same cache."""
        cache = Cache(self.home / "cache", 2**30)
        return Mirror(Site(URL), self.files, cache, self.metrics, POLL_S, lambda: self.now_s)

    def add(self, version: int, factor: float = 3) -> None:
        directory = bundles.write_multiply(self.home / "models", version=version, factor=factor)
        self.files.put(directory, f"multiply/{version}")

    def metric(self, name: str) -> float | None:
        labels = {"place": str(URL)} if name == "sluice_storage_reachable" else {}
        return self.metrics.families.registry.get_sample_value(name, labels)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_what_was_seen_is_absent_until_it_is_fetched(bench: Bench) -> None:
    mirror = bench.mirror
    assert (mirror.known, mirror.is_due(), mirror.versions()) == (False, True, {})
    mirror.look()
    assert (mirror.known, mirror.is_due(), mirror.absent()) == (True, False, {M1})
    before = mirror.versions()
    mirror.fetch(M1)
    assert mirror.absent() == set()
    assert mirror.versions() == before, "fetching is no change of the version"
    assert (mirror.directory(M1) / "model.onnx").is_file()
    assert (bench.metric("sluice_storage_fetched_bytes_total") or 0) > 0
    assert (bench.metric("sluice_storage_cache_bytes") or 0) > 0


def test_after_a_restart_nothing_is_fetched_again(bench: Bench) -> None:
    bench.mirror.look()
    bench.mirror.fetch(M1)
    bench.files.reads.clear()
    again = bench.restarted()
    again.look()
    again.fetch(M1)
    assert again.absent() == set()
    assert bench.files.reads == []


def test_a_store_that_is_down_at_the_start_leaves_what_the_cache_has(bench: Bench) -> None:
    bench.files.content["multiply/labels.json"] = b'{"stable": 1}'
    bench.add(2)
    bench.mirror.look()
    bench.mirror.fetch(M1)
    told, labels = bench.mirror.versions()[M1], bench.mirror.labels()
    bench.files.down = "the store cannot be reached"
    again = bench.restarted()
    again.look()
    assert (again.known, again.versions(), again.labels()) == (True, {M1: told}, labels)
    again.fetch(M1)
    assert again.directory(M1).is_dir()
    assert bench.metric("sluice_storage_reachable") == 0
    assert again.problems() == (
        "'s3://bucket/models' cannot be listed: the store cannot be reached; what was seen before stays",
    )
    bench.files.down = ""
    again.look()
    assert again.versions().keys() == {M1, M2}
    assert again.versions()[M1] == told
    assert bench.metric("sluice_storage_reachable") == 1


def test_until_the_first_look_has_ended_the_cache_may_stand_in(bench: Bench) -> None:
    bench.mirror.look()
    bench.mirror.fetch(M1)
    bench.mirror.make_do()
    assert bench.mirror.error == "", "there was a look"
    again = bench.restarted()
    again.make_do()
    assert (again.known, again.versions()) == (True, bench.mirror.versions())
    assert "has not answered yet; what was seen before stays" in again.problems()[0]
    bench.add(2)
    again.look()
    assert (again.error, again.versions().keys()) == ("", {M1, M2})


def test_a_store_that_is_down_and_an_empty_cache_leave_nothing_known(bench: Bench) -> None:
    bench.files.down = "the store cannot be reached"
    bench.mirror.look()
    assert (bench.mirror.is_due(), bench.mirror.known, bench.mirror.versions()) == (False, False, {})
    assert bench.mirror.problems()[0].endswith("nothing of it is in the cache")


def test_a_store_that_goes_down_later_changes_nothing(bench: Bench) -> None:
    bench.mirror.look()
    bench.mirror.fetch(M1)
    before = bench.mirror.versions()
    bench.files.down = "the store answered 503"
    bench.mirror.look()
    assert (bench.mirror.versions(), bench.mirror.absent()) == (before, set())
    assert bench.mirror.error == "the store answered 503"


def test_a_look_that_failed_is_made_again_sooner_and_ever_later(bench: Bench) -> None:
    bench.files.down = "no"
    waits = []
    for _ in range(7):
        bench.mirror.look()
        started_at_s = bench.now_s
        while not bench.mirror.is_due():
            bench.now_s += 0.5
        waits.append(bench.now_s - started_at_s)
    assert waits == [1, 2, 4, 8, 16, 30, 30]


def test_a_version_that_is_gone_is_gone_and_what_is_held_of_it_may_leave(bench: Bench) -> None:
    bench.add(2)
    bench.mirror.look()
    bench.mirror.fetch(M1)
    bench.files.remove("multiply/1")
    bench.mirror.look()
    assert bench.mirror.versions().keys() == {M2}
    bench.files.down = "no"
    again = bench.restarted()
    again.look()
    assert not again.known, "nor does the next process take it from the cache"


def test_a_version_whose_files_changed_is_absent_again_and_the_former_files_stay_until_it_is_here(
    bench: Bench,
) -> None:
    bench.mirror.look()
    bench.mirror.fetch(M1)
    before, told = bench.mirror.directory(M1), bench.mirror.versions()[M1]
    bench.files.put(bundles.write_multiply(bench.home / "other", factor=9), "multiply/1")
    bench.mirror.look()
    assert bench.mirror.versions()[M1] != told
    assert bench.mirror.absent() == {M1}
    assert before.is_dir()
    bench.mirror.fetch(M1)
    assert bench.mirror.directory(M1) != before


def test_what_cannot_be_fetched_is_told_and_tried_again_later(bench: Bench) -> None:
    graph = bench.files.content["multiply/1/model.onnx"]
    bench.files.content["multiply/1/model.onnx"] = b"x" * len(graph)
    bench.mirror.look()
    told = bench.mirror.versions()[M1]
    bench.mirror.fetch(M1)
    assert bench.mirror.absent() == set(), "it is known not to be had"
    assert bench.mirror.versions()[M1] != told
    with pytest.raises(LoadError, match=r"'model\.onnx' does not match its checksum"):
        bench.mirror.directory(M1)
    assert bench.mirror.to_retry() == []
    bench.now_s += POLL_S
    assert bench.mirror.to_retry() == [M1]
    bench.mirror.fetch(M1)
    bench.now_s += POLL_S
    assert bench.mirror.to_retry() == [], "ever later"
    bench.files.content["multiply/1/model.onnx"] = graph
    bench.now_s += POLL_S
    bench.mirror.fetch(M1)
    assert bench.mirror.versions()[M1] == told
    assert bench.mirror.directory(M1).is_dir()


def test_a_fresh_start_forgets_failures(bench: Bench) -> None:
    bench.files.content["multiply/1/model.onnx"] = b""
    bench.mirror.look()
    bench.mirror.fetch(M1)
    bench.mirror.forget_failures()
    assert bench.mirror.absent() == {M1}


def test_a_disk_that_is_full_and_a_bug_are_failures_of_the_version(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.mirror.look()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Cache, "workspace", full)
    bench.mirror.fetch(M1)
    with pytest.raises(StorageError, match="cannot be written to: No space left on device"):
        bench.mirror.directory(M1)
    monkeypatch.setattr(Cache, "make_room", lambda *_: 1 / 0)
    bench.mirror.fetch(M1)
    with pytest.raises(StorageError, match="the log has the cause"):
        bench.mirror.directory(M1)


def test_what_is_let_go_may_be_asked_for_again(bench: Bench) -> None:
    bench.mirror.look()
    bench.mirror.fetch(M1)
    bench.mirror.release_all_but({M2})
    assert bench.mirror.absent() == {M1}
    with pytest.raises(StorageError, match="no longer wanted"):
        bench.mirror.directory(M1)
    bench.files.reads.clear()
    bench.mirror.fetch(M1)
    assert bench.files.reads == []


@given(st.integers(1, 10_000), st.floats(0.01, 100), st.floats(0.01, 1000))
def test_waiting_grows_to_a_bound(failures: int, first_s: float, longest_s: float) -> None:
    now_s, next_s = (retry_after_s(count, first_s, longest_s) for count in (failures, failures + 1))
    assert first_s <= now_s <= next_s <= max(first_s, longest_s)
