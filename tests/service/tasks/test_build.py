"""Every word over the real engine and real graphs, as a loaded version answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, get_args

import pytest

from service import bundle
from service.domain import (
    ClassifyRequest,
    GenerateRequest,
    PredictRequest,
    Sampling,
    ScoreRequest,
    TranslateRequest,
    Word,
)
from service.engine.batcher import Batcher
from service.engine.batching import BatchLimits
from service.engine.generator import GenerationLimits, Generator
from service.engine.session import Placement, open_session
from service.tasks import Task, build_predict, build_task
from service.tasks.build import TASKS
from tests.support import bundles

NEVER_S = 1e9


class Loader:
    """Opens versions with the engine as it is."""

    def __init__(self, closing: ExitStack) -> None:
        self._closing = closing

    def __call__(self, directory: Path) -> tuple[Task, Task]:
        manifest = bundle.read(directory)
        sessions = {
            name: open_session(directory / signature.file, Placement("cpu", 1))
            for name, signature in manifest.signatures.items()
        }
        runners = {
            name: Batcher(session, manifest.signatures[name], BatchLimits())
            for name, session in sessions.items()
        }
        generator = None
        if isinstance(manifest.task, bundle.Generate | bundle.Translate):
            step = manifest.task.step
            generator = Generator(
                sessions[step.signature],
                step,
                manifest.signatures[step.signature],
                GenerationLimits(slots=8),
                end_id=manifest.task.end_id,
            )
            self._closing.callback(generator.close)
        for runner in runners.values():
            self._closing.callback(runner.close)
        return build_task(manifest, runners, generator, directory), build_predict(manifest, runners)


@pytest.fixture
def load() -> Iterator[Loader]:
    with ExitStack() as closing:
        yield Loader(closing)


def test_every_word_has_a_class_of_its_own() -> None:
    assert set(TASKS) == set(get_args(Word))
    assert len(set(TASKS.values())) == len(TASKS)


async def test_classify(load: Loader, tmp_path: Path) -> None:
    task, predict = load(bundles.write_classifier(tmp_path))
    answer = await task.run(ClassifyRequest(pixels=[[0, 0, 255, 255]] * 4), NEVER_S)
    assert answer.labels[0].label == "right"
    image = [[[[0.0], [0.0], [1.0], [1.0]]] * 4]
    raw = await predict.run(PredictRequest({"image": image}), NEVER_S)
    assert raw.outputs["probabilities"][0].max() == pytest.approx(answer.labels[0].probability)


async def test_classify_a_text(load: Loader, tmp_path: Path) -> None:
    task, _ = load(bundles.write_text_classifier(tmp_path))
    answers = await asyncio.gather(
        *(task.run(ClassifyRequest(text=text), NEVER_S) for text in ("the cat", "le chat dort et"))
    )
    assert [answer.labels[0].label for answer in answers] == ["english", "french"]


async def test_generate_many_at_once_each_as_if_alone(load: Loader, tmp_path: Path) -> None:
    task, _ = load(bundles.write_generator(tmp_path))
    prompts = ["a", "hello there", "x" * 64, "the quick brown fox.", "\n"] * 3
    answers = await asyncio.gather(
        *(
            task.run(GenerateRequest(prompt, 10 + index, Sampling(temperature=0.0)), NEVER_S)
            for index, prompt in enumerate(prompts)
        )
    )
    assert [answer.text for answer in answers] == [
        bundles.generated(prompt, 10 + index) for index, prompt in enumerate(prompts)
    ]


async def test_generate_answers_by_an_encoder(load: Loader, tmp_path: Path) -> None:
    task, predict = load(bundles.write_answerer(tmp_path))
    prompts = ("the big cat sees the dog", "a man", "the dog sleeps and the cat") * 3
    answers = await asyncio.gather(
        *(
            task.run(GenerateRequest(prompt, sampling=Sampling(temperature=0.0)), NEVER_S)
            for prompt in prompts
        )
    )
    assert [answer.text for answer in answers] == [bundles.translated(prompt) for prompt in prompts]
    raw = await predict.run(PredictRequest({"source": [[4, 5, 3]]}, signature="encode"), NEVER_S)
    assert raw.outputs["source_mask"].tolist() == [[1.0, 1.0, 1.0]]


@pytest.mark.parametrize("beams", [1, 3])
async def test_translate(load: Loader, tmp_path: Path, beams: int) -> None:
    task, _ = load(bundles.write_translator(tmp_path))
    texts = ("the big cat sees the dog", "a man", "the dog sleeps and the cat not")
    answer = await task.run(TranslateRequest(texts, beams=beams), NEVER_S)
    assert [each.text for each in answer.translations] == [bundles.translated(text) for text in texts]


async def test_score(load: Loader, tmp_path: Path) -> None:
    task, _ = load(bundles.write_scorer(tmp_path))
    rows: tuple[Any, ...] = ([1, 2, 3], {"length": 9, "width": 2, "height": 3})
    answer = await task.run(ScoreRequest(rows), NEVER_S)
    assert [(row.is_anomaly, row.contributions[0].feature) for row in answer.rows] == [
        (False, "length"),
        (True, "length"),
    ]
    assert answer.rows[1].contributions[0].share == 1.0


async def test_predict_with_several_dtypes_and_strings(load: Loader, tmp_path: Path) -> None:
    task, _ = load(bundles.write_mixed(tmp_path))
    inputs = {"count": [[1, -2]], "flag": [[True, False]], "half": [[0.5, 2]]}
    answer = await task.run(PredictRequest(inputs), NEVER_S)
    assert {name: array.tolist() for name, array in answer.outputs.items()} == {
        "doubled": [[2, -4]],
        "inverted": [[False, True]],
        "halves": [[1.0, 4.0]],
    }
    echo = await task.run(PredictRequest({"words": ["ü", ""]}, signature="echo"), NEVER_S)
    assert echo.outputs["same"].tolist() == ["ü", ""]
