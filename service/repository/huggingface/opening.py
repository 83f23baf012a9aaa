"""Open a version directory that has no manifest, as what its files make of it.

A decoder with a tokenizer is served as `generate`, with an encoder as `translate`, anything else as `predict`.
Knows which files belong together. Knows nothing of what is live.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from mmap import ACCESS_READ, mmap
from pathlib import Path

from service.bundle import Manifest, Predict, Signature, Task
from service.domain import ModelId
from service.engine.contracts import Session
from service.observability import logs
from service.repository import bare, inspection
from service.repository.errors import LoadError
from service.repository.huggingface import configuration, decoder, layout, manifests, pair
from service.repository.huggingface.configuration import (
    CONFIG,
    GENERATION,
    TOKENIZER,
    TOKENIZER_CONFIG,
    Configuration,
)
from service.repository.huggingface.decoder import Decoder
from service.repository.huggingface.layout import Layout

Opened = tuple[Manifest, dict[str, Session]]
OpenGraph = Callable[[Path], Session]


def open_version(model: ModelId, directory: Path, open_graph: OpenGraph) -> Opened:
    """Return the manifest and the sessions of a version; raises LoadError, and what `open_graph` raises."""
    return _Opening(model, directory, open_graph).opened()


class _Opening:
    """One directory on its way to a manifest."""

    def __init__(self, model: ModelId, directory: Path, open_graph: OpenGraph) -> None:
        self._model = model
        self._directory = directory
        self._open_graph = open_graph
        self._files = [name for name in (*layout.GRAPHS, *layout.ENCODERS) if (directory / name).is_file()]

    def opened(self) -> Opened:
        found = layout.find(self._files)
        if found.encoder is not None and found.first is not None:
            return self._pair(found, found.encoder, found.first)
        session = self._open(found.step)
        if not decoder.continues(session):
            return self._predict(found.step, session)
        missing = [name for name in (TOKENIZER, CONFIG) if not (self._directory / name).is_file()]
        if missing:
            self._warn("decoder_served_as_predict", missing=missing)
            return self._predict(found.step, session)
        return self._generate(found.step, pair.with_cache(session, use=True))

    def _predict(self, file: str, session: Session) -> Opened:
        signature = inspection.describe(file, session)
        return self._manifest(Predict(), {bare.SIGNATURE: signature}, []), {bare.SIGNATURE: session}

    def _generate(self, file: str, session: Session) -> Opened:
        told = self._configuration()
        made = self._aged(decoder.describe(file, session, told), file)
        if made.step.context:
            raise LoadError(
                f"nothing gives the context '{made.step.context[0]}' of '{file}': '{layout.ENCODER}' is missing"
            )
        task = manifests.generate(made, told)
        return self._manifest(task, {decoder.STEP: made.signature}, [TOKENIZER]), {decoder.STEP: session}

    def _pair(self, found: Layout, encoder_file: str, first_file: str) -> Opened:
        if not (self._directory / TOKENIZER).is_file():
            raise LoadError(
                f"'{TOKENIZER}' is missing: an encoder with a decoder is asked with texts (the exporter writes one"
                " for every fast tokenizer)"
            )
        told = self._configuration()
        opened = {name: self._open(name) for name in {found.step, encoder_file, first_file}}
        step = pair.with_cache(opened[found.step], use=True)
        made = self._aged(decoder.describe(found.step, step, told), found.step)
        first = pair.with_cache(opened[first_file], use=False)
        start_id = told.decoder_start_id or 0
        encoder = pair.encoder(encoder_file, opened[encoder_file], first, made, start_id)
        task = manifests.translate(encoder, made, told)
        signatures = {manifests.ENCODE: encoder.signature, decoder.STEP: made.signature}
        sessions = {manifests.ENCODE: encoder.session, decoder.STEP: step}
        return self._manifest(task, signatures, [TOKENIZER, first_file]), sessions

    def _aged(self, made: Decoder, file: str) -> Decoder:
        """Return the decoder as one whose rows step with those of their age, if its graph counts tokens by itself.

        ONNX Runtime's GroupQueryAttention takes the sum of the mask for where new keys go, whatever the positions say.
        """
        path = self._inside(file)
        if not path.stat().st_size:
            return made
        with path.open("rb") as opened, mmap(opened.fileno(), 0, access=ACCESS_READ) as graph:
            counts_itself = graph.find(b"GroupQueryAttention") >= 0
        return replace(made, step=made.step.model_copy(update={"one_age": counts_itself}))

    def _configuration(self) -> Configuration:
        told = configuration.read(self._directory)
        if told.not_applied:
            self._warn("generation_settings_not_applied", settings=list(told.not_applied))
        return told

    def _warn(self, event: str, **more: list[str]) -> None:
        logs.get("service.repository").warning(
            event, model=self._model.name, version=self._model.version, **more
        )

    def _open(self, name: str) -> Session:
        self._inside(name)
        return self._open_graph(self._directory / name)

    def _inside(self, name: str) -> Path:
        path = self._directory / name
        if not path.resolve().is_relative_to(self._directory.resolve()):
            raise LoadError(f"'{name}' lies outside the version directory")
        return path

    def _manifest(self, task: Task, signatures: dict[str, Signature], others: Sequence[str]) -> Manifest:
        told = [name for name in (CONFIG, GENERATION, TOKENIZER_CONFIG) if (self._directory / name).is_file()]
        used = told if others else []
        names = dict.fromkeys([*(each.file for each in signatures.values()), *others, *used])
        files = {name: self._inside(name) for name in names}
        return bare.manifest(self._model, task, signatures, files)
