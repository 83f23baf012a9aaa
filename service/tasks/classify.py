"""Classify one input: a picture, a text or a row of features, as the model takes it.

Knows labels and the forms of a request. Knows nothing of batches or graphs.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from service import bundle
from service.bundle import BundleError, FeatureInput, ImageInput, Manifest, Signature, TextInput
from service.domain import Array, ClassifyAnswer, ClassifyRequest, LabelScore, ModelId, Tensors, TokenWeight
from service.errors import Invalid
from service.tasks.images import ImageReader
from service.tasks.parts import Parts
from service.tasks.rows import FeatureRows
from service.tasks.token_feeds import TokenFeeds
from service.tasks.tokenizer import load_tokenizer

FORMS = ("image", "pixels", "text", "features")


class Reader(Protocol):
    """Turns the forms that one kind of model takes into feeds of one row."""

    forms: tuple[str, ...]

    async def feeds(self, request: ClassifyRequest, deadline_at_s: float) -> Tensors:
        """Return the feeds; raises Invalid, TooLarge, TimedOut."""

    def weights(self, feeds: Tensors, attention: Array) -> Iterator[TokenWeight]:
        """Yield the tokens of the feeds with their share of `attention` [time]."""


class Classify:
    """Answers `classify` for one model version."""

    def __init__(self, manifest: Manifest, parts: Parts) -> None:
        task = manifest.task
        assert isinstance(task, bundle.Classify)
        self._model = ModelId(manifest.name, manifest.version)
        self._task = task
        self._runner = parts.runner(task.signature)
        self._labels = task.labels
        self._reader = _reader(task, self._runner.signature, parts.directory)
        self._outputs = tuple(name for name in (task.probabilities, task.attention) if name is not None)

    async def run(self, request: ClassifyRequest, deadline_at_s: float) -> ClassifyAnswer:
        """Return the `top_k` most probable labels, best first; of equal ones the model's first.

        A `top_k` beyond the number of labels means all of them. A model of texts that has attention also tells that of
        each token. Raises Invalid (fields `image`, `pixels`,
        `text`, `features`, `features.<name>`, `top_k`), TooLarge, and whatever `contracts.Runner.run` raises.
        """
        if request.top_k < 1:
            raise Invalid(f"expected 1 or more, got {request.top_k}", field="top_k")
        form = self._form_of(request)
        feeds = await self._reader.feeds(request, deadline_at_s)
        answer = await self._runner.run(feeds, self._outputs, deadline_at_s)
        probabilities, *attention = (answer.outputs[name][0] for name in self._outputs)
        if not all(np.isfinite(output).all() for output in (probabilities, *attention)):
            # Its golden requests are answered: what overflows or cancels out is in the input.
            raise Invalid("the model has no finite probabilities for this input", field=form)
        best = np.argsort(-probabilities, kind="stable")[: request.top_k]
        return ClassifyAnswer(
            self._model,
            tuple(LabelScore(self._labels[index], float(probabilities[index])) for index in best.tolist()),
            answer.timing,
            tuple(weight for weights in attention for weight in self._reader.weights(feeds, weights)),
        )

    def _form_of(self, request: ClassifyRequest) -> str:
        forms = self._reader.forms
        takes = " or ".join(forms)
        given = [form for form in FORMS if getattr(request, form) is not None]
        if not given:
            raise Invalid(f"no input; this model takes {takes}", field=forms[0])
        if len(given) > 1:
            raise Invalid(f"expected exactly one form of input, got {' and '.join(given)}", field=given[1])
        if given[0] not in forms:
            raise Invalid(f"this model takes {takes}, got {given[0]}", field=given[0])
        return given[0]


class _NoTokens:
    """What has no tokens has no weights of them; the manifest promises none."""

    def weights(self, feeds: Tensors, attention: Array) -> Iterator[TokenWeight]:  # noqa: ARG002  # see Reader
        return iter(())


class _ImageForms(_NoTokens):
    forms: tuple[str, ...] = ("image", "pixels")

    def __init__(self, input_name: str, accepts: ImageInput) -> None:
        self._input = input_name
        self._reader = ImageReader(accepts)

    async def feeds(self, request: ClassifyRequest, deadline_at_s: float) -> Tensors:
        if request.image is not None:
            return {self._input: await self._reader.decode(request.image, deadline_at_s)}
        return {self._input: self._reader.pixels(request.pixels, scaled=request.scaled)}


class _FeatureForm(_NoTokens):
    forms: tuple[str, ...] = ("features",)

    def __init__(self, input_name: str, dtype: str, accepts: FeatureInput) -> None:
        self._input = input_name
        self._rows = FeatureRows(accepts.names, dtype)

    async def feeds(self, request: ClassifyRequest, deadline_at_s: float) -> Tensors:  # noqa: ARG002  # no waiting here
        assert request.features is not None
        return {self._input: self._rows([request.features], lambda _: "features")}


class _TextForm:
    forms: tuple[str, ...] = ("text",)

    def __init__(self, input_name: str, accepts: TextInput, signature: Signature, directory: Path) -> None:
        bounds = signature.input(input_name).range
        size = int(bounds[1]) if bounds else 2**31
        self._tokenizer = load_tokenizer(accepts.tokenizer, directory, size)
        self._feeds = TokenFeeds(signature, input_name)
        self._tokens = signature.input(input_name)
        self._max_tokens = min(accepts.max_tokens, self._feeds.longest or accepts.max_tokens)
        self._keep = accepts.keep

    async def feeds(self, request: ClassifyRequest, deadline_at_s: float) -> Tensors:  # noqa: ARG002  # no waiting here
        assert request.text is not None
        characters = self._tokenizer.longest(self._max_tokens)
        if self._keep == "first":
            ids = self._tokenizer.encode(request.text[:characters], "text")[: self._max_tokens]
        else:
            ids = self._tokenizer.encode(request.text[-characters:], "text")[-self._max_tokens :]
        if not ids:
            raise Invalid("expected a text, got nothing but space", field="text")
        return self._feeds(ids)

    def weights(self, feeds: Tensors, attention: Array) -> Iterator[TokenWeight]:
        pad = self._tokens.pad
        for token, weight in zip(feeds[self._tokens.name][0].tolist(), attention.tolist(), strict=True):
            if token != pad:
                yield TokenWeight(self._tokenizer.piece(token), weight)


def _reader(task: bundle.Classify, signature: Signature, directory: Path) -> Reader:
    accepts = task.accepts
    if isinstance(accepts, TextInput):
        return _TextForm(task.input, accepts, signature, directory)
    if len(signature.inputs) != 1:
        raise BundleError(f"signature '{task.signature}' must have the single input '{task.input}'")
    if isinstance(accepts, FeatureInput):
        return _FeatureForm(task.input, signature.input(task.input).dtype, accepts)
    return _ImageForms(task.input, accepts)
