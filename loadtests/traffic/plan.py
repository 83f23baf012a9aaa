"""Every question that a load test may ask a model: its own data, on each wire that can carry them.

Knows samples and wires; knows nothing of how often or by whom they are asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from loadtests.traffic import row_wires, samples, tensor_wires, text_wires
from loadtests.traffic.catalogue import Model
from loadtests.traffic.checks import Array
from loadtests.traffic.questions import GRPC, REST, Question
from loadtests.traffic.row_wires import Given
from loadtests.traffic.samples import TOLERANCE, Bundle, Sample


@dataclass(frozen=True, slots=True)
class Materials:
    """What there is to ask with beside the models' own: texts by model or word, files of pictures, rows by name.

    `tokens` is how long continuations shall be.
    """

    texts: Mapping[str, list[str]] = field(default_factory=dict)
    pictures: Sequence[bytes] = ()
    rows: Sequence[Mapping[str, float]] = ()
    tokens: int = 32


def questions(model: Model, bundle: Bundle, materials: Materials) -> list[Question]:
    """Return every question for `model`; none if nothing is known that it could be asked."""
    words = {"classify": _classify, "score": _score, "generate": _texts, "translate": _texts}
    typed = words[model.word](model, bundle, materials) if model.word in words else iter(())
    return [*typed, *_tensors(model, bundle)]


def _tensors(model: Model, bundle: Bundle) -> Iterator[Question]:
    """Yield the default signature's rows, over every wire that takes tensors."""
    whole = bundle.golden.get(model.signature) or samples.drawn(model)
    if whole is None:
        return
    each = samples.rows(whole) if model.by_row else [whole]
    for wire in tensor_wires.WIRES:
        if not wire.carries(model):
            continue
        for number, sample in enumerate(each):
            yield Question(
                model.word,
                model.name,
                wire.name,
                wire.transport,
                wire.encode(model, sample.inputs),
                partial(wire.decode, model),
                f"{model.name} tensors {number}",
                sample.outputs,
                sample.tolerance,
            )


def _classify(model: Model, bundle: Bundle, materials: Materials) -> Iterator[Question]:
    """Yield what is classified, over the task API."""
    for number, (given, right, tolerance) in enumerate(_classified(model, bundle, materials)):
        for wire, transport, ask, read in (
            ("tasks-rest", REST, row_wires.ask_classify, row_wires.read_classify),
            ("tasks-grpc", GRPC, row_wires.ask_classify_message, row_wires.read_classify_message),
        ):
            yield Question(
                model.word,
                model.name,
                wire,
                transport,
                ask(model, given),
                partial(read, model),
                f"{model.name} classify {number}",
                None if right is None else {"probabilities": right},
                tolerance,
            )


def _classified(
    model: Model, bundle: Bundle, materials: Materials
) -> Iterator[tuple[Given, Array | None, float]]:
    """Yield what is classified with its probabilities, where they were recorded."""
    if "height" in model.limits:
        for picture in materials.pictures:
            yield {"image": picture}, None, TOLERANCE
        form = "pixels"
    elif model.features:
        form = "features"
    else:
        for text in samples.texts(materials.texts, model):
            yield {"text": text}, None, TOLERANCE
        return
    for sample in _task_rows(model, bundle):
        right = None if sample.outputs is None else sample.outputs[bundle.task["probabilities"]][0]
        (values,) = sample.inputs.values()
        yield {form: values[0]}, right, sample.tolerance


def _score(model: Model, bundle: Bundle, materials: Materials) -> Iterator[Question]:
    """Yield the rows that are scored, over the task API."""
    found = list(_task_rows(model, bundle))
    for row in materials.rows:
        if row.keys() == set(model.features):
            values = np.array([[row[name] for name in model.features]], np.float32)
            found.append(Sample({"features": values}))
    for number, sample in enumerate(found):
        (values,) = sample.inputs.values()
        right = None
        if sample.outputs is not None:
            parts = ("score", "is_anomaly", "threshold")
            right = {part: np.ravel(sample.outputs[bundle.task[part]]) for part in parts}
        for wire, transport, ask, read in (
            ("tasks-rest", REST, row_wires.ask_score, row_wires.read_score),
            ("tasks-grpc", GRPC, row_wires.ask_score_message, row_wires.read_score_message),
        ):
            yield Question(
                model.word,
                model.name,
                wire,
                transport,
                ask(model, values[0]),
                read,
                f"{model.name} score {number}",
                right,
                sample.tolerance,
            )


def _task_rows(model: Model, bundle: Bundle) -> Sequence[Sample]:
    """Return rows of the task's one input: the golden ones, else drawn from what the gateway says."""
    task: Mapping[str, Any] = bundle.task
    if (golden := bundle.golden.get(task.get("signature", ""))) is not None:
        return samples.rows(golden)
    random = np.random.default_rng(0)
    sizes = [model.limits[name] for name in ("height", "width", "channels") if name in model.limits]
    shape = (samples.DRAWN_ROWS, *(sizes or [len(model.features)]))
    return samples.rows(Sample({"drawn": random.random(shape).astype(np.float32)}))


def _texts(model: Model, _: Bundle, materials: Materials) -> Iterator[Question]:
    """Yield texts to be continued or translated, over every wire that takes them."""
    tokens = min(materials.tokens, model.limits.get("max_new_tokens", materials.tokens))
    for text in samples.texts(materials.texts, model):
        for wire in text_wires.WIRES[model.word]:
            yield Question(
                model.word,
                model.name,
                wire.name,
                wire.transport,
                wire.encode(model, text, tokens),
                wire.decode,
                f"{model.name} {model.word} {text}",
                streamed=wire.streamed,
            )
