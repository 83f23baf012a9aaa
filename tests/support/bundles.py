"""Write tiny real bundles into a models directory: graphs that ONNX Runtime runs, manifests that hold.

    write_classifier(models)                     # -> models/shapes/1
    write_multiply(models, version=2, factor=3)  # -> models/multiply/2
    write_classifier(models, version=2, fault="checksum")

Every writer returns the version directory, which appears by one rename. Beside each stands the pure-python
function that its answers equal. `python -m tests.support.bundles DIRECTORY` writes one of each.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np

from service import bundle
from service.bundle import (
    Classify,
    FeatureInput,
    Fidelity,
    ImageInput,
    Predict,
    Score,
    Tensor,
    TextInput,
    Tokenizer,
    Variant,
)
from service.domain import Array
from tests.support import graphs
from tests.support.sequences import (
    ALPHABET,
    END,
    PAD,
    START,
    UNKNOWN,
    VOCABULARY,
    WORDS,
    generated,
    next_character,
    translated,
    word_tokenizer,
    write_answerer,
    write_generator,
    write_translator,
)
from tests.support.writing import Draft, Fault, Place, workspace, write

__all__ = [
    "ALPHABET",
    "DEVIATION",
    "END",
    "FEATURES",
    "LABELS",
    "MEAN",
    "PAD",
    "START",
    "THRESHOLD",
    "UNKNOWN",
    "VOCABULARY",
    "WORDS",
    "Fault",
    "add_variant",
    "classifier_probabilities",
    "generated",
    "next_character",
    "score_of",
    "translated",
    "word_tokenizer",
    "write_all",
    "write_answerer",
    "write_bare_onnx",
    "write_classifier",
    "write_feature_classifier",
    "write_generator",
    "write_mixed",
    "write_multiply",
    "write_scorer",
    "write_text_classifier",
    "write_translator",
]

LABELS = ("dark", "left", "right")
FEATURES = ("length", "width", "height")
MEAN = np.array([1, 2, 3], np.float32)
DEVIATION = np.array([1, 2, 0.5], np.float32)
THRESHOLD = 4.0


def classifier_probabilities(image: Array) -> Array:
    """Return what `write_classifier` answers for images [rows, 4, 4, 1] in 0 to 1.

    `left` grows with the left half, `right` with the right one, and `dark` wins when there is little of both.
    """
    weights, bias = _classifier_weights()
    logits = image.reshape(len(image), 16) @ weights + bias
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    answer: Array = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return answer


def write_classifier(
    directory: Path,
    *,
    name: str = "shapes",
    version: int = 1,
    labels: tuple[str, str, str] = LABELS,
    fault: Fault | None = None,
) -> Path:
    """Write an image classifier, 4 by 4 grey pixels to three labels."""
    inputs = (Tensor(name="image", dtype="float32", shape=("batch", 4, 4, 1), range=(0, 1)),)
    outputs = (Tensor(name="probabilities", dtype="float32", shape=("batch", 3), range=(0, 1)),)
    image = np.linspace(0, 1, 48, dtype=np.float32).reshape(3, 4, 4, 1)
    task = Classify(
        signature="classify",
        input="image",
        probabilities="probabilities",
        labels=labels,
        accepts=ImageInput(height=4, width=4, channels=1, scale=1 / 255),
    )
    graph = graphs.classifier(inputs, outputs, *_classifier_weights())
    draft = Draft(
        graph, inputs, outputs, {"image": image}, {"probabilities": classifier_probabilities(image)}
    )
    return write(Place(directory, name, version, fault), task, {"classify": draft})


def write_feature_classifier(directory: Path, *, name: str = "rows", version: int = 1) -> Path:
    """Write a classifier of rows of four named numbers; the largest of the first three decides."""
    inputs = (Tensor(name="row", dtype="float32", shape=("batch", 4)),)
    outputs = (Tensor(name="probabilities", dtype="float32", shape=("batch", 3)),)
    weights = np.eye(4, 3, dtype=np.float32)
    task = Classify(
        signature="classify",
        input="row",
        probabilities="probabilities",
        labels=("first", "second", "third"),
        accepts=FeatureInput(names=("first", "second", "third", "fourth")),
    )
    draft = Draft(graphs.classifier(inputs, outputs, weights, np.zeros(3, np.float32)), inputs, outputs)
    return write(Place(directory, name, version), task, {"classify": draft})


def write_text_classifier(directory: Path, *, name: str = "languages", version: int = 1) -> Path:
    """Write a classifier of texts: are most of its words of the first or of the second language?"""
    inputs = (
        Tensor(
            name="ids",
            dtype="int32",
            shape=("batch", "time"),
            kind="token_ids",
            range=(0, len(VOCABULARY)),
            pad=PAD,
        ),
    )
    outputs = (Tensor(name="probabilities", dtype="float32", shape=("batch", 2)),)
    votes = np.zeros((len(VOCABULARY), 2), np.float32)
    votes[4 : 4 + len(WORDS), 0] = 1
    votes[4 + len(WORDS) :, 1] = 1
    nodes = [
        graphs.node("Gather", "votes ids", "each"),
        graphs.node("ReduceSum", "each axis", "logits", keepdims=0),
        graphs.node("Softmax", "logits", "probabilities", axis=1),
    ]
    graph = graphs.model(nodes, inputs, outputs, {"votes": votes, "axis": np.array([1], np.int64)})
    tokenizer = Tokenizer(kind="tokenizers", file=f"{bundle.ASSETS}/tokenizer.json", unknown_id=UNKNOWN)
    task = Classify(
        signature="classify",
        input="ids",
        probabilities="probabilities",
        labels=("english", "french"),
        accepts=TextInput(tokenizer=tokenizer, max_tokens=8),
    )
    assets = {"tokenizer.json": word_tokenizer().to_str().encode()}
    return write(Place(directory, name, version), task, {"classify": Draft(graph, inputs, outputs)}, assets)


def score_of(rows: Array) -> Array:
    """Return what `write_scorer` scores rows [rows, 3]: the mean squared standardised feature."""
    answer: Array = np.square((rows - MEAN) / DEVIATION).mean(axis=1).astype(np.float32)
    return answer


def write_scorer(
    directory: Path, *, name: str = "boxes", version: int = 1, fault: Fault | None = None
) -> Path:
    """Write an anomaly detector of three features; beyond a score of `THRESHOLD` a row is an anomaly."""
    rows, wide = ("batch",), ("batch", 3)
    inputs = (Tensor(name="features", dtype="float32", shape=wide),)
    outputs = (
        Tensor(name="score", dtype="float32", shape=rows),
        Tensor(name="is_anomaly", dtype="bool", shape=rows),
        Tensor(name="threshold", dtype="float32", shape=rows),
        Tensor(name="contributions", dtype="float32", shape=wide),
    )
    task = Score(
        signature="score",
        input="features",
        features=FEATURES,
        score="score",
        is_anomaly="is_anomaly",
        threshold="threshold",
        contributions="contributions",
    )
    request = np.array([[1, 2, 3], [9, 2, 3]], np.float32)
    answer = {
        "score": score_of(request),
        "is_anomaly": score_of(request) > THRESHOLD,
        "threshold": np.full(2, THRESHOLD, np.float32),
        "contributions": np.square((request - MEAN) / DEVIATION),
    }
    graph = graphs.scorer(inputs, outputs, MEAN, DEVIATION, THRESHOLD)
    draft = Draft(graph, inputs, outputs, {"features": request}, answer)
    return write(Place(directory, name, version, fault), task, {"score": draft})


def write_multiply(  # noqa: PLR0913  # each is one figure of the manifest or the graph
    directory: Path,
    *,
    name: str = "multiply",
    version: int = 1,
    factor: float = 2.0,
    width: int = 4,
    max_rows: int = 64,
    fault: Fault | None = None,
) -> Path:
    """Write x [batch, width] -> y = x * factor, served as predict."""
    inputs = (Tensor(name="x", dtype="float32", shape=("batch", width)),)
    outputs = (Tensor(name="y", dtype="float32", shape=("batch", width)),)
    x = np.arange(2 * width, dtype=np.float32).reshape(2, width)
    draft = Draft(
        graphs.multiply(inputs, outputs, factor), inputs, outputs, {"x": x}, {"y": x * np.float32(factor)}
    )
    return write(Place(directory, name, version, fault, max_rows), Predict(), {"multiply": draft})


def add_variant(version: Path, name: str, graph: Path, *, signature: str, tolerance: float) -> None:
    """Give a signature a variant whose graph is a copy of `graph`."""
    manifest = bundle.read(version)
    base = manifest.signatures[signature]
    file = base.file.replace(".onnx", f".{name}.onnx")
    shutil.copyfile(graph, version / file)
    variant = Variant(
        file=file, size_bytes=1, size_ratio=0.3, latency_ratio=0.5, tolerance=tolerance,
        fidelity=Fidelity(rows=32, agreement=1.0, max_relative=tolerance / 2),
    )  # fmt: skip
    changed = base.model_copy(update={"variants": {**base.variants, name: variant}})
    changes = {
        "signatures": {**manifest.signatures, signature: changed},
        "files": bundle.describe_files(version),
    }
    (version / bundle.MANIFEST).write_text(manifest.model_copy(update=changes).model_dump_json())


def write_mixed(directory: Path, *, name: str = "mixed", version: int = 1) -> Path:
    """Write a model of several inputs and outputs in two signatures.

    `default`: count int64 -> doubled, flag bool -> inverted, half float16 -> halves doubled, each
    [batch, 2]; `echo`: words string [batch] -> same.
    """
    wide = ("batch", 2)
    inputs = (
        Tensor(name="count", dtype="int64", shape=wide),
        Tensor(name="flag", dtype="bool", shape=wide),
        Tensor(name="half", dtype="float16", shape=wide),
    )
    outputs = (
        Tensor(name="doubled", dtype="int64", shape=wide),
        Tensor(name="inverted", dtype="bool", shape=wide),
        Tensor(name="halves", dtype="float16", shape=wide),
    )
    nodes = [
        graphs.node("Add", "count count", "doubled"),
        graphs.node("Not", "flag", "inverted"),
        graphs.node("Add", "half half", "halves"),
    ]
    request = {
        "count": np.array([[1, -2]], np.int64),
        "flag": np.array([[True, False]]),
        "half": np.array([[0.5, 2]], np.float16),
    }
    answer = {
        "doubled": request["count"] * 2,
        "inverted": ~request["flag"],
        "halves": request["half"] + request["half"],
    }
    words = (Tensor(name="words", dtype="string", shape=("batch",)),)
    same = (Tensor(name="same", dtype="string", shape=("batch",)),)
    drafts = {
        "default": Draft(graphs.model(nodes, inputs, outputs, {}), inputs, outputs, request, answer),
        "echo": Draft(graphs.model([graphs.node("Identity", "words", "same")], words, same, {}), words, same),
    }
    return write(Place(directory, name, version), Predict(), drafts)


def write_bare_onnx(directory: Path, *, name: str = "bare", version: int = 1, factor: float = 2.0) -> Path:
    """Write a version of nothing but `model.onnx`: x [batch, 4] -> y = x * factor."""
    inputs = (Tensor(name="x", dtype="float32", shape=("batch", 4)),)
    outputs = (Tensor(name="y", dtype="float32", shape=("batch", 4)),)
    work = workspace(directory / name)
    (work / bundle.DEFAULT_GRAPH).write_bytes(graphs.multiply(inputs, outputs, factor).SerializeToString())
    return work.rename(directory / name / str(version))


def write_all(directory: Path) -> None:
    """Write one version of each kind, without faults."""
    for writer in (
        write_classifier, write_feature_classifier, write_text_classifier, write_generator, write_translator,
        write_scorer, write_multiply, write_mixed, write_bare_onnx,
    ):  # fmt: skip
        writer(directory)


def _classifier_weights() -> tuple[Array, Array]:
    left = np.tile(np.array([1, 1, 0, 0], np.float32), 4)
    return np.stack([np.zeros(16, np.float32), left, 1 - left], axis=1), np.array([2, 0, 0], np.float32)


if __name__ == "__main__":
    write_all(Path(sys.argv[1]))
