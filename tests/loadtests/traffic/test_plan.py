"""What a model is asked: its own data, on every wire that can carry them, with the right answers where known."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loadtests.traffic import catalogue, plan, samples
from loadtests.traffic.catalogue import Model
from loadtests.traffic.plan import Materials
from loadtests.traffic.questions import Question
from loadtests.traffic.samples import Bundle
from pb import tasks_pb2
from service import bundle
from service.domain import ModelId
from service.protocols.tasks.details import DetailReply
from tests.support import bundles

MATERIALS = Materials({"generate": ["ab"], "words": ["the cat"], "classify": ["a text"]}, [b"a picture"])
TENSORS = {"predict-rest", "predict-grpc", "tfserving-rest", "tfserving-grpc", "oip-binary", "oip-grpc"}


def model_of(version: Path) -> Model:
    """Return the model as the gateway tells of the version in a directory."""
    found = ModelId(version.parent.name, int(version.name))
    return Model.of(DetailReply.of(found, bundle.read(version)).model_dump(mode="json"))


def asked(version: Path, *, at_hand: bool = True, materials: Materials = MATERIALS) -> list[Question]:
    model = model_of(version)
    known = samples.read_bundle(version.parents[1], model) if at_hand else Bundle()
    return plan.questions(model, known, materials)


@pytest.mark.parametrize(
    ("write", "own"),
    [
        (bundles.write_classifier, {"tasks-rest": 4, "tasks-grpc": 4}),
        (bundles.write_scorer, {"tasks-rest": 2, "tasks-grpc": 2}),
        (bundles.write_multiply, {}),
        (bundles.write_translator, {"tasks-rest": 1, "tasks-grpc": 1}),
        (
            bundles.write_generator,
            dict.fromkeys(
                [
                    "tasks-rest",
                    "tasks-rest-stream",
                    "tasks-grpc",
                    "tasks-grpc-stream",
                    "openai",
                    "openai-stream",
                    "oip-text",
                    "oip-text-stream",
                ],
                1,
            ),
        ),
    ],
)
def test_every_wire_has_its_questions(tmp_path: Path, write: Any, own: dict[str, int]) -> None:
    version = write(tmp_path)
    counts = Counter(question.wire for question in asked(version))
    assert {wire: count for wire, count in counts.items() if wire not in TENSORS} == own
    assert counts.keys() >= TENSORS
    for question in asked(version):
        assert question.labels == {question.word, question.model, question.wire, question.transport}
        assert question.name == f"{question.word} {question.model} {question.wire}"
        assert question.transport == ("grpc" if "grpc" in question.wire else "rest")
        assert question.message.address.startswith("/")


def test_recorded_answers_come_row_by_row_with_the_tolerance_of_the_manifest(tmp_path: Path) -> None:
    found = [each for each in asked(bundles.write_multiply(tmp_path)) if each.wire == "predict-rest"]
    assert len(found) == 2
    for number, question in enumerate(found):
        assert question.recorded is not None
        row = np.arange(8, dtype=np.float32).reshape(2, 4)[number : number + 1]
        assert json.loads(question.message.body)["inputs"]["x"] == row.tolist()
        assert np.array_equal(question.recorded["y"], row * 2)
        assert question.tolerance == 1e-3


def test_a_score_is_asked_with_golden_rows_and_with_examples_of_the_same_features(tmp_path: Path) -> None:
    row = dict.fromkeys(bundles.FEATURES, 1.5)
    materials = Materials(rows=[row, {"another": 1.0}])
    found = [
        each
        for each in asked(bundles.write_scorer(tmp_path), materials=materials)
        if each.wire == "tasks-rest"
    ]
    assert [each.recorded is None for each in found] == [False, False, True]
    assert found[0].recorded is not None
    assert found[0].recorded.keys() == {"score", "is_anomaly", "threshold"}
    assert json.loads(found[2].message.body)["rows"] == [[1.5, 1.5, 1.5]]


def test_without_the_bundle_numbers_are_drawn_the_same_each_time_and_nothing_is_recorded(
    tmp_path: Path,
) -> None:
    for write in (bundles.write_classifier, bundles.write_scorer, bundles.write_multiply):
        version = write(tmp_path)
        first, second = (asked(version, at_hand=False) for _ in range(2))
        assert [each.message for each in first] == [each.message for each in second]
        assert {each.wire for each in first} >= TENSORS
        assert all(each.recorded is None for each in first)
    assert samples.drawn(model_of(bundles.write_generator(tmp_path))) is None


def test_texts_of_a_model_go_before_those_of_its_word_and_are_one_key_on_every_wire(tmp_path: Path) -> None:
    found = [each for each in asked(bundles.write_translator(tmp_path)) if each.wire.startswith("tasks")]
    assert {each.key for each in found} == {"words translate the cat"}
    request = tasks_pb2.TranslateRequest.FromString(found[1].message.body)
    assert list(request.texts) == ["the cat"]
    assert not [
        each for each in asked(tmp_path / "words/1", materials=Materials()) if each.wire == "tasks-rest"
    ]


def test_rows_of_features_and_texts_are_classified_in_their_own_form(tmp_path: Path) -> None:
    features = asked(bundles.write_feature_classifier(tmp_path))
    bodies = [json.loads(each.message.body) for each in features if each.wire == "tasks-rest"]
    assert bodies
    assert all(len(body["features"]) == 4 for body in bodies)
    texts = [each for each in asked(bundles.write_text_classifier(tmp_path)) if each.wire == "tasks-rest"]
    assert [json.loads(each.message.body)["text"] for each in texts] == ["a text"]


def test_a_manifest_without_its_golden_file_is_an_error(tmp_path: Path) -> None:
    version = bundles.write_multiply(tmp_path)
    (version / "assets.extra/golden-multiply.npz").unlink()
    with pytest.raises(OSError, match="golden"):
        asked(version)


def test_only_models_with_a_version_that_answers_are_available() -> None:
    listing = {
        "data": [
            {"id": "a", "versions": [{"state": "failed"}, {"state": "available"}]},
            {"id": "b", "versions": [{"state": "loading"}]},
        ]
    }
    assert catalogue.available(listing) == ["a"]
