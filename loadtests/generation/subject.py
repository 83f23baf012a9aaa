"""A model under test: its bundle's graphs, opened for bare runs and for the engine, and requests of its kind.

Knows bundles and ONNX Runtime; knows nothing of arrivals or clocks.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import onnxruntime
from tokenizers import Tokenizer

from loadtests.generation.trace import Request, long_tailed
from service import bundle
from service.bundle import Generate, Manifest, Signature, Translate
from service.engine.session import OnnxSession, Placement, open_session

PROSE = "The value of the expression is a list of names that are bound in the class body. "


@dataclass(frozen=True, slots=True)
class Subject:
    """One model: `step` and, if it has one, `encode` as bare sessions; `engine_*` the same files for the engine."""

    name: str
    manifest: Manifest
    step: onnxruntime.InferenceSession
    engine_step: OnnxSession
    encode: onnxruntime.InferenceSession | None
    engine_encode: OnnxSession | None
    requests: tuple[Request, ...]

    @property
    def task(self) -> Generate | Translate:
        """What the manifest says of the model's word."""
        task = self.manifest.task
        assert isinstance(task, Generate | Translate)
        return task

    @property
    def signature(self) -> Signature:
        """The step graph's signature."""
        return self.manifest.signatures[self.task.step.signature]


def load(directory: Path, count: int, threads: int, seed: int) -> Subject:
    """Open the version in `directory` with `count` requests that suit it; raises BundleError."""
    manifest = bundle.read(directory)
    task = manifest.task
    if not isinstance(task, Generate | Translate):
        raise bundle.BundleError(f"'{manifest.name}' generates no tokens")
    encode = task.encode if isinstance(task, Translate) else None
    requests = (
        _sentences(directory, task, count, seed)
        if isinstance(task, Translate)
        else _prose(directory, task, count, seed)
    )

    def file(name: str) -> Path:
        return directory / manifest.signatures[name].file

    return Subject(
        manifest.name,
        manifest,
        _bare(file(task.step.signature), threads),
        open_session(file(task.step.signature), Placement("cpu", threads)),
        _bare(file(encode), threads) if encode else None,
        open_session(file(encode), Placement("cpu", threads)) if encode else None,
        requests,
    )


def _bare(path: Path, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _prose(directory: Path, task: Generate, count: int, seed: int) -> tuple[Request, ...]:
    """Return prompts of 1 to 60 characters, and lengths up to 200 with a median of 40."""
    import json  # noqa: PLC0415

    known = json.loads((directory / task.tokenizer.file).read_text(encoding="utf-8"))
    ids = [known.index(character) for character in PROSE if character in known]
    rng = random.Random(seed)
    return tuple(Request(tuple(ids[: rng.randint(1, 60)]), long_tailed(rng, 40, 200)) for _ in range(count))


def _sentences(directory: Path, task: Translate, count: int, seed: int) -> tuple[Request, ...]:
    """Return sentences of the grammar that the model was trained on; their translations end by themselves."""
    from training.translate import grammar  # noqa: PLC0415  # a second of drawing and reading words

    tokenizer = Tokenizer.from_file(str(directory / task.source_tokenizer.file))
    texts = (pair.english for pair in islice(grammar.pairs(seed), count))
    return tuple(
        Request((*tokenizer.encode(text, add_special_tokens=False).ids, task.end_id), task.max_new_tokens)
        for text in texts
    )
