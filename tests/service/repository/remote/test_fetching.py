"""A version on its way from a store into the cache."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import patch

import pytest

from service.bundle import MANIFEST, read, verify_files
from service.repository.errors import LoadError, StorageError
from service.repository.remote import fetching
from service.repository.remote.cache import Cache
from service.repository.remote.files import FileMissing
from service.repository.remote.locks import Hold
from tests.support import bundles
from tests.support.stores import FakeFiles

PLACE = "multiply/1"


class Bench:
    """A store with one version, a cache, and a count of what came."""

    def __init__(self, home: Path, limit_bytes: int = 2**30) -> None:
        self.files = FakeFiles()
        self.files.put(bundles.write_multiply(home / "models"), PLACE)
        self.home = home / "cache"
        self.cache = Cache(self.home, limit_bytes)
        self.counted: list[int] = []

    def fetch(self, place: str = PLACE) -> Hold:
        return fetching.fetch(self.files, place, self.cache, self.counted.append)

    def trees(self) -> list[Path]:
        return [*(self.home / "trees").iterdir(), *(self.home / "work").iterdir()]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_version_is_fetched_whole(bench: Bench) -> None:
    directory = bench.fetch().path
    verify_files(directory, read(directory).files)
    assert sum(bench.counted) == sum(file.bytes for file in read(directory).files.values())
    assert (directory / MANIFEST).read_bytes() == bench.files.content[f"{PLACE}/{MANIFEST}"]


def test_what_is_in_the_cache_is_not_fetched_again(bench: Bench) -> None:
    bench.fetch().release()
    bench.files.reads.clear()
    bench.fetch()
    assert bench.files.reads == [f"{PLACE}/{MANIFEST}"]


def test_a_version_that_differs_in_one_file_costs_that_file(bench: Bench, tmp_path: Path) -> None:
    bench.fetch()
    bench.files.put(bundles.write_multiply(tmp_path / "models", version=2, factor=7), "multiply/2")
    bench.files.reads.clear()
    bench.fetch("multiply/2")
    assert f"multiply/2/{MANIFEST}" in bench.files.reads
    other = bundles.write_multiply(tmp_path / "models", version=3, factor=7)
    bench.files.put(other, "multiply/3")
    bench.files.reads.clear()
    bench.fetch("multiply/3")
    assert bench.files.reads == [f"multiply/3/{MANIFEST}"], "every file was in version 2"


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        ("flip", "file 'model.onnx' does not match its checksum"),
        ("cut", r"file 'model.onnx' has \d+ bytes, expected \d+"),
        ("end early", r"file 'model.onnx' has \d+ bytes, expected \d+"),
        ("grow", r"file 'model.onnx' has more than \d+ bytes"),
        ("remove", "file 'model.onnx' is missing"),
    ],
)
def test_a_file_that_is_not_what_the_manifest_promises_is_named_and_nothing_is_visible(
    bench: Bench, harm: str, message: str
) -> None:
    path = f"{PLACE}/model.onnx"
    graph = bench.files.content[path]
    harmed = {"flip": graph[:-1] + b"!", "cut": graph[:-1], "grow": graph + b"!"}
    if harm == "end early":
        bench.files.truncated.add(path)
    elif harm == "remove":
        del bench.files.content[path]
    else:
        bench.files.content[path] = harmed[harm]
    with pytest.raises(LoadError, match=message) as caught:
        bench.fetch()
    assert caught.value.kind == "files"
    assert bench.trees() == []


def test_a_file_that_was_on_its_way_when_another_failed_is_not_kept(bench: Bench) -> None:
    graph, manifest = f"{PLACE}/model.onnx", f"{PLACE}/{MANIFEST}"
    failed = threading.Event()
    plain = bench.files.chunks

    def chunks(path: str) -> Iterator[bytes]:
        if path == graph:
            yield bench.files.content[path][:1]
            assert failed.wait(5)
            yield bench.files.content[path][1:]
        elif path == manifest:
            yield from plain(path)
        else:
            raise FileMissing

    shutdown = ThreadPoolExecutor.shutdown

    def stop(threads: ThreadPoolExecutor, *arguments: object, **how: object) -> None:
        failed.set()
        shutdown(threads, *arguments, **how)

    with (
        patch.object(bench.files, "chunks", chunks),
        patch.object(ThreadPoolExecutor, "shutdown", stop),
        pytest.raises(LoadError, match="golden-multiply"),
    ):
        bench.fetch()
    assert list((bench.home / "blobs").iterdir()) == []


def test_a_fetch_that_failed_goes_on_where_it_was(bench: Bench) -> None:
    path = f"{PLACE}/model.onnx"
    bench.files.truncated.add(path)
    chunks, keep, kept = bench.files.chunks, Cache.keep, threading.Event()

    def after_another(wanted: str) -> Iterator[bytes]:
        if wanted == path:
            assert kept.wait(20)
        return chunks(wanted)

    def told(cache: Cache, sha256: str, file: Path) -> None:
        keep(cache, sha256, file)
        if file.name.startswith("golden"):
            kept.set()

    with (
        patch.object(bench.files, "chunks", after_another),
        patch.object(Cache, "keep", told),
        pytest.raises(LoadError),
    ):
        bench.fetch()
    bench.files.truncated.clear()
    first = set(bench.files.reads)
    bench.files.reads.clear()
    bench.fetch()
    assert path in bench.files.reads
    assert first - set(bench.files.reads) == first - {path, f"{PLACE}/{MANIFEST}"}


def test_a_store_that_does_not_answer_is_no_fault_of_the_files(bench: Bench) -> None:
    bench.files.down = "the store answered 503"
    with pytest.raises(
        StorageError, match=r"'manifest\.json' cannot be fetched: the store answered 503"
    ) as caught:
        bench.fetch()
    assert caught.value.kind == "storage"


@pytest.mark.parametrize("name", ["../../evil", "/evil", "assets.extra/../../evil"])
def test_a_manifest_that_escapes_writes_nothing_anywhere(bench: Bench, tmp_path: Path, name: str) -> None:
    path = f"{PLACE}/{MANIFEST}"
    bench.files.content[path] = bench.files.content[path].replace(
        b'"model.onnx": {', b'"%s": {' % name.encode()
    )
    bench.files.content[f"{PLACE}/{name}"] = b"evil"
    before = set(tmp_path.rglob("*"))
    with pytest.raises(LoadError, match="would not lie in the version directory"):
        bench.fetch()
    assert set(tmp_path.rglob("*")) == before


def test_a_manifest_without_end_is_given_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching.contents, "LARGEST_MANIFEST_BYTES", 100)
    with pytest.raises(LoadError, match=r"'manifest\.json' has more than 100 bytes"):
        bench.fetch()


def test_a_version_that_does_not_fit_is_not_begun(tmp_path: Path) -> None:
    bench = Bench(tmp_path, limit_bytes=100)
    with pytest.raises(StorageError, match="do not fit into the cache of 100 bytes"):
        bench.fetch()
    assert bench.files.reads == [f"{PLACE}/{MANIFEST}"]


def test_files_of_one_content_are_fetched_once_and_are_all_there(bench: Bench) -> None:
    path = f"{PLACE}/{MANIFEST}"
    graph = bench.files.content[f"{PLACE}/model.onnx"]
    text = bench.files.content[path].decode()
    entry = text[text.index('"model.onnx": {') :].partition("}")[0] + "}"
    bench.files.content[path] = text.replace(
        entry, f"{entry}, {entry.replace('model', 'again/copy')}"
    ).encode()
    directory = bench.fetch().path
    assert (directory / "again" / "copy.onnx").read_bytes() == graph
    assert f"{PLACE}/again/copy.onnx" not in bench.files.reads


def test_two_gateways_may_fetch_the_same_into_one_cache(bench: Bench) -> None:
    other = Bench.__new__(Bench)
    other.files, other.counted = bench.files, []
    other.cache = Cache(bench.home, 2**30)
    with bench.cache.workspace():
        assert other.fetch().path == bench.fetch().path
