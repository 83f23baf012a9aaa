"""Which files a fetched manifest may name."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.repository.errors import LoadError
from service.repository.remote import contents

DIGEST = "0" * 64


def manifest(*names: str, sha256: str = DIGEST, size: int = 1) -> bytes:
    files = {name: {"sha256": sha256, "bytes": size} for name in names}
    return json.dumps({"name": "m", "files": files, "else": [1]}).encode()


def test_plain_names_are_taken_with_their_sizes_by_content() -> None:
    found = contents.read(
        manifest("model.onnx", "variables/variables.data-00000-of-00001", "report/Ä (1).png")
    )
    assert set(found.files) == {
        "model.onnx",
        "variables/variables.data-00000-of-00001",
        "report/Ä (1).png",
    }
    assert found.sizes == {DIGEST: 1}


@pytest.mark.parametrize(
    "name",
    [
        "../x", "a/../../x", "..", ".", "/etc/passwd", "a//b", "a/", "", "a/./b", "a\\b", "C:x", "a\0b", "a\nb",
        "a?versionId=1", "a#b", "a*b", "x" * 256, "/".join(["x" * 200] * 6), "manifest.json",
    ],
)  # fmt: skip
def test_a_name_that_is_not_plain_is_refused(name: str) -> None:
    with pytest.raises(LoadError):
        contents.read(manifest("model.onnx", name))


@given(st.text())
def test_whatever_is_taken_stays_inside(name: str) -> None:
    try:
        found = contents.read(manifest(name))
    except LoadError:
        return
    parts = next(iter(found.files)).split("/")
    assert not {"", ".", ".."} & set(parts)


@pytest.mark.parametrize("sha256", ["", "x" * 64, "0" * 63, "../" + "0" * 61, "A" * 64])
def test_a_checksum_that_is_none_is_refused(sha256: str) -> None:
    with pytest.raises(LoadError, match="no SHA-256"):
        contents.read(manifest("model.onnx", sha256=sha256))


def test_a_negative_size_is_refused() -> None:
    with pytest.raises(LoadError, match="no size"):
        contents.read(manifest("model.onnx", size=-1))


def test_a_file_in_the_place_of_a_directory_is_refused() -> None:
    with pytest.raises(LoadError, match="'a/b' is also the directory"):
        contents.read(manifest("a/b", "a/b/c"))


def test_there_may_not_be_too_many_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "MOST_FILES", 2)
    with pytest.raises(LoadError, match="names 3 files, expected 2 at most"):
        contents.read(manifest("a", "b", "c"))


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"files": []}', b'{"files": {"a": 1}}', b"\xff"])
def test_what_is_no_manifest_is_refused(text: bytes) -> None:
    with pytest.raises(LoadError, match=r"manifest\.json is not valid"):
        contents.read(text)
