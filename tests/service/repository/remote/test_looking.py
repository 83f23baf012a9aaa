"""What a look at a store finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.bundle import INDEX, write_index
from service.config import Url
from service.domain import ModelId
from service.repository.remote import looking
from service.repository.remote.files import Unreachable
from service.repository.remote.looking import Seen, Site, look
from tests.support import bundles
from tests.support.stores import FakeFiles

BUCKET, PAGES = Site(Url("s3", "bucket/models")), Site(Url("https", "host/models"))
A1, A2 = ModelId("a", 1), ModelId("a", 2)


@pytest.fixture
def files() -> FakeFiles:
    files = FakeFiles()
    files.content = {"a/1/manifest.json": b"one", "a/1/model.onnx": b"", "b/7/manifest.json": b"seven"}
    return files


def test_a_version_is_a_number_with_a_manifest(files: FakeFiles) -> None:
    assert look(files, BUCKET).versions.keys() == {A1, ModelId("b", 7)}
    assert look(files, Site(BUCKET.url, "renamed")).versions == {}


def test_a_url_of_one_model_has_its_versions_whatever_it_is_called_there() -> None:
    files = FakeFiles()
    files.content = {"1/manifest.json": b"one", "labels.json": b'{"stable": 1}'}
    seen = look(files, Site(BUCKET.url, "m"))
    assert seen.versions.keys() == {ModelId("m", 1)}
    assert seen.labels == {"m": {"stable": 1}}


@pytest.mark.parametrize(
    "path",
    ["a/01/manifest.json", "a/v1/manifest.json", "a/0/manifest.json", "a/9223372036854775808/manifest.json",
     ".a/1/manifest.json", "a b/1/manifest.json", "manifest.json", "a/1/2/manifest.json"],
)  # fmt: skip
def test_what_is_no_version_is_left_alone(path: str) -> None:
    files = FakeFiles()
    files.content = {path: b"", "b/7/manifest.json": b""}
    assert look(files, BUCKET).versions.keys() == {ModelId("b", 7)}


def test_a_version_without_a_manifest_is_left_alone_and_told(files: FakeFiles) -> None:
    files.content["a/2/model.onnx"] = b""
    seen = look(files, BUCKET)
    assert A2 not in seen.versions
    assert seen.problems == ("'a/2' has no manifest.json, and is left alone",)


@pytest.mark.parametrize("tagless", [False, True])
def test_a_version_whose_manifest_changed_has_another_tag(files: FakeFiles, tagless: bool) -> None:
    files.tagless = tagless
    before = look(files, BUCKET)
    assert look(files, BUCKET) == before
    files.content["a/1/manifest.json"] = b"other"
    after = look(files, BUCKET)
    assert {model for model in after.versions if after.versions[model] != before.versions[model]} == {A1}


def test_labels_are_those_of_each_model(files: FakeFiles) -> None:
    files.content["a/labels.json"] = b'{"stable": 1}'
    files.content["b/labels.json"] = b'{"stable": "seven"}'
    seen = look(files, BUCKET)
    assert seen.labels == {"a": {"stable": 1}}
    assert seen.problems == ("labels.json of model 'b' is not used: stable: Input should be a valid integer",)


def test_a_place_with_nothing_in_it_is_no_order_to_unload() -> None:
    with pytest.raises(Unreachable, match="there is nothing at that place"):
        look(FakeFiles(), BUCKET)


def test_a_store_that_does_not_answer_is_unreachable(files: FakeFiles) -> None:
    files.down = "the store answered 503"
    for site in (BUCKET, PAGES):
        with pytest.raises(Unreachable, match="503"):
            look(files, site)


def test_over_http_an_index_is_believed_and_nothing_else_is_read(tmp_path: Path) -> None:
    bundles.write_multiply(tmp_path)
    (tmp_path / "multiply" / "labels.json").write_text('{"stable": 1}')
    files = FakeFiles()
    files.content[INDEX] = write_index(tmp_path).read_bytes()
    seen = look(files, PAGES)
    assert seen.versions.keys() == {ModelId("multiply", 1)}
    assert seen.labels == {"multiply": {"stable": 1}}
    assert files.reads == [INDEX]


def test_over_http_without_an_index_the_pages_that_list_are_read(files: FakeFiles) -> None:
    assert look(files, PAGES) == look(files, BUCKET)


def test_in_a_bucket_an_index_is_a_file_like_another(files: FakeFiles) -> None:
    files.content[INDEX] = b"{}"
    assert look(files, BUCKET).versions.keys() == {A1, ModelId("b", 7)}


@pytest.mark.parametrize(
    "text",
    [b"", b"{}", b"<html>", b'{"models": {"a": {"versions": {"1": "x"}}}}',
     b'{"models": {"../a": {"versions": {}}}}', b'{"schema_version": 2, "models": {}}'],
)  # fmt: skip
def test_an_index_that_is_none_is_not_taken_for_an_empty_one(files: FakeFiles, text: bytes) -> None:
    files.content[INDEX] = text
    with pytest.raises(Unreachable, match=r"index\.json cannot be used: "):
        look(files, PAGES)


def test_an_index_without_end_is_given_up(files: FakeFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "LARGEST_INDEX_BYTES", 10)
    files.content[INDEX] = b" " * 11
    with pytest.raises(Unreachable, match="more than 10 bytes"):
        look(files, PAGES)


def test_an_index_may_be_empty(files: FakeFiles) -> None:
    files.content[INDEX] = b'{"models": {}}'
    assert look(files, PAGES) == Seen({}, {})
