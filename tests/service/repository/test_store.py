"""What a look at a models directory finds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from service.domain import ModelId
from service.repository.rules import Places
from service.repository.store import DirectoryStore, StoreError


def version(root: Path, name: str, number: str, file: str = "model.onnx") -> Path:
    directory = root / name / number
    directory.mkdir(parents=True)
    (directory / file).write_bytes(b"graph")
    return directory


def found(root: Path) -> set[tuple[str, int]]:
    return {(model.name, model.version) for model in DirectoryStore(root).scan().versions}


def test_a_version_is_a_numbered_directory_with_a_manifest_or_a_graph(tmp_path: Path) -> None:
    version(tmp_path, "a", "1")
    version(tmp_path, "a", "12", file="manifest.json")
    version(tmp_path, "b", "3", file="notes.txt")
    assert found(tmp_path) == {("a", 1), ("a", 12)}


@pytest.mark.parametrize(
    "number", ["0", "-1", "01", "1.5", "v1", "1.tmp", ".1", "latest", "9223372036854775808", "1e3", "\u0661"]
)
def test_what_is_not_a_version_number_is_left_alone(tmp_path: Path, number: str) -> None:
    version(tmp_path, "a", number)
    assert found(tmp_path) == set()


@pytest.mark.parametrize("name", [".hidden", "_private", "a b", "a\nb", "ä", "x" * 129, "-a"])
def test_what_is_not_a_name_is_left_alone(tmp_path: Path, name: str) -> None:
    version(tmp_path, name, "1")
    assert found(tmp_path) == set()


def test_the_largest_version_number_is_found(tmp_path: Path) -> None:
    version(tmp_path, "a", str(2**63 - 1))
    assert found(tmp_path) == {("a", 2**63 - 1)}


def test_files_where_directories_belong_and_pipes_where_graphs_belong_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a file")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "1").write_text("a file")
    (tmp_path / "c" / "1").mkdir(parents=True)
    os.mkfifo(tmp_path / "c" / "1" / "model.onnx")
    (tmp_path / "d" / "1" / "model.onnx").mkdir(parents=True)
    assert found(tmp_path) == set()


@pytest.mark.parametrize("level", ["model", "version"])
def test_a_link_out_of_the_models_directory_is_left_alone_and_reported(tmp_path: Path, level: str) -> None:
    outside = version(tmp_path / "outside", "a", "1")
    root = tmp_path / "models"
    root.mkdir()
    if level == "model":
        (root / "a").symlink_to(outside.parent)
    else:
        (root / "a").mkdir()
        (root / "a" / "1").symlink_to(outside)
    listing = DirectoryStore(root).scan()
    assert listing.versions == {}
    assert ["leads out" in problem for problem in listing.problems] == [True]
    assert str(tmp_path) not in listing.problems[0]


def test_a_link_within_the_models_directory_is_followed(tmp_path: Path) -> None:
    version(tmp_path, "a", "1")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert found(tmp_path) == {("a", 1), ("b", 1)}


def test_a_fingerprint_changes_with_the_files_and_with_nothing_else(tmp_path: Path) -> None:
    directory = version(tmp_path, "a", "1")
    (directory / "assets.extra").mkdir()
    (directory / "assets.extra" / "labels.json").write_text("[]")
    store, model = DirectoryStore(tmp_path), ModelId("a", 1)
    first = store.scan().versions[model]
    version(tmp_path, "a", "2")
    assert store.scan().versions[model] == first
    (directory / "assets.extra" / "labels.json").write_text('["x"]')
    second = store.scan().versions[model]
    assert second != first
    (directory / "model.onnx").unlink()
    (directory / "model.onnx").write_bytes(b"other")
    assert store.scan().versions[model] not in (first, second)


def test_a_directory_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "models")
    assert store.scan().versions == {}
    version(tmp_path / "models", "a", "1")
    assert set(store.scan().versions) == {ModelId("a", 1)}


def test_a_directory_that_went_away_is_no_order_to_unload(tmp_path: Path) -> None:
    root = tmp_path / "models"
    version(root, "a", "1")
    store = DirectoryStore(root)
    store.scan()
    root.rename(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="is gone"):
        store.scan()


def test_a_models_directory_that_is_a_file_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("")
    with pytest.raises(StoreError, match="cannot be read"):
        DirectoryStore(tmp_path / "models").scan()


def test_labels_lie_beside_the_versions(tmp_path: Path) -> None:
    version(tmp_path, "a", "1")
    (tmp_path / "a" / "labels.json").write_text('{"stable": 1, "canary": 2}')
    assert DirectoryStore(tmp_path).scan().labels == {"a": {"stable": 1, "canary": 2}}


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{",
        '{"stable": "1"}',
        '{"stable": 0}',
        '{"stable": true}',
        '{"../x": 1}',
        '{"": 1}',
        "[" * 10_000,
    ],
)
def test_labels_that_are_none_are_reported_and_the_versions_served(tmp_path: Path, text: str) -> None:
    version(tmp_path, "a", "1")
    (tmp_path / "a" / "labels.json").write_text(text)
    listing = DirectoryStore(tmp_path).scan()
    assert listing.labels == {}
    assert set(listing.versions) == {ModelId("a", 1)}
    assert listing.problems[0].startswith("labels.json of model 'a' is not used: ")


def test_labels_that_break_leave_the_labels_before_them(tmp_path: Path) -> None:
    version(tmp_path, "a", "1")
    (tmp_path / "a" / "labels.json").write_text('{"stable": 1}')
    store = DirectoryStore(tmp_path)
    store.scan()
    (tmp_path / "a" / "labels.json").write_text('{"sta')
    assert store.scan().labels == {"a": {"stable": 1}}


def test_a_model_with_a_base_path_of_its_own_lies_there_whatever_the_directory_is_called(
    tmp_path: Path,
) -> None:
    version(tmp_path / "models", "a", "1")
    version(tmp_path / "models", "b", "1")
    (tmp_path / "models" / "b" / "labels.json").write_text('{"old": 1}')
    version(tmp_path, "elsewhere", "7")
    (tmp_path / "elsewhere" / "labels.json").write_text('{"stable": 7}')
    store = DirectoryStore(tmp_path / "models")
    listing = store.scan(Places({"b": tmp_path / "elsewhere", "c": tmp_path / "elsewhere"}))
    assert set(listing.versions) == {ModelId("a", 1), ModelId("b", 7), ModelId("c", 7)}
    assert listing.labels == {"b": {"stable": 7}, "c": {"stable": 7}}
    assert store.directory(ModelId("b", 7)) == tmp_path / "elsewhere" / "7"
    assert store.directory(ModelId("a", 1)) == tmp_path / "models" / "a" / "1"
    assert (store.has_base_path("b"), store.has_base_path("a")) == (True, False)


def test_base_paths_may_be_all_that_there_is(tmp_path: Path) -> None:
    version(tmp_path, "a", "1")
    version(tmp_path, "b", "1")
    only = Places({"m": tmp_path / "a"}, shelf=False)
    assert set(DirectoryStore(tmp_path).scan(only).versions) == {ModelId("m", 1)}
    assert set(DirectoryStore(None).scan(Places({"m": tmp_path / "a"})).versions) == {ModelId("m", 1)}


def test_a_base_path_that_is_not_there_yet_is_a_problem_and_one_that_went_away_no_order_to_unload(
    tmp_path: Path,
) -> None:
    store = DirectoryStore(None)
    places = Places({"m": tmp_path / "a"})
    listing = store.scan(places)
    assert (dict(listing.versions), len(listing.problems)) == ({}, 1)
    assert listing.problems[0].startswith("the base path of model 'm' cannot be read")
    version(tmp_path, "a", "1")
    assert store.scan(places).problems == ()
    (tmp_path / "a").rename(tmp_path / "b")
    assert set(store.scan(places).versions) == {ModelId("m", 1)}
    assert store.scan(Places({"m": tmp_path / "c"})).versions == {}


def test_links_do_not_lead_out_of_a_base_path_but_it_may_be_one_itself(tmp_path: Path) -> None:
    outside = version(tmp_path / "outside", "a", "1")
    version(tmp_path / "real", "m", "2")
    (tmp_path / "real" / "m" / "1").symlink_to(outside)
    (tmp_path / "link").symlink_to(tmp_path / "real" / "m")
    listing = DirectoryStore(None).scan(Places({"m": tmp_path / "link"}))
    assert set(listing.versions) == {ModelId("m", 2)}
    assert "leads out" in listing.problems[0]


def test_a_base_path_that_leads_to_itself_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    listing = DirectoryStore(None).scan(Places({"m": tmp_path / "loop"}))
    assert (dict(listing.versions), len(listing.problems)) == ({}, 1)
