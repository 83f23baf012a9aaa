"""Named tensors in, named tensors out, through any signature of a model.

Knows what callers may leave out and how lists become arrays. Knows nothing of what the tensors mean.
"""

from __future__ import annotations

from collections.abc import Mapping

from service import bundle
from service.bundle import Manifest, Signature
from service.domain import ModelId, PredictAnswer, PredictRequest
from service.engine.contracts import Runner
from service.errors import Invalid, NotFound
from service.tasks.parts import Parts
from service.tasks.tensors import TensorCoercion
from service.tasks.text_inputs import TextInputs
from service.tasks.tokenizer import Tokenizer, load_tokenizer


class Predict:
    """Answers `predict`; every model has one beside what it does for its own word."""

    def __init__(self, manifest: Manifest, parts: Parts) -> None:
        self._model = ModelId(manifest.name, manifest.version)
        self._default = manifest.default_signature
        tokenizer = _tokenizer(manifest, parts)
        self._signatures = {
            name: _Prepared(name, runner, tokenizer) for name, runner in parts.runners.items()
        }

    async def run(self, request: PredictRequest, deadline_at_s: float) -> PredictAnswer:
        """Return the outputs of one signature run.

        Raises NotFound (field `signature`), Invalid (field `inputs`, `inputs.<name>` or `outputs`) and
        whatever `contracts.Runner.run` raises.
        """
        prepared = self._signatures.get(request.signature or self._default)
        if prepared is None:
            known = ", ".join(sorted(self._signatures))
            raise NotFound(f"no signature '{request.signature}'; this model has {known}", field="signature")
        inputs = request.inputs if prepared.texts is None else prepared.texts(request.inputs)
        if inputs.keys() != prepared.coercions.keys():
            prepared.refuse_names(inputs)
        feeds = {name: prepared.coercions[name](value) for name, value in inputs.items()}
        answer = await prepared.runner.run(feeds, request.outputs, deadline_at_s)
        return PredictAnswer(self._model, prepared.name, answer.outputs, answer.timing)


class _Prepared:
    """What is made once for a signature."""

    def __init__(self, name: str, runner: Runner, tokenizer: tuple[Tokenizer, int | None] | None) -> None:
        signature: Signature = runner.signature
        self.name = name
        self.texts = None if tokenizer is None else TextInputs(signature, *tokenizer)
        self.runner = runner
        self.coercions = {
            tensor.name: TensorCoercion(
                tensor, subject=f"input '{tensor.name}'", field=f"inputs.{tensor.name}"
            )
            for tensor in signature.inputs
        }

    def refuse_names(self, inputs: Mapping[str, object]) -> None:
        """Raise Invalid for the first unknown, else the first missing input."""
        expected = ", ".join(self.coercions)
        if not inputs:
            raise Invalid(f"no inputs; expected {expected}", field="inputs")
        for name in inputs:
            if name not in self.coercions:
                raise Invalid(f"unknown input '{name}'; expected {expected}", field=f"inputs.{name}")
        for name in self.coercions:
            if name not in inputs:
                raise Invalid(f"missing input '{name}'; expected {expected}", field=f"inputs.{name}")


def _tokenizer(manifest: Manifest, parts: Parts) -> tuple[Tokenizer, int | None] | None:
    """Return what makes ids of texts, and the id of what it does not know; None if the manifest has none."""
    task = manifest.task
    if not isinstance(task, bundle.Predict) or task.tokenizer is None:
        return None
    bounds = (
        tensor.range
        for signature in manifest.signatures.values()
        for tensor in signature.inputs
        if tensor.kind == "token_ids" and tensor.range is not None
    )
    size = min((int(highest) for _, highest in bounds), default=2**31)
    return load_tokenizer(task.tokenizer, parts.directory, size), task.tokenizer.unknown_id
