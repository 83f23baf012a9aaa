"""A character LSTM as a bundle: written, compared and readable by a program that knows only the manifest."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from export import generate
from export.build import Target, build
from export.errors import RunError
from export.recipe import Source
from service import bundle
from service.bundle import Generate


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory, source: Source) -> Source:
    """A run of `prose-lstm` with random weights."""
    from training.generate import prose_lstm
    from training.generate.prose_lstm import JOB, ProseSettings

    settings = ProseSettings.model_validate({"profile": "smoke", **prose_lstm.PROFILES["smoke"]})
    assets = tmp_path_factory.mktemp("prose")
    JOB.save_assets(settings, JOB.load(settings), assets)
    return replace(source, word="generate", model=JOB.build(settings, assets), assets=assets)


@pytest.mark.slow
def test_a_prompt_is_continued_from_the_manifest_alone(untrained: Source, tmp_path: Path) -> None:
    """Export passes its gate; then a prompt in two parts answers as it does in one."""
    directory = build(untrained, generate.describe(untrained), Target(tmp_path, "prose"))
    manifest = bundle.read(directory)
    task = manifest.task
    assert isinstance(task, Generate)
    assert manifest.parity[task.step.signature].max_relative < 1e-5
    characters = json.loads((directory / task.tokenizer.file).read_text(encoding="utf-8"))
    assert len(characters) == task.vocabulary_size
    signature = manifest.signatures[task.step.signature]
    session = onnxruntime.InferenceSession(directory / signature.file)
    ids = np.array([[characters.index(character) for character in "The class"]], np.int32)
    states = {
        e.input: np.zeros((1, int(signature.input(e.input).shape[1])), np.float32) for e in task.step.state
    }

    def step(part: np.ndarray, given: dict[str, np.ndarray]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        feeds = {task.step.tokens: part, str(task.step.lengths): np.array([part.shape[1]], np.int32)} | given
        names = [output.name for output in session.get_outputs()]
        answer = dict(zip(names, session.run(names, feeds), strict=True))
        return answer[task.step.logits], {e.input: answer[e.output] for e in task.step.state}

    whole, _ = step(ids, states)
    _, between = step(ids[:, :4], states)
    parts, _ = step(ids[:, 4:], between)
    np.testing.assert_allclose(parts, whole, atol=1e-5)


def test_a_vocabulary_that_does_not_fit_the_model_is_refused(untrained: Source, tmp_path: Path) -> None:
    (tmp_path / "vocabulary.json").write_text('["a", "b"]', encoding="utf-8")
    with pytest.raises(RunError, match="expected a list of"):
        generate.describe(replace(untrained, assets=tmp_path))
    (tmp_path / "vocabulary.json").unlink()
    with pytest.raises(RunError, match="cannot be read"):
        generate.describe(replace(untrained, assets=tmp_path))
