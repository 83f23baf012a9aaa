"""A Transformer as a bundle: its two graphs, driven by the manifest alone, translate as the job does."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from tokenizers import Tokenizer

from export import translate
from export.build import Target, build
from export.errors import RunError
from export.recipe import Source
from service import bundle
from service.bundle import Translate


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory, source: Source) -> Source:
    """A run of `english-french` with random weights."""
    from training.translate import english_french
    from training.translate.english_french import JOB, TranslateSettings

    settings = TranslateSettings.model_validate({"profile": "smoke", **english_french.PROFILES["smoke"]})
    assets = tmp_path_factory.mktemp("pairs")
    JOB.save_assets(settings, JOB.load(settings), assets)
    return replace(source, word="translate", model=JOB.build(settings, assets), assets=assets)


@pytest.mark.slow
def test_sentences_are_translated_from_the_manifest_alone(untrained: Source, tmp_path: Path) -> None:
    """Two sources of different length share a batch, and get what the job's own decoder says to each alone."""
    from training.translate import decoding

    directory = build(untrained, translate.describe(untrained), Target(tmp_path, "english-french"))
    manifest = bundle.read(directory)
    task = manifest.task
    assert isinstance(task, Translate)
    assert max(one.max_relative for one in manifest.parity.values()) < 1e-5
    assert all(one.ragged for one in manifest.parity.values())
    tokenizer = Tokenizer.from_file(str(directory / task.source_tokenizer.file))
    sources = [[*tokenizer.encode(text).ids, task.end_id] for text in ("The dog sleeps.", "We see them.")]
    expected = decoding.greedy(untrained.model, sources, limit=8)
    found = [[token for token in row if token != task.end_id] for row in _greedy(directory, sources, 8)]
    for row, truth in zip(found, expected, strict=True):
        assert row[: len(truth)] == truth


def _greedy(directory: Path, sources: list[list[int]], limit: int) -> list[list[int]]:
    manifest = bundle.read(directory)
    task = manifest.task
    assert isinstance(task, Translate)
    encode, step = (
        onnxruntime.InferenceSession(directory / manifest.signatures[name].file)
        for name in (task.encode, task.step.signature)
    )
    source = np.full((len(sources), max(map(len, sources))), task.pad_id, np.int32)
    for index, row in enumerate(sources):
        source[index, : len(row)] = row
    encoded = dict(
        zip([o.name for o in encode.get_outputs()], encode.run(None, {task.source: source}), strict=True)
    )
    context = {name: encoded[name] for name in task.step.context}
    shapes = {e.input: manifest.signatures[task.step.signature].input(e.input).shape for e in task.step.state}
    state = {
        name: np.zeros((len(sources), int(shape[1]), 0, int(shape[3])), np.float32)
        for name, shape in shapes.items()
    }
    tokens = [[task.start_id] for _ in sources]
    for age in range(limit):
        feeds = {
            task.step.tokens: np.array([[row[-1]] for row in tokens], np.int32),
            str(task.step.positions): np.full((len(sources), 1), age, np.int32),
            str(task.step.past_mask): np.ones((len(sources), age), np.float32),
        }
        answer = dict(
            zip([o.name for o in step.get_outputs()], step.run(None, feeds | state | context), strict=True)
        )
        for entry in task.step.state:
            state[entry.input] = np.concatenate([state[entry.input], answer[entry.output]], axis=entry.axis)
        for row, best in zip(tokens, answer[task.step.logits].argmax(axis=1), strict=True):
            row.append(int(best))
    return [row[1:] for row in tokens]


def test_a_tokenizer_that_does_not_fit_the_model_is_refused(untrained: Source, tmp_path: Path) -> None:
    for name in translate.TOKENIZERS:
        (tmp_path / name).write_bytes((untrained.assets / name).read_bytes())
    (tmp_path / "target.json").write_text("{}", encoding="utf-8")
    with pytest.raises(RunError, match=r"target\.json of the run cannot be read"):
        translate.describe(replace(untrained, assets=tmp_path))
    larger = Tokenizer.from_file(str(untrained.assets / "target.json"))
    larger.add_tokens(["extra"])
    larger.save(str(tmp_path / "target.json"))
    with pytest.raises(RunError, match="entries, the model has"):
        translate.describe(replace(untrained, assets=tmp_path))
