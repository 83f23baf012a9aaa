"""A cache on disk: content once, versions whole or not at all, and nothing that is held ever goes."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path

import pytest

from service.config import Url
from service.domain import ModelId
from service.repository.errors import StorageError
from service.repository.remote import locks
from service.repository.remote.cache import Cache, CacheError, Record
from service.repository.remote.locks import Hold

URL = Url.read("s3://bucket/models")
A1 = ModelId("a", 1)
GIB = 2**30


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def manifest(files: dict[str, bytes]) -> bytes:
    told = {name: {"sha256": digest(each), "bytes": len(each)} for name, each in files.items()}
    return json.dumps({"files": told}).encode()


def put(cache: Cache, **files: bytes) -> Hold:
    """Publish a version as the fetch does, and return its hold."""
    with cache.workspace() as workspace:
        for name, content in files.items():
            target = workspace.path / name
            if not cache.take(digest(content), target):
                target.write_bytes(content)
                cache.keep(digest(content), target)
        return cache.publish(workspace, manifest(files))


def aged(hold: Hold, at_s: float) -> str:
    """Let go of a tree, last used at a time; returns its name."""
    hold.release()
    os.utime(hold.path, (at_s, at_s))
    return hold.path.name


def blobs(root: Path) -> set[str]:
    return {path.name for path in (root / "blobs").iterdir()}


def test_two_versions_that_share_a_file_store_it_once(tmp_path: Path) -> None:
    cache = Cache(tmp_path, GIB)
    first, second = put(cache, graph=b"one", labels=b"same"), put(cache, graph=b"two", labels=b"same")
    assert (first.path / "labels").stat().st_ino == (second.path / "labels").stat().st_ino
    assert blobs(tmp_path) == {digest(b"one"), digest(b"two"), digest(b"same")}
    assert cache.used_bytes() == 10


def test_the_same_version_twice_is_one_tree(tmp_path: Path) -> None:
    first, second = (put(Cache(tmp_path, GIB), graph=b"one") for _ in range(2))
    assert first.path == second.path
    first.release()
    assert locks.claim(first.path) is None, "the second still holds it"


def test_a_tree_that_is_not_held_goes_when_there_is_no_room_and_one_that_is_does_not(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 10)
    held = put(cache, graph=b"1234")
    free = aged(put(cache, graph=b"5678"), 1)
    cache.make_room({"x": 4})
    assert cache.has(held.path.name)
    assert not cache.has(free)
    assert blobs(tmp_path) == {digest(b"1234")}
    with pytest.raises(StorageError, match=r"8 bytes do not fit .* beside what is in use"):
        cache.make_room({"x": 8})
    assert (held.path / "graph").read_bytes() == b"1234"


def test_another_process_sees_what_is_held(tmp_path: Path) -> None:
    mine = put(Cache(tmp_path, 10), graph=b"1234")
    with pytest.raises(StorageError):
        Cache(tmp_path, 10).make_room({"x": 8})
    mine.release()
    Cache(tmp_path, 10).make_room({"x": 8})
    assert not mine.path.exists()


def test_holding_a_tree_counts_as_its_use(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 10)
    older, newer = aged(put(cache, graph=b"1234"), 1), aged(put(cache, graph=b"5678"), 2)
    again = cache.hold(older)
    assert again is not None
    cache.release(again)
    cache.make_room({"x": 4})
    assert (cache.has(older), cache.has(newer)) == (True, False)


def test_a_tree_that_was_tampered_with_is_not_held_but_removed(tmp_path: Path) -> None:
    cache = Cache(tmp_path, GIB)
    hold = put(cache, graph=b"1234")
    tree = aged(hold, 1)
    (hold.path / "graph").chmod(0o600)
    (hold.path / "graph").write_bytes(b"evil")
    assert cache.hold(tree) is None
    assert not cache.has(tree)
    assert not cache.take(digest(b"1234"), tmp_path / "again"), "the blob was the same file"
    assert not (tmp_path / "again").exists()


def test_a_tree_with_another_manifest_than_its_name_says_is_not_held(tmp_path: Path) -> None:
    cache = Cache(tmp_path, GIB)
    hold = put(cache, graph=b"1234")
    hold.release()
    other = hold.path.with_name("0" * 64)
    hold.path.rename(other)
    assert cache.hold(other.name) is None


def test_what_a_killed_process_left_is_removed_and_what_another_works_on_is_not(tmp_path: Path) -> None:
    cache = Cache(tmp_path, GIB)
    left = tmp_path / "work" / "left"
    left.mkdir()
    (left / "half").write_bytes(b"half")
    with cache.workspace() as busy:
        with Cache(tmp_path, GIB).workspace():
            assert busy.path.is_dir()
        assert not left.exists()
    assert list((tmp_path / "work").iterdir()) == []


def test_a_version_that_fails_in_the_making_leaves_nothing_but_its_sound_files(tmp_path: Path) -> None:
    cache = Cache(tmp_path, GIB)

    def fail() -> None:
        with cache.workspace() as workspace:
            (workspace.path / "done").write_bytes(b"done")
            cache.keep(digest(b"done"), workspace.path / "done")
            (workspace.path / "half").write_bytes(b"ha")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert blobs(tmp_path) == {digest(b"done")}
    assert list((tmp_path / "trees").iterdir()) == []


def test_without_hard_links_each_tree_has_its_own_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    cache = Cache(tmp_path, 8)
    first = put(cache, graph=b"1234")
    assert (first.path / "graph").read_bytes() == b"1234"
    assert cache.used_bytes() == 4
    tree = aged(first, 1)
    again = cache.hold(tree)
    assert again is not None
    again.release()
    cache.make_room({"x": 8})
    assert not cache.has(tree)


def test_records_say_which_tree_a_version_was_until_they_are_forgotten(tmp_path: Path) -> None:
    cache = Cache(tmp_path, GIB)
    cache.remember(URL, A1, Record("tag", "0" * 64))
    cache.remember(URL, ModelId("a", 2), Record("tag", "1" * 64))
    assert cache.records(URL) == {A1: Record("tag", "0" * 64), ModelId("a", 2): Record("tag", "1" * 64)}
    assert cache.records(Url.read("s3://bucket/others")) == {}
    cache.forget(URL, A1)
    cache.forget(URL, A1)
    assert Cache(tmp_path, GIB).records(URL).keys() == {ModelId("a", 2)}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"tag": "t", "tree": "../../etc"}', " " * 5000])
def test_a_record_that_is_none_is_passed_over(tmp_path: Path, text: str) -> None:
    cache = Cache(tmp_path, GIB)
    cache.remember(URL, A1, Record("tag", "0" * 64))
    next((tmp_path / "places").glob("*/a/1.json")).write_text(text)
    assert cache.records(URL) == {}


def test_labels_are_remembered_by_url(tmp_path: Path) -> None:
    cache = Cache(tmp_path, GIB)
    assert cache.labels(URL) == {}
    cache.remember_labels(URL, {"a": {"stable": 1}})
    assert cache.labels(URL) == {"a": {"stable": 1}}
    next((tmp_path / "places").glob("*/.labels.json")).write_text('{"a": {"stable": "x"}}')
    assert cache.labels(URL) == {}


def test_a_directory_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match="Not a directory"):
        Cache(tmp_path / "file" / "cache", GIB)


def test_nobody_else_may_read_the_cache(tmp_path: Path) -> None:
    Cache(tmp_path / "cache", GIB)
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700
