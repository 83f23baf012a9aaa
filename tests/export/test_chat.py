"""A chat model as a bundle: its two graphs, driven by the manifest alone, reply as the job does."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from tokenizers import Tokenizer

from export import chat, generate
from export.build import Target, build
from export.errors import RunError
from export.recipe import Source
from service import bundle
from service.bundle import Generate


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory, source: Source) -> Source:
    """A run of `chat-gru` with random weights."""
    from training.generate import chat_gru
    from training.generate.chat_gru import JOB, ChatSettings

    settings = ChatSettings.model_validate({"profile": "smoke", **chat_gru.PROFILES["smoke"]})
    assets = tmp_path_factory.mktemp("talk")
    JOB.save_assets(settings, JOB.load(settings), assets)
    return replace(source, word="generate", model=JOB.build(settings, assets), assets=assets)


@pytest.mark.slow
def test_questions_are_answered_from_the_manifest_alone(untrained: Source, tmp_path: Path) -> None:
    """Two questions of different length share a batch, and get what the job's own decoder says to each alone."""
    from training.generate import gru

    directory = build(untrained, generate.describe(untrained), Target(tmp_path, "chat-gru"))
    manifest = bundle.read(directory)
    assert isinstance(manifest.task, Generate)
    assert manifest.task.encoder is not None
    assert max(one.max_relative for one in manifest.parity.values()) < 1e-5
    assert manifest.parity[manifest.task.encoder.signature].ragged
    tokenizer = Tokenizer.from_file(str(directory / manifest.task.encoder.tokenizer.file))
    sources = [
        [*tokenizer.encode(text).ids, manifest.task.encoder.end_id]
        for text in ("Hello!", "What is two plus three?")
    ]
    expected = gru.replies(untrained.model, sources, limit=8)
    for row, truth in zip(_greedy(directory, manifest.task, sources, 8), expected, strict=True):
        assert row[: len(truth)] == truth


def _greedy(directory: Path, task: Generate, sources: list[list[int]], limit: int) -> list[list[int]]:
    manifest = bundle.read(directory)
    assert task.encoder is not None
    encode, step = (
        onnxruntime.InferenceSession(directory / manifest.signatures[name].file)
        for name in (task.encoder.signature, task.step.signature)
    )
    source = np.zeros((len(sources), max(map(len, sources))), np.int32)
    for index, row in enumerate(sources):
        source[index, : len(row)] = row
    context = dict(
        zip(task.step.context, encode.run(list(task.step.context), {"source": source}), strict=True)
    )
    (entry,) = task.step.state
    state = np.full((len(sources), context["thought"].shape[1]), 5, np.float32)  # not read at position 0
    ids, rows = np.full((len(sources), 1), task.start_id, np.int32), []
    for position in range(limit):
        feeds = {"ids": ids, "positions": np.full_like(ids, position), entry.input: state, **context}
        logits, state = step.run([task.step.logits, entry.output], feeds)
        ids = logits.argmax(axis=1).astype(np.int32)[:, None]
        rows.append(ids[:, 0])
    return np.stack(rows, axis=1).tolist()


def test_a_tokenizer_that_does_not_fit_the_model_is_refused(untrained: Source, tmp_path: Path) -> None:
    for name in (chat.QUESTIONS, chat.REPLIES):
        (tmp_path / name).write_bytes((untrained.assets / name).read_bytes())
    (tmp_path / chat.REPLIES).write_text("{}", encoding="utf-8")
    with pytest.raises(RunError, match=r"replies\.json of the run cannot be read"):
        generate.describe(replace(untrained, assets=tmp_path))
    larger = Tokenizer.from_file(str(untrained.assets / chat.REPLIES))
    larger.add_tokens(["extra"])
    larger.save(str(tmp_path / chat.REPLIES))
    with pytest.raises(RunError, match="entries, the model has"):
        generate.describe(replace(untrained, assets=tmp_path))
