"""The tiny bundles hold what their manifests promise, and answer as the functions beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from service import bundle
from service.domain import Array, Tensors
from tests.support import bundles, embedders


def run(directory: Path, file: str, feeds: Tensors) -> dict[str, Array]:
    session = onnxruntime.InferenceSession(directory / file, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(feeds)), strict=True))


def test_every_bundle_is_valid_and_answers_its_golden_requests(tmp_path: Path) -> None:
    bundles.write_all(tmp_path)
    embedders.write_embedder(tmp_path)
    checked = 0
    for directory in sorted(tmp_path.glob("*/1")):
        if directory.parent.name == "bare":
            continue
        manifest = bundle.read(directory)
        bundle.verify_files(directory, manifest.files)
        for golden in manifest.golden:
            with np.load(directory / golden.file, allow_pickle=False) as recorded:
                feeds = {name[3:]: recorded[name] for name in recorded.files if name.startswith("in.")}
                answer = {name[4:]: recorded[name] for name in recorded.files if name.startswith("out.")}
            got = run(directory, manifest.signatures[golden.signature].file, feeds)
            assert got.keys() == answer.keys()
            for name, expected in answer.items():
                assert got[name].dtype == expected.dtype
                assert np.allclose(got[name], expected, atol=1e-5)
            checked += 1
    assert checked == 8


def test_the_generator_follows_its_whole_history_token_by_token_or_at_once(tmp_path: Path) -> None:
    directory = bundles.write_generator(tmp_path)
    ids = [bundles.ALPHABET.index(character) for character in "hello"]
    zero = np.zeros((1, 1), np.float32)
    at_once = run(
        directory,
        "model.onnx",
        {"ids": np.array([ids], np.int32), "lengths": np.array([5], np.int32), "h": zero, "c": zero},
    )
    state = {"h": zero, "c": zero}
    for token in ids:
        one = run(
            directory,
            "model.onnx",
            {"ids": np.array([[token]], np.int32), "lengths": np.array([1], np.int32), **state},
        )
        state = {"h": one["h_out"], "c": one["c_out"]}
    assert np.array_equal(at_once["logits"], one["logits"])
    assert bundles.ALPHABET[int(one["logits"].argmax())] == bundles.generated("hello", 1)


@pytest.mark.parametrize("fault", ["checksum", "missing"])
def test_files_that_differ_are_noticed(tmp_path: Path, fault: bundles.Fault) -> None:
    directory = bundles.write_multiply(tmp_path, fault=fault)
    with pytest.raises(bundle.BundleError, match=r"model\.onnx"):
        bundle.verify_files(directory, bundle.read(directory).files)


def test_a_truncated_graph_has_a_matching_checksum_but_does_not_load(tmp_path: Path) -> None:
    directory = bundles.write_classifier(tmp_path, fault="truncated")
    bundle.verify_files(directory, bundle.read(directory).files)
    with pytest.raises(Exception, match=r"[Pp]rotobuf"):
        run(directory, "model.onnx", {})


def test_a_manifest_cut_off_in_the_middle_is_not_valid(tmp_path: Path) -> None:
    with pytest.raises(bundle.BundleError, match=r"manifest\.json is not valid"):
        bundle.read(bundles.write_scorer(tmp_path, fault="manifest"))
