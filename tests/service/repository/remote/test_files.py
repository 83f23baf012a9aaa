"""What is read through fsspec, and in which words its failures are told."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from service.config import Url
from service.repository.remote import files as remote_files
from service.repository.remote.files import (
    EXTRAS,
    FileMissing,
    StoreFiles,
    Unreachable,
    missing_package,
    read,
)

URL = Url("s3", "bucket/models")


class Store(MemoryFileSystem):
    """A memory that is a bucket, and fails as it is told."""

    store: dict[str, object] = {}  # noqa: RUF012  # as in fsspec
    pseudo_dirs = [""]  # noqa: RUF012
    cachable = False
    fail: Exception | None = None

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return super()._strip_protocol(path.removeprefix("s3:/"))

    def _open(self, *arguments: object, **how: object) -> object:
        if self.fail:
            raise self.fail
        return super()._open(*arguments, **how)


@pytest.fixture
def store() -> Iterator[Store]:
    store = Store()
    store.pipe({"bucket/models/a/1/manifest.json": b"{}", "bucket/models/a/labels.json": b"{...}"})
    yield store
    Store.store.clear()
    Store.pseudo_dirs[:] = [""]


def files(store: Store) -> StoreFiles:
    return StoreFiles(URL, 1.0, store)


def test_names_are_those_of_files_and_directories(store: Store) -> None:
    assert files(store).names("") == {"a"}
    assert files(store).names("a") == {"1", "labels.json"}


def test_a_file_comes_in_pieces_and_whole(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_files, "CHUNK_BYTES", 2)
    assert list(files(store).chunks("a/labels.json")) == [b"{.", b"..", b"}"]
    assert read(files(store), "a/labels.json", 5) == b"{...}"


def test_a_file_that_is_larger_than_it_may_be_is_not_read_to_its_end(store: Store) -> None:
    with pytest.raises(ValueError, match="more than 4 bytes"):
        read(files(store), "a/labels.json", 4)


def test_the_tag_changes_with_the_file(store: Store) -> None:
    before = files(store).tag("a/1/manifest.json")
    store.pipe("bucket/models/a/1/manifest.json", b"{ }")
    assert before
    assert files(store).tag("a/1/manifest.json") != before


@pytest.mark.parametrize("what", ["names", "tag", "chunks"])
def test_what_is_not_there_is_missing(store: Store, what: str) -> None:
    with pytest.raises(FileMissing):
        list(getattr(files(store), what)("a/2"))


class ClientError(Exception):
    """As the SDKs have it."""

    def __init__(self, status: int) -> None:
        super().__init__("https://key:geheim@host")
        self.status = status


class ConnectionClosedError(Exception):
    pass


class NoCredentialsError(Exception):
    pass


class ReadTimeoutError(Exception):
    pass


def from_head(error: Exception) -> FileNotFoundError:
    """As fsspec tells of a HEAD over HTTP that failed."""
    told = FileNotFoundError("http://host/geheim")
    told.__cause__ = error
    return told


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (PermissionError("geheim"), "refuses access"),
        (ClientError(403), "refuses access"),
        (NoCredentialsError("geheim"), "credentials are missing in the environment"),
        (ClientError(503), "answered 503"),
        (TimeoutError("geheim"), "did not answer in time"),
        (ReadTimeoutError("geheim"), "did not answer in time"),
        (ConnectionRefusedError("geheim"), "cannot be reached"),
        (ConnectionClosedError("geheim"), "cannot be reached"),
        (from_head(ConnectionClosedError("geheim")), "cannot be reached"),
        (from_head(ClientError(500)), "answered 500"),
        (KeyError("geheim"), r"failed \(KeyError\)"),
    ],
)
def test_a_failure_is_told_in_words_that_hold_no_key(store: Store, error: Exception, reason: str) -> None:
    store.fail = error
    with pytest.raises(Unreachable, match=reason) as caught:
        list(files(store).chunks("a/labels.json"))
    assert "geheim" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_404_behind_a_failed_head_is_a_missing_file(store: Store) -> None:
    store.fail = from_head(ClientError(404))
    with pytest.raises(FileMissing):
        list(files(store).chunks("a/labels.json"))


@pytest.mark.parametrize(
    ("scheme", "protocol"),
    [("s3", "s3"), ("gs", "gs"), ("az", "az"), ("http", "http"), ("https", "https")],
)
def test_each_scheme_is_the_protocol_of_that_name_asked_for_without_any_cache_or_key(
    monkeypatch: pytest.MonkeyPatch, scheme: str, protocol: str, store: Store
) -> None:
    asked: list[tuple[str, dict[str, object]]] = []

    def make(name: str, **options: object) -> Store:
        asked.append((name, options))
        return store

    monkeypatch.setattr(fsspec, "filesystem", make)
    with pytest.raises(FileMissing):
        StoreFiles(Url(scheme, "bucket/nothing"), 7.0).names("x")
    ((name, options),) = asked
    assert name == protocol
    assert (options.pop("use_listings_cache"), options.pop("skip_instance_cache")) == (False, True)
    assert set(options) <= {
        "config_kwargs", "requests_timeout", "connection_timeout", "read_timeout", "client_kwargs"
    }  # fmt: skip


@pytest.mark.parametrize(("scheme", "extra"), EXTRAS.items())
def test_a_package_that_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, scheme: str, extra: str
) -> None:
    package = {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs", "http": "aiohttp"}[extra]
    monkeypatch.setattr(remote_files, "_import_proto_plus", lambda: None)
    monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    monkeypatch.setitem(sys.modules, package, None)
    assert missing_package(scheme) == package


def test_an_installed_package_is_not_missing() -> None:
    assert missing_package("http") is None


def test_our_own_folder_is_not_taken_for_the_package_that_gcsfs_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "proto", raising=False)
    before = list(sys.path)
    with pytest.raises(ImportError, match="proto"):
        remote_files._import_proto_plus()
    assert sys.path == before
