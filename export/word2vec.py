"""Describe a run of `prose-word2vec` as a bundle: words in; vectors, near words and what completes an analogy out.

Knows the table of vectors and the words of the run, and nothing of ONNX. Similarities are worked out in 64 bits: in 32 the
order of two words that are equally near would hang on who multiplies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from export.examples import read_examples
from export.recipe import Arrays, Endpoint, Recipe, Source
from export.tracing import Named, trace
from export.vocabulary import check_tokenizer
from service.bundle import Predict, Tensor, Tokenizer

TOKENIZER = "tokenizer.json"
MARKS = 2
"""The ids below are padding and the unknown word: neither is anybody's neighbour."""
MOST = 100
"""How many neighbours may be asked for, where there are so many."""
LAST = -4.0
"""Below every cosine."""

Tensors = dict[str, Any]


def describe(source: Source) -> Recipe:
    """Return `lookup`, `embed` (the mean of a text's words), `neighbours` and `analogy`.

    Raises RunError if the tokenizer of the run is missing or does not fit the model.
    """
    import tensorflow as tf  # noqa: PLC0415  # see export.saved_model

    table = source.model.get_layer("words").embeddings
    size, width = (int(axis) for axis in table.shape)
    check_tokenizer(source, TOKENIZER, size)
    example = read_examples(source, "ids", "words")
    rows = {"ids": example["words"]}
    one, text = _words("ids", size), _words("ids", size, "time")
    count = Tensor(name="k", dtype="int32", shape=(), range=(1, min(MOST, size - MARKS - len("abc")) + 1))

    def embed(given: Named) -> Named:
        known = tf.cast(given["ids"] >= MARKS, tf.float32)[..., None]
        total = tf.reduce_sum(tf.gather(table, given["ids"]) * known, axis=1)
        return {"embedding": total / tf.maximum(tf.reduce_sum(known, axis=1), 1.0)}

    near = _Near(table, _spelling(source))
    return Recipe(
        Predict(tokenizer=Tokenizer(kind="tokenizers", file=f"assets.extra/{TOKENIZER}", unknown_id=1)),
        (
            _endpoint("lookup", (one,), lambda given: {"vector": tf.gather(table, given["ids"])},
                      (_vector("vector", width),), rows),
            _endpoint("embed", (text,), embed, (_vector("embedding", width),), {"ids": example["ids"]}),
            _endpoint("neighbours", (one, count), near.neighbours, near.outputs),
            _endpoint("analogy", (*(_words(name, size) for name in "abc"), count), near.analogy, near.outputs),
        ),
        assets={TOKENIZER: source.assets / TOKENIZER},
    )  # fmt: skip


class _Near:
    """The search for words near a vector, among all but the marks."""

    outputs = (
        Tensor(name="found", dtype="int32", shape=("batch", "k")),
        Tensor(name="words", dtype="string", shape=("batch", "k")),
        Tensor(name="similarity", dtype="float32", shape=("batch", "k"), range=(-1.0, 1.0)),
    )

    def __init__(self, table: Any, spelling: Sequence[str]) -> None:
        self._table, self._spelling = table, np.array(spelling, np.str_)

    def neighbours(self, given: Named) -> Tensors:
        """Return the `k` words nearest to each of `ids`, which is none of them."""
        import tensorflow as tf  # noqa: PLC0415

        return self._search(tf.gather(self._unit(), given["ids"]), [given["ids"]], given["k"])

    def analogy(self, given: Named) -> Tensors:
        """Return the `k` words nearest to b - a + c (Mikolov et al. 2013), none of which is one of the three."""
        import tensorflow as tf  # noqa: PLC0415

        a, b, c = (tf.gather(self._unit(), given[name]) for name in "abc")
        return self._search(_unit(b - a + c), [given[name] for name in "abc"], given["k"])

    def _unit(self) -> Any:
        import tensorflow as tf  # noqa: PLC0415

        return _unit(tf.cast(self._table, tf.float64))

    def _search(self, wanted: Any, without: Sequence[Any], k: Any) -> Tensors:
        import tensorflow as tf  # noqa: PLC0415

        place = tf.range(int(self._table.shape[0]))
        barred = place < MARKS
        for ids in without:
            barred = tf.logical_or(barred, place == ids[:, None])
        similarity = tf.matmul(wanted, self._unit(), transpose_b=True)
        found, ids = tf.math.top_k(tf.where(barred, tf.constant(LAST, tf.float64), similarity), k=k)
        return {
            "found": tf.cast(ids, tf.int32),
            "words": tf.gather(tf.constant(self._spelling), ids),
            "similarity": tf.cast(found, tf.float32),
        }


def _unit(vectors: Any) -> Any:
    import tensorflow as tf  # noqa: PLC0415

    length = tf.sqrt(tf.reduce_sum(vectors * vectors, axis=-1, keepdims=True))
    return vectors / tf.maximum(length, 1e-12)


def _spelling(source: Source) -> tuple[str, ...]:
    from tokenizers import Tokenizer as Reader  # noqa: PLC0415

    from training.words import words_of  # noqa: PLC0415

    return words_of(Reader.from_file(str(source.assets / TOKENIZER)))


def _words(name: str, size: int, *axes: str) -> Tensor:
    return Tensor(name=name, dtype="int32", shape=("batch", *axes), kind="token_ids", range=(0, size))


def _vector(name: str, width: int) -> Tensor:
    return Tensor(name=name, dtype="float32", shape=("batch", width))


def _endpoint(
    name: str,
    inputs: Sequence[Tensor],
    call: Callable[[Named], Named],
    outputs: Sequence[Tensor],
    example: Arrays | None = None,
) -> Endpoint:
    return Endpoint(name, trace(inputs, call), tuple(inputs), tuple(outputs), example=example)
