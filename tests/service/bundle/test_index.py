"""What stands in the index of a models directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.bundle import INDEX, MANIFEST, BundleError, Index, sha256, write_index
from tests.support import bundles


def test_the_index_has_every_version_with_the_digest_of_its_manifest_and_the_labels(tmp_path: Path) -> None:
    first = bundles.write_multiply(tmp_path)
    second = bundles.write_multiply(tmp_path, version=12)
    (tmp_path / "multiply" / "labels.json").write_text('{"stable": 1}')
    index = Index.model_validate_json(write_index(tmp_path).read_bytes())
    assert index.models["multiply"].versions == {
        "1": sha256(first / MANIFEST),
        "12": sha256(second / MANIFEST),
    }
    assert index.models["multiply"].labels == {"stable": 1}


def test_what_is_no_version_with_a_manifest_is_not_in_it(tmp_path: Path) -> None:
    bundles.write_bare_onnx(tmp_path, name="bare")
    (tmp_path / "bare" / "01").mkdir()
    (tmp_path / ".hidden" / "1").mkdir(parents=True)
    (tmp_path / "a file").write_text("")
    assert Index.model_validate_json(write_index(tmp_path).read_bytes()).models["bare"].versions == {}


def test_writing_it_again_replaces_it_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    write_index(tmp_path)
    bundles.write_multiply(tmp_path)
    write_index(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {INDEX, "multiply"}
    assert "multiply" in Index.model_validate_json((tmp_path / INDEX).read_bytes()).models


def test_labels_that_are_none_are_refused(tmp_path: Path) -> None:
    bundles.write_multiply(tmp_path)
    (tmp_path / "multiply" / "labels.json").write_text('{"stable": "one"}')
    with pytest.raises(BundleError, match=r"'multiply/labels\.json' is not valid: stable: "):
        write_index(tmp_path)
