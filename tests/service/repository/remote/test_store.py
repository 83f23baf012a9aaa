"""Models in directories and behind URLs, listed together."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import wait
from pathlib import Path

import pytest

from service.config import Url
from service.domain import ModelId
from service.observability.metrics import Metrics
from service.repository.errors import LoadError
from service.repository.remote import store as remote_store
from service.repository.remote.cache import Cache
from service.repository.remote.looking import Site
from service.repository.remote.mirror import Mirror
from service.repository.remote.store import RemoteStore
from service.repository.rules import Places
from service.repository.store import DirectoryStore
from tests.support import bundles
from tests.support.stores import FakeFiles

ROOT, OTHER = Url.read("s3://bucket/models"), Url.read("gs://bucket/m")
M1, M2 = ModelId("multiply", 1), ModelId("multiply", 2)


class Bench:
    """A store over two URLs, and a models directory."""

    def __init__(self, home: Path, root: Url | None = ROOT, local: Path | None = None) -> None:
        self.home = home
        self.files = {ROOT: FakeFiles(), OTHER: FakeFiles()}
        self.now_s = 0.0
        self.made: list[Site] = []
        self.cache = Cache(home / "cache", 2**30)
        self.store = RemoteStore(DirectoryStore(local), root, self._mirror)

    def _mirror(self, site: Site) -> Mirror:
        self.made.append(site)
        return Mirror(site, self.files[site.url], self.cache, Metrics(), 30.0, lambda: self.now_s)

    def finish(self) -> None:
        """Wait until everything that is under way in the store's threads is done."""
        wait([*self.store._looks.values(), *self.store._fetches.values()])


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    bench.files[ROOT].put(bundles.write_multiply(tmp_path / "m"), "multiply/1")
    yield bench
    bench.store.close()


def test_what_is_wanted_is_brought_here_and_nothing_else(bench: Bench) -> None:
    bench.files[ROOT].put(bundles.write_multiply(bench.home / "m", version=2, factor=3), "multiply/2")
    listing = bench.store.scan()
    assert listing.versions.keys() == listing.absent == {M1, M2}
    bench.store.prepare([M2], [])
    bench.finish()
    later = bench.store.scan()
    assert (later.absent, later.versions) == ({M1}, listing.versions)
    assert (bench.store.directory(M2) / "model.onnx").is_file()
    assert not any(path.startswith("multiply/1/") for path in bench.files[ROOT].reads)


def test_only_the_first_look_is_waited_for(bench: Bench) -> None:
    bench.store.scan()
    bench.files[ROOT].remove("multiply/1")
    bench.files[ROOT].content["other/1/manifest.json"] = b""
    assert bench.store.scan().versions.keys() == {M1}, "it is not time"
    bench.now_s = 31
    assert bench.store.scan().versions.keys() == {M1}
    bench.finish()
    assert bench.store.scan().versions.keys() == {ModelId("other", 1)}


def test_a_fresh_look_is_waited_for_and_forgets_what_failed(bench: Bench) -> None:
    graph = bench.files[ROOT].content.pop("multiply/1/model.onnx")
    bench.store.scan()
    bench.store.prepare([M1], [])
    bench.finish()
    assert bench.store.scan().absent == frozenset()
    with pytest.raises(LoadError, match="is missing"):
        bench.store.directory(M1)
    bench.files[ROOT].content["multiply/1/model.onnx"] = graph
    bench.store.freshen()
    assert bench.store.scan().absent == {M1}


def test_what_failed_is_tried_again_when_it_is_time(bench: Bench) -> None:
    graph = bench.files[ROOT].content.pop("multiply/1/model.onnx")
    bench.store.scan()
    bench.store.prepare([M1], [])
    bench.finish()
    bench.files[ROOT].content["multiply/1/model.onnx"] = graph
    bench.store.prepare([], [])
    bench.finish()
    with pytest.raises(LoadError):
        bench.store.directory(M1)
    bench.now_s = 31
    bench.store.prepare([], [])
    bench.finish()
    assert bench.store.directory(M1).is_dir()


def test_what_is_neither_wanted_nor_live_may_leave_the_cache(bench: Bench) -> None:
    bench.store.scan()
    bench.store.prepare([M1], [])
    bench.finish()
    bench.store.prepare([], [M1])
    assert bench.store.scan().absent == frozenset()
    bench.store.prepare([], [])
    assert bench.store.scan().absent == {M1}


def test_a_store_that_does_not_answer_is_told_and_its_models_stay(bench: Bench) -> None:
    before = bench.store.scan()
    bench.files[ROOT].down = "the store answered 503"
    bench.store.freshen()
    listing = bench.store.scan()
    assert listing.versions == before.versions
    assert (listing.unreachable, listing.whole) == (True, True)
    assert any("503" in problem for problem in listing.problems)


def test_a_store_that_never_answered_leaves_the_listing_in_pieces(bench: Bench) -> None:
    bench.files[ROOT].down = "the store answered 503"
    assert not bench.store.scan().whole


def test_a_store_that_hangs_holds_nothing_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_store, "LONGEST_LOOK_S", 0.01)
    answers = threading.Event()
    monkeypatch.setattr(bench.files[ROOT], "_answer", answers.wait)
    for _ in range(2):
        listing = bench.store.scan()
        assert (listing.versions, listing.whole) == ({}, False)
    bench.store.freshen()
    assert bench.store.scan().unreachable, "whoever wants to know what is there now has to be told"
    answers.set()
    wait(bench.store._looks.values())
    assert bench.store.scan().versions.keys() == {M1}


def test_directories_and_urls_are_listed_together(tmp_path: Path) -> None:
    bundles.write_multiply(tmp_path / "models", name="here")
    bundles.write_multiply(tmp_path / "models", name="moved")
    bench = Bench(tmp_path, root=None, local=tmp_path / "models")
    bench.files[OTHER].put(bundles.write_multiply(tmp_path / "m", version=2), "2")
    assert bench.store.scan().versions.keys() == {ModelId("here", 1), ModelId("moved", 1)}
    assert bench.made == []
    listing = bench.store.scan(Places({"moved": OTHER}))
    assert listing.versions.keys() == {ModelId("here", 1), ModelId("moved", 2)}
    assert (bench.store.has_base_path("moved"), bench.store.has_base_path("here")) == (True, False)
    assert bench.store.directory(ModelId("here", 1)) == tmp_path / "models" / "here" / "1"
    assert bench.store.scan().versions.keys() == {ModelId("here", 1), ModelId("moved", 1)}
    bench.store.close()


def test_a_base_path_of_its_own_hides_what_the_root_has_of_that_name(bench: Bench, tmp_path: Path) -> None:
    elsewhere = bundles.write_multiply(tmp_path / "elsewhere", version=5).parent
    assert bench.store.scan(Places({"multiply": elsewhere})).versions.keys() == {ModelId("multiply", 5)}
    assert bench.store.directory(ModelId("multiply", 5)) == elsewhere / "5"
    assert bench.store.scan(Places({"multiply": elsewhere}, shelf=False)).versions.keys() == {
        ModelId("multiply", 5)
    }
    assert bench.store.scan(Places({}, shelf=False)).versions == {}
