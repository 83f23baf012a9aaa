"""The rest of the collection: each job's smoke profile is trained, exported, served, and asked through every signature."""

import base64
import io
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tokenizers import Tokenizer
from typer.testing import CliRunner

from pb import tasks_pb2 as pb
from pb.tasks_pb2_grpc import InferenceStub
from service import bundle
from service.protocols.tasks import tensors
from tests.e2e.conftest import MODELS, Server
from training.jobs import JOBS

pytestmark = pytest.mark.slow

OTHERS = sorted(set(JOBS) - set(MODELS))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train and export them all in this process: TensorFlow is imported once."""
    from export.__main__ import cli as export
    from training.__main__ import cli as train

    home = tmp_path_factory.mktemp("collection")
    runner = CliRunner()
    for job in OTHERS:
        with redirect_stdout(io.StringIO()):
            trained = runner.invoke(
                train, [job, "--profile", "smoke", "--run", "one", "--runs", str(home / "runs")]
            )
            assert trained.exit_code == 0, trained.output
            run = home / "runs" / job / "one"
            exported = runner.invoke(export, [str(run), "--models", str(home / "models")])
        assert exported.exit_code == 0, exported.output
    return home / "models"


@pytest.fixture(scope="module")
def collection(models: Path) -> Iterator[Server]:
    with Server(models) as server:
        for job in OTHERS:
            server.wait_until_available(job)
        yield server


@pytest.mark.parametrize("job", OTHERS)
def test_each_signature_answers_over_the_wire_what_its_saved_model_did(
    collection: Server, models: Path, job: str
) -> None:
    manifest = bundle.read(models / job / "1")
    assert {golden.signature for golden in manifest.golden} == set(manifest.signatures)
    for golden in manifest.golden:
        with np.load(models / job / "1" / golden.file) as arrays:
            inputs = {name[3:]: arrays[name] for name in arrays.files if name.startswith("in.")}
            expected = {name[4:]: arrays[name] for name in arrays.files if name.startswith("out.")}
        body = {name: value.tolist() for name, value in inputs.items()}
        answer = collection.post("predict", {"model": job, "signature": golden.signature, "inputs": body})
        assert answer.status_code == 200, answer.text
        outputs = answer.json()["outputs"]
        assert outputs.keys() == expected.keys()
        for name, value in expected.items():
            if value.dtype.kind == "U":
                assert outputs[name] == value.tolist()
            else:
                np.testing.assert_allclose(np.array(outputs[name], value.dtype), value, rtol=1e-3, atol=1e-3)


def test_a_classifier_of_named_features_takes_them_by_name(collection: Server, models: Path) -> None:
    task = bundle.read(models / "wine-ensemble" / "1").task
    assert isinstance(task, bundle.Classify)
    assert isinstance(task.accepts, bundle.FeatureInput)
    features = dict.fromkeys(task.accepts.names, 1.0)
    answer = collection.post("classify", {"model": "wine-ensemble", "features": features}).json()
    assert [label["label"] for label in answer["labels"]] != []
    assert sum(label["probability"] for label in answer["labels"]) == pytest.approx(1.0, abs=1e-4)


def test_a_picture_in_colour_gets_a_label_by_file_and_by_pixels(collection: Server, models: Path) -> None:
    with np.load(models / "objects-cnn" / "1" / "assets.extra" / "golden-classify.npz") as golden:
        levels = np.rint(golden["in.image"][0] * 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "PNG")
    said = [
        collection.post("classify", {"model": "objects-cnn", "top_k": 10, **given}).json()["labels"]
        for given in ({"pixels": levels.tolist()}, {"image": base64.b64encode(file.getvalue()).decode()})
    ]
    assert said[0] == said[1]
    assert sum(each["probability"] for each in said[0]) == pytest.approx(1.0, abs=1e-4)
    assert {each["label"] for each in said[0]} >= {"boat", "house", "ring"}


def test_a_picture_and_numbers_are_asked_over_grpc_and_each_has_a_part_in_both_answers(
    collection: Server, models: Path
) -> None:
    with np.load(models / "images-metadata" / "1" / "assets.extra" / "golden-classify.npz") as golden:
        given = {name: golden[f"in.{name}"] for name in ("image", "numbers")}
        expected = {name: golden[f"out.{name}"] for name in ("probabilities", "score")}
    stub = InferenceStub(collection.channel)

    def ask(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        encoded = {name: tensors.encode(value) for name, value in inputs.items()}
        request = pb.PredictRequest(model=pb.ModelRef(name="images-metadata"), inputs=encoded)
        return {
            name: np.asarray(tensors.decode(each, name))
            for name, each in stub.Predict(request).outputs.items()
        }

    whole = ask(given)
    for name, value in expected.items():
        np.testing.assert_allclose(whole[name], value, rtol=1e-3, atol=1e-3)
    for name, value in given.items():
        changed = ask({**given, name: np.roll(value, 1, axis=0)})
        assert all(not np.array_equal(changed[each], whole[each]) for each in expected)
    lacking = collection.post(
        "predict", {"model": "images-metadata", "inputs": {"image": given["image"].tolist()}}
    )
    assert (lacking.status_code, lacking.json()["error"]["field"]) == (400, "inputs.numbers")


def test_the_ensemble_s_votes_are_shares_of_its_members(collection: Server, models: Path) -> None:
    rows = np.load(models / "wine-ensemble" / "1" / "assets.extra" / "golden-members.npz")["in.features"]
    said = {
        name: np.array(
            collection.post(
                "predict",
                {"model": "wine-ensemble", "signature": name, "inputs": {"features": rows.tolist()}},
            ).json()["outputs"]["probabilities"]
        )
        for name in ("members", "average", "vote")
    }
    np.testing.assert_allclose(said["members"].mean(axis=1), said["average"], atol=1e-6)
    firsts = np.eye(said["members"].shape[2])[said["members"].argmax(axis=2)]
    np.testing.assert_allclose(firsts.mean(axis=1), said["vote"], atol=1e-6)


@pytest.mark.parametrize("job", ["reviews-bilstm", "reviews-attention"])
def test_a_text_gets_its_sentiment_and_raw_ids_the_same_one(
    collection: Server, models: Path, job: str
) -> None:
    """The words of a text that is longer than the model sees are those at its end, and padding is none of them."""
    text = "We saw it at home. " * 30 + "The plot was not bad at all, although the acting was dull."
    labels = collection.post("classify", {"model": job, "text": text}).json()["labels"]
    assert {each["label"] for each in labels} == {"negative", "positive"}
    task = bundle.read(models / job / "1").task
    assert isinstance(task, bundle.Classify)
    assert isinstance(task.accepts, bundle.TextInput)
    tokenizer = Tokenizer.from_file(str(models / job / "1" / task.accepts.tokenizer.file))
    ids = tokenizer.encode(text).ids[-task.accepts.max_tokens :]
    for padded in (ids, [*ids, 0, 0], [0, 0, 0, *ids]):
        answer = collection.post("predict", {"model": job, "inputs": {"ids": [padded]}}).json()["outputs"]
        told = {each["label"]: each["probability"] for each in labels}
        np.testing.assert_allclose(
            answer["probabilities"][0], [told[label] for label in task.labels], atol=1e-5
        )


def test_the_attention_of_each_word_comes_with_the_label(collection: Server) -> None:
    answer = collection.post("classify", {"model": "reviews-attention", "text": "Not bad, the PLOT!"}).json()
    assert [each["token"] for each in answer["attention"]] == ["not", "bad", ",", "the", "plot", "[UNK]"]
    assert sum(each["weight"] for each in answer["attention"]) == pytest.approx(1.0, abs=1e-4)
    empty = collection.post("classify", {"model": "reviews-bilstm", "text": "   "})
    assert (empty.status_code, empty.json()["error"]["field"]) == (400, "text")
    silent = collection.post("classify", {"model": "reviews-bilstm", "text": "Not bad."}).json()
    assert "attention" not in silent


def test_words_have_neighbours_analogies_and_openai_s_embeddings(collection: Server) -> None:
    def ask(signature: str, **inputs: object) -> dict[str, Any]:
        body = {"model": "prose-word2vec", "signature": signature, "inputs": inputs}
        answer = collection.post("predict", body)
        assert answer.status_code == 200, answer.text
        outputs: dict[str, Any] = answer.json()["outputs"]
        return outputs

    near = ask("neighbours", ids=["king", "Paris"], k=3)
    assert [len(set(row) - {"king", "paris"}) for row in near["words"]] == [3, 3]
    assert near["similarity"][0] == sorted(near["similarity"][0], reverse=True)
    assert len(ask("analogy", a=["man"], b=["king"], c=["woman"], k=1)["words"][0]) == 1
    (king, queen) = ask("lookup", ids=["king", "queen"])["vector"]
    texts = ["The king", "king queen", "king xyzzy"]
    asked = {"model": "prose-word2vec", "input": texts}
    data = collection.http.post("/v1/embeddings", json=asked).json()["data"]
    np.testing.assert_allclose(data[1]["embedding"], np.add(king, queen) / 2, atol=1e-6)
    np.testing.assert_allclose(data[2]["embedding"], king, atol=1e-6)
    ids = collection.http.post("/v1/embeddings", json={**asked, "input": [[5, 6], [5]]})
    assert ids.status_code == 200, ids.text
    unknown = {"model": "prose-word2vec", "signature": "neighbours", "inputs": {"ids": ["xyzzy"], "k": 3}}
    refused = collection.post("predict", unknown)
    assert (refused.status_code, refused.json()["error"]["field"]) == (400, "inputs.ids")
