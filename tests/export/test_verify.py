import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from export.build import Target, build
from export.recipe import Recipe, Source
from export.verify import Check, verify
from tests.support import bundles


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, source: Source, bag: Callable[..., Recipe]) -> Path:
    """A good version, which nobody changes."""
    return build(source, bag(), Target(tmp_path_factory.mktemp("models"), "bag"))


@pytest.fixture
def version(tmp_path: Path, published: Path) -> Path:
    """A copy of it to be tampered with."""
    return Path(shutil.copytree(published, tmp_path / "1"))


def edit(version: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest."""
    manifest = json.loads((version / "manifest.json").read_text())
    change(manifest)
    (version / "manifest.json").write_text(json.dumps(manifest))


def fix_checksum(version: Path, name: str) -> None:
    """Let the manifest promise what lies there now."""
    data = (version / name).read_bytes()
    entry = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    edit(version, lambda manifest: manifest["files"].update({name: entry}))


def refused(version: Path) -> Check:
    """Return the one check that was refused: the last."""
    *before, last = verify(version)
    assert all(check.passed for check in before)
    assert not last.passed
    return last


def test_a_good_version_passes_every_check(version: Path) -> None:
    checks = list(verify(version))
    assert [check.name for check in checks] == [
        "manifest", "files", "task", "SavedModel",
        "bag: graph", "bag: parity", "bag: rows", "bag: golden request",
        "dense: graph", "dense: parity", "dense: rows", "dense: golden request",
    ]  # fmt: skip
    assert all(check.passed for check in checks)


def test_a_version_that_was_copied_elsewhere_passes(tmp_path: Path, published: Path) -> None:
    elsewhere = Path(shutil.copytree(published, tmp_path / "a copy"))
    assert all(check.passed for check in verify(elsewhere))


def test_a_version_without_golden_requests_is_probed_with_drawn_inputs(version: Path) -> None:
    edit(version, lambda manifest: manifest.update(golden=[]))
    assert all(check.passed for check in verify(version))


def test_variants_are_compared_with_the_recorded_answers(version: Path) -> None:
    bundles.add_variant(version, "int8", version / "dense.onnx", signature="dense", tolerance=1e-3)
    checks = list(verify(version))
    assert [check.name for check in checks][-2:] == ["dense: golden request", "dense: int8"]
    assert all(check.passed for check in checks)


def test_a_variant_of_another_graph_is_refused(version: Path) -> None:
    bundles.add_variant(version, "int8", version / "model.onnx", signature="dense", tolerance=1.0)
    assert refused(version).name == "dense: int8"


@pytest.mark.parametrize("name", ["model.onnx", "dense.onnx", "saved_model.pb", "report/README.md"])
def test_a_flipped_byte_is_found(version: Path, name: str) -> None:
    data = bytearray((version / name).read_bytes())
    data[len(data) // 2] ^= 1
    (version / name).write_bytes(data)
    assert refused(version) == Check("files", False, f"file '{name}' does not match its checksum")


@pytest.mark.parametrize("name", ["model.onnx", "assets.extra/golden-bag.npz", "variables/variables.index"])
def test_a_missing_file_is_found(version: Path, name: str) -> None:
    (version / name).unlink()
    assert refused(version) == Check("files", False, f"file '{name}' is missing")


def test_a_missing_manifest_is_found(version: Path) -> None:
    (version / "manifest.json").unlink()
    assert refused(version).detail == "manifest.json cannot be read: No such file or directory"


def rename_input(manifest: dict[str, Any]) -> None:
    """Call an input by another name."""
    manifest["signatures"]["bag"]["inputs"][0]["name"] = "tokens"


def change_dtype(manifest: dict[str, Any]) -> None:
    """Promise another dtype."""
    manifest["signatures"]["bag"]["inputs"][0]["dtype"] = "int64"


@pytest.mark.parametrize(
    ("change", "check", "reason"),
    [
        (lambda manifest: manifest.update(version=2), "manifest", "is of version 2, the directory is '1'"),
        (
            lambda manifest: manifest.update(task={"word": "cook"}),
            "manifest",
            "manifest.json is not valid: task",
        ),
        (lambda manifest: manifest.update(surprise=1), "manifest", "manifest.json is not valid: surprise"),
        (lambda manifest: manifest["task"].update(labels=["a"]), "task", "one for each label"),
        (lambda manifest: manifest["task"].update(input="image"), "task", "no input 'image'"),
        (
            lambda manifest: manifest["golden"][0].update(signature="gone"),
            "task",
            "'gone', which is no signature",
        ),
        (lambda manifest: manifest["golden"][0].update(file="gone.npz"), "task", "'gone.npz' is needed"),
        (
            rename_input,
            "bag: graph",
            r"the inputs \['ids', 'lengths'\], declared are \['lengths', 'tokens'\]",
        ),
        (change_dtype, "bag: graph", "input 'ids' of the graph is int32, declared is int64"),
        (
            lambda manifest: manifest["signatures"]["bag"].update(saved_model_signature="gone"),
            "bag: parity",
            "the SavedModel has no signature 'gone'",
        ),
    ],
)
def test_an_edited_manifest_is_found(
    version: Path, change: Callable[[dict[str, Any]], object], check: str, reason: str
) -> None:
    edit(version, change)
    found = refused(version)
    assert found.name == check
    assert re.search(reason, found.detail)


def test_a_perturbed_weight_is_found_although_its_checksum_was_made_right(version: Path) -> None:
    model = onnx.load(version / "model.onnx")
    weights = next(entry for entry in model.graph.initializer if list(entry.dims) == [5, 3])
    perturbed = numpy_helper.to_array(weights) + np.float32(0.01)
    perturbed[0] *= 1.01
    weights.CopyFrom(numpy_helper.from_array(perturbed, weights.name))
    onnx.save(model, version / "model.onnx")
    fix_checksum(version, "model.onnx")
    found = refused(version)
    assert found.name == "bag: parity"
    assert "output 'probabilities' differs by" in found.detail


def test_a_graph_that_is_none_is_found_although_its_checksum_was_made_right(version: Path) -> None:
    (version / "dense.onnx").write_bytes(b"not a graph")
    fix_checksum(version, "dense.onnx")
    found = refused(version)
    assert (found.name, found.detail[:29]) == ("dense: graph", "dense.onnx is not an ONNX fil")


def test_a_golden_request_with_another_answer_is_found(version: Path) -> None:
    path = version / "assets.extra" / "golden-bag.npz"
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    arrays["out.probabilities"] = arrays["out.probabilities"][:, ::-1]
    np.savez(path, **arrays)
    fix_checksum(version, "assets.extra/golden-bag.npz")
    found = refused(version)
    assert found.name == "bag: golden request"
    assert "output 'probabilities' differs by" in found.detail


def test_a_tighter_tolerance_is_held_against_it(version: Path) -> None:
    *_, last = verify(version, tolerance=1e-12)
    assert (last.name, last.passed) == ("bag: parity", False)
    assert "the tolerance is 1.0e-12" in last.detail
