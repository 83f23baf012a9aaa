"""Which variants of a version are loaded, which one answers, and what becomes of one that is not as it was measured."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from service import bundle
from service.bundle import BASE, Manifest
from service.config import Engine
from service.domain import GenerateRequest, ModelId, PredictRequest, Sampling
from service.errors import NotFound
from service.observability.metrics import Metrics
from service.repository.errors import GoldenError, LoadError
from service.repository.live import LiveVersion, LoadedVersion
from service.repository.loader import BundleLoader
from service.repository.variants import Choice, GraphKey, graphs
from tests.support import bundles


def tripled(models: Path) -> Path:
    """Write a model that doubles, and whose variant `int8` triples."""
    version = bundles.write_multiply(models)
    graph = bundles.write_multiply(models / "other", factor=3.0) / bundle.DEFAULT_GRAPH
    bundles.add_variant(version, "int8", graph, signature="multiply", tolerance=1.0)
    return version


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return bundle.read(tripled(tmp_path))


@pytest.mark.parametrize(
    ("choice", "loaded"),
    [
        (Choice(), (BASE,)),
        (Choice("int8"), ("int8",)),
        (Choice("fp16"), (BASE,)),
        (Choice("int8", {"multiply": BASE}), (BASE,)),
        (Choice(BASE, {"multiply": "int8", "another": "fp16"}), ("int8",)),
        (Choice(offer=True), (BASE, "int8")),
        (Choice("int8", offer=True), ("int8", BASE)),
    ],
)
def test_what_is_wished_for_comes_first_and_others_if_they_are_offered(
    manifest: Manifest, choice: Choice, loaded: tuple[str, ...]
) -> None:
    assert choice.of(manifest) == loaded


def test_a_variant_that_is_asked_of_one_model_must_be_there(manifest: Manifest) -> None:
    with pytest.raises(LoadError, match="variant 'fp16' is asked for, and there is base, int8"):
        Choice(by_model={"multiply": "fp16"}).of(manifest)


def test_a_signature_without_the_variant_answers_with_its_base(tmp_path: Path) -> None:
    version = bundles.write_translator(tmp_path)
    step = bundle.read(version).signatures["step"].file
    bundles.add_variant(version, "int8", version / step, signature="step", tolerance=1e-3)
    keys = graphs(bundle.read(version), "int8")
    assert keys["encode"] == GraphKey("encode")
    assert (keys["step"], keys["step"].label) == (GraphKey("step", "int8"), "step.int8")


class Loading:
    """Loads, and closes what it loaded."""

    def __init__(self) -> None:
        self.loaded: list[LoadedVersion] = []

    async def __call__(self, version: Path, choice: Choice) -> LiveVersion:
        loader = BundleLoader(Engine(threads=1, device="cpu"), Metrics(), choice=choice)
        try:
            made = await loader.load(ModelId(version.parent.name, 1), version)
        finally:
            loader.close()
        self.loaded.append(made)
        return LiveVersion(made)


@pytest.fixture
async def load() -> AsyncIterator[Loading]:
    loading = Loading()
    yield loading
    for version in loading.loaded:
        version.close()


async def factor(live: LiveVersion, variant: str = "") -> float:
    request = PredictRequest({"x": np.ones((1, 4), np.float32)})
    answer = await live.task("predict", variant).run(request, asyncio.get_running_loop().time() + 10)
    return float(answer.outputs["y"][0, 0])


async def test_a_setting_chooses_what_answers(tmp_path: Path, load: Loading) -> None:
    version = tripled(tmp_path)
    assert await factor(await load(version, Choice())) == 2.0
    live = await load(version, Choice("int8"))
    assert await factor(live) == 3.0
    with pytest.raises(NotFound, match="no variant 'base' of 'multiply' is loaded; there is int8"):
        live.task("predict", BASE)


async def test_a_request_chooses_among_what_is_offered(tmp_path: Path, load: Loading) -> None:
    live = await load(tripled(tmp_path), Choice(offer=True))
    assert [await factor(live, variant) for variant in ("", BASE, "int8")] == [2.0, 2.0, 3.0]
    with pytest.raises(NotFound, match="no variant 'fp16'") as caught:
        live.task("predict", "fp16")
    assert caught.value.field == "x-sluice-variant"


async def test_a_generator_has_its_variants_too(tmp_path: Path, load: Loading) -> None:
    version = bundles.write_generator(tmp_path)
    bundles.add_variant(version, "int8", version / bundle.DEFAULT_GRAPH, signature="step", tolerance=1e-3)
    live = await load(version, Choice(offer=True))
    request = GenerateRequest("abc", max_tokens=5, sampling=Sampling(temperature=0))
    soon = asyncio.get_running_loop().time() + 10
    said = {variant: await live.task("generate", variant).run(request, soon) for variant in (BASE, "int8")}
    assert said[BASE].text == said["int8"].text
    assert said[BASE].completion_tokens == 5


async def test_a_variant_that_answers_further_off_than_was_measured_is_refused(
    tmp_path: Path, load: Loading
) -> None:
    version = bundles.write_multiply(tmp_path)
    graph = bundles.write_multiply(tmp_path / "other", factor=3.0) / bundle.DEFAULT_GRAPH
    bundles.add_variant(version, "int8", graph, signature="multiply", tolerance=1e-3)
    assert await factor(await load(version, Choice())) == 2.0
    with pytest.raises(GoldenError, match="output 'y' is off by"):
        await load(version, Choice("int8"))


def test_the_base_is_no_variant_and_a_variant_needs_its_file(manifest: Manifest) -> None:
    base = manifest.signatures["multiply"]
    with pytest.raises(ValueError, match="a variant is not called 'base'"):
        bundle.Signature.model_validate(base.model_dump() | {"variants": {BASE: base.variants["int8"]}})
    without = {name: file for name, file in manifest.files.items() if ".int8." not in name}
    with pytest.raises(ValueError, match=r"file 'model\.int8\.onnx' of a signature is not among the files"):
        Manifest.model_validate(manifest.model_dump() | {"files": without})
