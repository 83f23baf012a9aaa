"""Words as vectors in a bundle: what the graphs find is what is worked out from the table."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from export import word2vec
from export.build import Target, build
from export.recipe import Source
from export.verify import verify
from service import bundle
from service.bundle import Predict

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Published:
    """A bundle, and the vectors and words that it was made from."""

    directory: Path
    table: np.ndarray
    spelling: tuple[str, ...]

    def ask(self, signature: str, **feeds: Any) -> dict[str, Any]:
        file = bundle.read(self.directory).signatures[signature].file
        session = onnxruntime.InferenceSession(self.directory / file)
        names = [output.name for output in session.get_outputs()]
        given = {key: np.array(value, np.int32) for key, value in feeds.items()}
        return dict(zip(names, session.run(names, given), strict=True))


@pytest.fixture(scope="module")
def published(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Published:
    """A bundle of random vectors."""
    from training.predict.prose_word2vec import JOB, PROFILES, Word2vecSettings
    from training.quiet import import_tensorflow
    from training.words import words_of

    import_tensorflow()
    settings = Word2vecSettings.model_validate({"profile": "smoke", **PROFILES["smoke"]})
    assets, models = tmp_path_factory.mktemp("assets"), tmp_path_factory.mktemp("models")
    data = JOB.load(settings)
    JOB.save_assets(settings, data, assets)
    model = JOB.build(settings, assets)
    run = replace(source, job=JOB.name, word=JOB.word, model=model, assets=assets)
    directory = build(run, word2vec.describe(run), Target(models, JOB.name))
    table = np.asarray(model.get_layer("words").embeddings, np.float64)
    return Published(directory, table, words_of(data.tokenizer))


def test_every_signature_has_parity_and_the_bundle_reads_words(published: Published) -> None:
    manifest = bundle.read(published.directory)
    assert isinstance(manifest.task, Predict)
    assert manifest.task.tokenizer is not None
    assert manifest.parity.keys() == {"lookup", "embed", "neighbours", "analogy"}
    assert max(each.max_relative for each in manifest.parity.values()) < 1e-5
    assert manifest.parity["embed"].ragged
    assert [check.detail for check in verify(published.directory) if not check.passed] == []


def test_neighbours_are_the_nearest_with_their_spelling_and_cosine(published: Published) -> None:
    from training.predict import neighbours

    unit = neighbours.normed(published.table)
    near = published.ask("neighbours", ids=[5, 9], k=4)
    for row, word in enumerate((5, 9)):
        expected = neighbours.nearest(published.table, unit[word], [*range(word2vec.MARKS), word], 4)
        assert near["found"][row].tolist() == expected
        assert near["words"][row].tolist() == [published.spelling[each] for each in expected]
        np.testing.assert_allclose(near["similarity"][row], unit[expected] @ unit[word], atol=1e-6)


def test_an_analogy_is_completed_by_none_of_its_three(published: Published) -> None:
    from training.predict import neighbours

    unit = neighbours.normed(published.table)
    step = published.ask("analogy", a=[5], b=[7], c=[9], k=2)
    without = [*range(word2vec.MARKS), 5, 7, 9]
    expected = neighbours.nearest(published.table, unit[7] - unit[5] + unit[9], without, 2)
    assert step["found"][0].tolist() == expected


def test_a_text_is_the_mean_of_the_words_that_are_known(published: Published) -> None:
    five, seven = published.ask("lookup", ids=[5, 7])["vector"]
    np.testing.assert_allclose(five, published.table[5], atol=1e-6)
    mean = published.ask("embed", ids=[[5, 7, 0], [1, 7, 0], [1, 0, 0]])["embedding"]
    np.testing.assert_allclose(mean, [(five + seven) / 2, seven, np.zeros_like(seven)], atol=1e-6)
