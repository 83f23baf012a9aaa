"""Write the model card: what a version is, what it learnt from, how good it is, what it cannot do, how to call it.

Knows words and numbers, nothing of files or runtimes. Everything comes from the records of the run and the export.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from export import limits
from export.recipe import Recipe, Source
from export.variants import Trial
from service.bundle import Classify, Generate, Parity, Score, Signature, Task, Tensor, Translate

FILE = "README.md"
SAMPLE = 600
"""How many characters of a text the card has itself."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What lies beside the card: pictures by file name, the beginnings of texts by file name, and what became of variants."""

    pictures: Sequence[str] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    trials: Sequence[Trial] = ()


def text(
    name: str,
    source: Source,
    recipe: Recipe,
    signatures: Mapping[str, Signature],
    parity: Mapping[str, Parity],
    shown: Shown,
) -> str:
    """Return the card as Markdown. It does not name the version: the directory does."""
    default = recipe.endpoints[0].name
    made = source.provenance
    parts = [
        f"# {name}",
        f"{_purpose(recipe.task)}. Job `{made.job}`, profile `{made.profile}`{_size(made.parameters)}.",
        "## Data",
        f"{made.data}.",
        "## Quality on held-out data",
        _quality(source),
        "## Limits",
        "\n".join(f"* {sentence}" for sentence in limits.sentences(source, recipe.task, signatures)),
        *_shown(shown),
        "## Signatures",
        *(
            _signature(key, signature, signature_is_default=key == default)
            for key, signature in signatures.items()
        ),
        "## Parity",
        "SavedModel against ONNX, max |a-b| / (1 + |a|) over all cases (batch sizes, lengths, seeds).",
        _parity(parity),
        *_variants(shown.trials),
        "## Provenance",
        _provenance(source),
        "## How to call",
        _calls(name, recipe.task, default, signatures[default]),
    ]
    return "\n\n".join(parts) + "\n"


def _size(parameters: int | None) -> str:
    return "" if parameters is None else f", {parameters:,} parameters"


def _quality(source: Source) -> str:
    expected = {bound.metric: bound for bound in source.expected}
    rows = []
    for metric, value in source.metrics.items():
        bound = expected.get(metric)
        verdict = "" if bound is None else f"{bound}: {'met' if bound.met_by(value) else 'missed'}"
        rows.append((metric, f"{value:.6g}", verdict))
    return _table(("metric", "value", "expected"), rows)


def _parity(parity: Mapping[str, Parity]) -> str:
    return _table(
        ("signature", "reached", "tolerance", "cases", "ragged inputs"),
        (
            (
                key,
                f"{entry.max_relative:.1e}",
                f"{entry.tolerance:.0e}",
                str(entry.cases),
                "yes" if entry.ragged else "none to be ragged",
            )
            for key, entry in parity.items()
        ),
    )


def _variants(trials: Sequence[Trial]) -> Iterator[str]:
    if not trials:
        return
    yield "## Variants"
    yield (
        "Shares of the size and of the time of the original (the largest of several batch sizes, in turns, on the CPU), and "
        "how unlike it they answer: rows for which the same is most probable, growth of the log loss in nats, other numbers' "
        "difference in standard deviations, and the measure of parity."
    )
    head = ("signature", "variant", "size", "time", "agreement", "log loss", "deviation", "parity", "")
    yield _table(head, (_variant(trial) for trial in trials))


def _variant(trial: Trial) -> tuple[str, ...]:
    verdict = f"not offered: {trial.refused}" if trial.refused else "offered"
    if trial.variant is None:
        return trial.signature, trial.name, *("",) * 6, verdict
    like = trial.variant.fidelity
    figures = (trial.variant.size_ratio, trial.variant.latency_ratio)
    return (
        trial.signature,
        trial.name,
        *(f"{figure:.2f}" for figure in figures),
        f"{like.agreement:.3f} of {like.rows}",
        f"{like.divergence:.1e}",
        f"{like.deviation:.1e}",
        f"{like.max_relative:.1e}",
        verdict,
    )


def _provenance(source: Source) -> str:
    made = source.provenance
    settings = ", ".join(f"{name}={value}" for name, value in source.settings.items() if value is not None)
    return _table(
        ("what", "value"),
        (
            ("command", f"`{made.command}`"),
            ("settings", settings),
            ("revision", made.revision),
            ("seed", str(made.seed)),
            ("started", made.started.isoformat(timespec="seconds")),
            ("trained for", f"{made.seconds:.0f} s"),
            *made.libraries.items(),
        ),
    )


def _shown(shown: Shown) -> Iterator[str]:
    if shown.pictures or shown.texts:
        yield "## Pictures and samples"
    for picture in shown.pictures:
        yield f"![{Path(picture).stem}]({picture})"
    for file, start in shown.texts.items():
        yield f"From [{file}]({file}):\n\n{_quoted(start)}"


def _quoted(text: str) -> str:
    """Return a text as an indented block, in which nothing is Markdown."""
    return "\n".join(f"    {line}".rstrip() for line in text.splitlines())


def _purpose(task: Task) -> str:
    match task:
        case Classify():
            return f"Classifies into {len(task.labels)} labels: {', '.join(task.labels[:20])}"
        case Generate():
            return f"Continues a text, one of {task.vocabulary_size} tokens at a time"
        case Translate():
            return f"Translates {task.source_language} to {task.target_language}"
        case Score():
            return f"Scores how unusual a row of {len(task.features)} features is"
        case _:
            return "Answers named tensors with named tensors"


def _signature(name: str, signature: Signature, *, signature_is_default: bool) -> str:
    rows = [("input", tensor) for tensor in signature.inputs] + [
        ("output", tensor) for tensor in signature.outputs
    ]
    title = f"`{name}` in `{signature.file}`" + (" (default)" if signature_is_default else "")
    return f"{title}\n\n" + _table(
        ("", "name", "dtype", "shape", "kind"), ((what, *_cells(tensor)) for what, tensor in rows)
    )


def _cells(tensor: Tensor) -> tuple[str, str, str, str]:
    return tensor.name, tensor.dtype, "[" + ", ".join(map(str, tensor.shape)) + "]", tensor.kind


def _calls(name: str, task: Task, default: str, signature: Signature) -> str:
    inputs = ", ".join(f'"{tensor.name}": {tensor.name}' for tensor in signature.inputs)
    named = ", ".join(f"{tensor.name}={tensor.name}" for tensor in signature.inputs)
    return f"""The gateway serves it as `{name}` for the word `{task.word}`. Without a gateway:

```python
import onnxruntime
answers = onnxruntime.InferenceSession("{signature.file}").run(None, {{{inputs}}})

import tensorflow as tf
answers = tf.saved_model.load(".").signatures["{default}"]({named})
```"""


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
