"""Say what a version cannot do, from its own records: sentences for the model card.

Knows the task, the tensors and the run, and nothing of files. Nothing here is an opinion about a model: each sentence
follows from a number or a name that the run or the manifest has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from export.recipe import Source
from service.bundle import Classify, Generate, ImageInput, Score, Signature, Task, TextInput, Translate

HELD_OUT = "held_out"
"""How the names begin that jobs give to parts of their data that were kept for measuring."""


def sentences(source: Source, task: Task, signatures: Mapping[str, Signature]) -> Iterator[str]:
    """Yield the limits of a version, those of its training first."""
    yield from _of_training(source)
    yield from _of_task(task)
    yield from _of_inputs(signatures)


def _of_training(source: Source) -> Iterator[str]:
    yield f"It was trained on this alone: {source.provenance.data}. Its quality on anything else was not measured."
    held_out = sum(size for part, size in source.sizes.items() if part.replace(" ", "_").startswith(HELD_OUT))
    if held_out:
        yield f"The figures come from {held_out} held-out examples of the same source."
    if source.provenance.profile == "smoke":
        yield "The profile `smoke` shows that the path works; its quality is not meant for use."
    for bound in source.expected:
        value = source.metrics.get(bound.metric)
        if value is not None and not bound.met_by(value):
            yield f"It misses what is expected of the job: {bound.metric} is {value:.4g}, not {bound}."


def _of_task(task: Task) -> Iterator[str]:
    match task:
        case Classify():
            yield f"It always answers with its {len(task.labels)} labels, also where none of them is right."
            if isinstance(task.accepts, TextInput):
                yield f"Of a text it reads {task.accepts.max_tokens} tokens."
            if isinstance(task.accepts, ImageInput):
                size = f"{task.accepts.height}x{task.accepts.width}"
                yield f"Pictures are resized to {size} with {task.accepts.channels} channels; finer detail is lost."
        case Generate():
            yield f"Prompts have at most {task.max_prompt_tokens} tokens, answers at most {task.max_new_tokens}."
            yield "The text follows the form of what it was trained on; nothing checks whether it is true."
        case Translate():
            yield f"Sources have at most {task.max_source_tokens} tokens, targets at most {task.max_new_tokens}."
            yield f"{task.source_language} to {task.target_language} only; unknown words become other words."
        case Score():
            yield f"Rows must have the {len(task.features)} features in the units of its training data."
            yield "The threshold was chosen on the training data, and is a constant of the graph."
        case _:
            pass


def _of_inputs(signatures: Mapping[str, Signature]) -> Iterator[str]:
    for name, signature in signatures.items():
        for tensor in signature.inputs:
            if tensor.kind == "values" and tensor.range is not None:
                low, high = tensor.range
                yield f"`{name}` expects `{tensor.name}` within {low:g} to {high:g}."
