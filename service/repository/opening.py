"""Open the graphs of a version directory: verify its files, open what is chosen, compare with the manifest, ask.

Knows bundles and sessions. Knows nothing of what runs them or of what is live; it takes long, and belongs in a thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from service.bundle import BASE, MANIFEST, BundleError, Generate, Manifest, Translate, read, verify_files
from service.domain import ModelId
from service.engine.contracts import Session
from service.engine.session import SessionError
from service.repository import golden, inspection, variants
from service.repository.errors import GraphError, LoadError
from service.repository.huggingface.opening import open_version
from service.repository.variants import Choice, GraphKey

OpenSession = Callable[[Path], Session]
Sessions = dict[GraphKey, Session]


@dataclass(frozen=True, slots=True)
class Opener:
    """Opens versions: step graphs with `open_step`, others with `open_graph`.

    With `max_rows`, each graph is run once with so many rows, whatever its manifest says; golden requests are asked if
    `ask_golden`. A model that `may_be_renamed` is opened by the name that it is asked for.
    """

    open_graph: OpenSession
    open_step: OpenSession
    choice: Choice
    max_rows: int | None
    ask_golden: bool
    may_be_renamed: Callable[[str], bool]

    def open(self, model: ModelId, directory: Path) -> tuple[Manifest, Sessions]:
        """Return manifest and graphs of a version, or of one without a manifest; raises LoadError."""
        try:
            if not (directory / MANIFEST).exists():
                manifest, bare = open_version(model, directory, self.open_graph)
                return manifest, {GraphKey(name): session for name, session in bare.items()}
            manifest = _read(model, directory, renamed=self.may_be_renamed(model.name))
            sessions = self._open_chosen(manifest, directory)
        except SessionError as error:
            raise GraphError(str(error)) from error
        except BundleError as error:
            raise LoadError(str(error)) from error
        except OSError as error:
            raise LoadError(f"a file cannot be read: {error.strerror or 'unknown reason'}") from error
        if self.ask_golden:
            self._ask(manifest, sessions, directory)
        return manifest, sessions

    def _open_chosen(self, manifest: Manifest, directory: Path) -> Sessions:
        sessions: Sessions = {}
        for variant in self.choice.of(manifest):
            for key in variants.graphs(manifest, variant).values():
                if key not in sessions:
                    sessions[key] = self._open_one(key, manifest, directory)
        return sessions

    def _open_one(self, key: GraphKey, manifest: Manifest, directory: Path) -> Session:
        signature = manifest.signatures[key.signature]
        file = signature.file if key.variant == BASE else signature.variants[key.variant].file
        opens = self.open_step if key.signature == step(manifest) else self.open_graph
        session = opens(directory / file)
        inspection.check(signature.model_copy(update={"file": file}), session)
        return session

    def _ask(self, manifest: Manifest, sessions: Mapping[GraphKey, Session], directory: Path) -> None:
        for request in manifest.golden:
            signature = manifest.signatures[request.signature]
            for key, session in sessions.items():
                if key.signature != request.signature:
                    continue
                asked = request
                if key.variant != BASE:
                    tolerance = signature.variants[key.variant].tolerance
                    asked = request.model_copy(update={"tolerance": tolerance})
                golden.ask(directory, asked, signature, session, self.max_rows or manifest.batching.max_rows)


def step(manifest: Manifest) -> str | None:
    """Return the signature that makes tokens, if there is one."""
    task = manifest.task
    return task.step.signature if isinstance(task, Generate | Translate) else None


def _read(model: ModelId, directory: Path, *, renamed: bool) -> Manifest:
    """Return the manifest of a version whose files are all what it promises."""
    manifest = read(directory)
    if renamed:
        manifest = manifest.model_copy(update={"name": model.name})
    if (manifest.name, manifest.version) != (model.name, model.version):
        raise LoadError(
            f"{MANIFEST} is of '{manifest.name}' version {manifest.version},"
            f" and lies where '{model.name}' version {model.version} belongs"
        )
    verify_files(directory, manifest.files)
    for request in manifest.golden:
        if request.file not in manifest.files:
            raise LoadError(f"golden request '{request.file}' is not among the files")
        if request.signature not in manifest.signatures:
            raise LoadError(f"golden request of signature '{request.signature}', which there is not")
    return manifest
