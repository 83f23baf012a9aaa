"""From a version directory to something that answers, with real graphs; and every reason not to."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.config import Engine
from service.domain import GenerateRequest, ModelId, PredictRequest, Sampling, ScoreRequest, TranslateRequest
from service.engine.session import Placement, open_session
from service.errors import Unavailable
from service.observability import tracing
from service.observability.metrics import Metrics
from service.observability.tracing import Arrival
from service.repository.errors import LoadError
from service.repository.live import LoadedVersion
from service.repository.loader import BundleLoader
from tests.support import bundles
from tests.support.traces import Memory


class Loading:
    """A loader of one thread, and the graphs it opened."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.opened: list[str] = []
        self.loaded: list[LoadedVersion] = []
        self.loader = self.of(Engine(threads=1, device="cpu"))

    def of(self, engine: Engine, *, ask_golden: bool = True) -> BundleLoader:
        """Return a loader with other settings."""

        def open_graph(path: Path) -> Any:
            self.opened.append(path.name)
            return open_session(path, Placement(engine.device, engine.threads))

        return BundleLoader(engine, self.metrics, ask_golden=ask_golden, open_graph=open_graph)

    async def load(self, directory: Path, loader: BundleLoader | None = None) -> LoadedVersion:
        """Load the version that lies there."""
        model = ModelId(directory.parent.name, int(directory.name))
        version = await (loader or self.loader).load(model, directory)
        self.loaded.append(version)
        return version

    async def refusal(self, directory: Path) -> str:
        """Return why the version does not go live; no reason names a path."""
        with pytest.raises(LoadError) as caught:
            await self.load(directory)
        assert str(directory.parent.parent) not in str(caught.value)
        return str(caught.value)


@pytest.fixture
async def loading() -> AsyncIterator[Loading]:
    made = Loading()
    yield made
    for version in made.loaded:
        version.close()
    made.loader.close()


def soon() -> float:
    return asyncio.get_running_loop().time() + 10.0


def edit(directory: Path, **changes: Any) -> None:
    """Change top-level keys of a manifest."""
    path = directory / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


async def test_a_scorer_answers_its_word_and_predict(tmp_path: Path, loading: Loading) -> None:
    version = await loading.load(bundles.write_scorer(tmp_path))
    row = [1.0, 2.0, 3.0]
    scored = await version.task.run(ScoreRequest((row,)), soon())
    expected = float(bundles.score_of(np.array([row], np.float32))[0])
    assert scored.rows[0].score == pytest.approx(expected)
    raw = await version.predict.run(PredictRequest({"features": [row]}, outputs=("score",)), soon())
    assert raw.outputs["score"].tolist() == [pytest.approx(expected)]
    assert raw.model == ModelId("boxes", 1)


async def test_a_generator_steps_and_its_slots_are_measured(tmp_path: Path, loading: Loading) -> None:
    version = await loading.load(bundles.write_generator(tmp_path))
    request = GenerateRequest("a", max_tokens=4, sampling=Sampling(temperature=0.0))
    answer = await version.task.run(request, soon())
    assert answer.completion_tokens >= 1
    name = version.model.name
    text = loading.metrics.text().decode()
    assert f'sluice_slots{{model="{name}",version="1"}} 32.0' in text
    assert f'sluice_batch_rows_count{{model="{name}"' in text


async def test_a_translator_encodes_and_searches(tmp_path: Path, loading: Loading) -> None:
    version = await loading.load(bundles.write_translator(tmp_path))
    text = next(iter(bundles.WORDS))
    answer = await version.task.run(TranslateRequest((text,)), soon())
    assert answer.translations[0].text == bundles.translated(text)


async def test_runs_are_measured_by_graph(tmp_path: Path, loading: Loading) -> None:
    version = await loading.load(bundles.write_multiply(tmp_path))
    await version.task.run(PredictRequest({"x": [[1, 2, 3, 4]]}), soon())
    signature = version.manifest.default_signature
    labels = {"model": "multiply", "version": "1", "signature": signature}
    registry = loading.metrics.families.registry
    assert registry.get_sample_value("sluice_batch_rows_count", labels) == 1
    assert registry.get_sample_value("sluice_queue_depth", labels) == 0


async def test_settings_bound_the_batch(tmp_path: Path, loading: Loading) -> None:
    loader = loading.of(Engine(threads=1, device="cpu", max_rows=2, slots=3))
    version = await loading.load(bundles.write_generator(tmp_path), loader)
    labels = {"model": version.model.name, "version": "1"}
    assert loading.metrics.families.registry.get_sample_value("sluice_slots", labels) == 3
    loader.close()


async def test_settings_bound_who_waits_for_a_generator(tmp_path: Path, loading: Loading) -> None:
    loader = loading.of(Engine(threads=1, device="cpu", slots=1, max_queued=1))
    version = await loading.load(bundles.write_generator(tmp_path), loader)
    asked = [version.task.run(GenerateRequest("ab", max_tokens=3), soon()) for _ in range(3)]
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert sorted(type(each).__name__ for each in found) == ["GenerateAnswer", "GenerateAnswer", "Overloaded"]
    loader.close()


async def test_a_closed_version_answers_that_it_is_gone(tmp_path: Path, loading: Loading) -> None:
    version = await loading.load(bundles.write_multiply(tmp_path))
    loading.loaded.clear()
    version.close()
    with pytest.raises(Unavailable):
        await version.task.run(PredictRequest({"x": [[1, 2, 3, 4]]}), soon())


async def test_a_bare_graph_is_served_as_predict_with_the_signature_it_declares(
    tmp_path: Path, loading: Loading
) -> None:
    version = await loading.load(bundles.write_bare_onnx(tmp_path))
    assert version.manifest.task.word == "predict"
    (tensor,) = version.manifest.default.inputs
    assert (tensor.name, tensor.dtype, tensor.shape) == ("x", "float32", ("batch", 4))
    answer = await version.task.run(PredictRequest({"x": [[1, 2, 3, 4]]}), soon())
    assert answer.outputs["y"].tolist() == [[2, 4, 6, 8]]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("checksum", "file 'model.onnx' does not match its checksum"),
        ("missing", "file 'model.onnx' is missing"),
        ("manifest", "manifest.json is not valid"),
        ("truncated", "'model.onnx' cannot be loaded"),
        ("golden", "golden request 'golden-"),
    ],
)
async def test_a_faulty_version_says_what_is_wrong(
    tmp_path: Path, loading: Loading, fault: Any, reason: str
) -> None:
    assert reason in await loading.refusal(bundles.write_classifier(tmp_path, fault=fault))


async def test_only_a_step_graph_is_opened_to_be_recorded_and_only_if_told_to(
    tmp_path: Path, loading: Loading, monkeypatch: pytest.MonkeyPatch
) -> None:
    placements: list[tuple[str, bool]] = []

    def opened(path: Path, placement: Placement) -> Any:
        placements.append((path.name, placement.records))
        return open_session(path, placement)

    monkeypatch.setattr("service.repository.loader.open_session", opened)
    directory = bundles.write_translator(tmp_path)
    for told in (True, False):
        engine = Engine(threads=1, device="cpu", cuda_graphs=told)
        loader = BundleLoader(engine, loading.metrics)
        await loading.load(directory, loader)
        loader.close()
    assert sorted(placements) == sorted(
        [("model.onnx", False), ("step.onnx", True), ("model.onnx", False), ("step.onnx", False)]
    )


async def test_a_golden_request_is_not_asked_when_switched_off(tmp_path: Path, loading: Loading) -> None:
    loader = loading.of(Engine(threads=1, device="cpu"), ask_golden=False)
    await loading.load(bundles.write_classifier(tmp_path, fault="golden"), loader)
    loader.close()


async def test_a_version_in_the_wrong_place_is_refused(tmp_path: Path, loading: Loading) -> None:
    directory = bundles.write_multiply(tmp_path)
    moved = directory.rename(directory.parent / "7")
    assert await loading.refusal(moved) == (
        "manifest.json is of 'multiply' version 1, and lies where 'multiply' version 7 belongs"
    )


async def test_a_signature_that_the_graph_does_not_have_is_refused(tmp_path: Path, loading: Loading) -> None:
    directory = bundles.write_multiply(tmp_path)
    signatures = json.loads((directory / "manifest.json").read_text())["signatures"]
    for signature in signatures.values():
        signature["inputs"][0]["shape"] = ["batch", 5]
    edit(directory, signatures=signatures)
    assert "input 'x' of 'model.onnx' has shape ['batch', 4], its signature says ['batch', 5]" in (
        await loading.refusal(directory)
    )


async def test_a_golden_request_outside_the_files_is_refused(tmp_path: Path, loading: Loading) -> None:
    directory = bundles.write_multiply(tmp_path)
    golden = json.loads((directory / "manifest.json").read_text())["golden"]
    edit(directory, golden=[{**golden[0], "file": "../../golden.npz"}])
    assert "is not among the files" in await loading.refusal(directory)


async def test_a_graph_that_is_none_is_refused(tmp_path: Path, loading: Loading) -> None:
    directory = tmp_path / "a" / "1"
    directory.mkdir(parents=True)
    (directory / "model.onnx").write_bytes(b"")
    assert "'model.onnx' cannot be loaded" in await loading.refusal(directory)


async def test_a_bare_graph_that_is_a_link_to_somewhere_else_is_refused(
    tmp_path: Path, loading: Loading
) -> None:
    real = bundles.write_bare_onnx(tmp_path)
    directory = tmp_path / "a" / "1"
    directory.mkdir(parents=True)
    (directory / "model.onnx").symlink_to(real / "model.onnx")
    assert "lies outside" in await loading.refusal(directory)
    assert loading.opened == []


async def test_a_failed_load_leaves_no_gauge_of_its_own(tmp_path: Path, loading: Loading) -> None:
    await loading.refusal(bundles.write_classifier(tmp_path, fault="golden"))
    assert "sluice_queue_depth{" not in loading.metrics.text().decode()


async def test_a_model_at_a_base_path_of_its_own_has_the_name_it_is_given(
    loading: Loading, tmp_path: Path
) -> None:
    written = bundles.write_multiply(tmp_path)
    written.parent.rename(tmp_path / "doubles")
    engine = Engine(threads=1, device="cpu")
    loader = BundleLoader(engine, loading.metrics, may_be_renamed=lambda name: name == "doubles")
    version = await loading.load(tmp_path / "doubles" / "1", loader)
    assert version.manifest.name == "doubles"
    answer = await version.predict.run(PredictRequest({"x": [[1, 2, 3, 4]]}), math.inf)
    assert answer.model == ModelId("doubles", 1)
    assert "belongs" in await loading.refusal(tmp_path / "doubles" / "1")


async def test_runs_are_told_to_the_tracer_with_the_traces_that_waited_for_them(
    loading: Loading, tmp_path: Path
) -> None:
    memory = Memory()
    loader = BundleLoader(Engine(threads=1, device="cpu"), loading.metrics, tracer=memory.tracer)
    version = await loading.load(bundles.write_multiply(tmp_path), loader)
    loader.close()
    ask = PredictRequest({"x": np.ones((3, 4), np.float32)})
    await version.predict.run(ask, soon())
    assert memory.spans == ()
    trace = memory.tracer.start(Arrival("POST", time.monotonic()))
    token = tracing.enter(trace)
    await version.predict.run(ask, soon())
    tracing.leave(token)
    batch = memory.one("batch multiply")
    assert [f"{link.context.span_id:016x}" for link in batch.links] == [trace.ids["span_id"]]
    told = dict(batch.attributes or {})
    assert (told["sluice.batch.rows"], told["sluice.batch.requests"], told["sluice.version"]) == (3, 1, 1)
    exposition, _ = loading.metrics.exposition("application/openmetrics-text")
    assert trace.ids["trace_id"] in exposition.decode()
