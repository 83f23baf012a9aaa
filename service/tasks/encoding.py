"""Read one text by a model's encoder: what every step of its decoder needs is made of it once.

Knows an encoder's inputs and outputs. Knows nothing of tokenizers, languages or steps.
"""

from __future__ import annotations

from collections.abc import Sequence

from service.bundle import BundleError
from service.domain import Array, Timing
from service.engine.contracts import Runner
from service.tasks.token_feeds import TokenFeeds


class Encoding:
    """Makes the `context` inputs of a step graph from token ids; made once, used for every request.

    A context input is an output of the encoder, or else one of its own inputs, such as a mask. Raises BundleError if
    it is neither, or if the encoder has an input that nothing can fill.
    """

    def __init__(self, encoder: Runner, source: str, context: Sequence[str]) -> None:
        self._encoder = encoder
        self._feeds = TokenFeeds(encoder.signature, source)
        given = {tensor.name for tensor in encoder.signature.outputs}
        fed = {tensor.name for tensor in encoder.signature.inputs}
        self._made = tuple(name for name in context if name in given)
        self._fed = tuple(name for name in context if name not in given)
        for name in self._fed:
            if name not in fed:
                raise BundleError(f"the encoder has no '{name}' for the step's context")

    @property
    def longest(self) -> int | None:
        """How many tokens the encoder takes at most, if its graph says so."""
        return self._feeds.longest

    async def __call__(self, ids: Sequence[int], deadline_at_s: float) -> tuple[dict[str, Array], Timing]:
        """Return the context of one text, without a batch axis; raises as `contracts.Runner.run`."""
        feeds = self._feeds(ids)
        answer = await self._encoder.run(feeds, self._made, deadline_at_s)
        context = {name: _own_row(answer.outputs[name]) for name in self._made}
        context.update({name: feeds[name][0] for name in self._fed})
        return context, answer.timing


def _own_row(output: Array) -> Array:
    """Return the only row; a view of others' memory is copied, for it would keep a whole batch alive."""
    row: Array = output[0]
    return row if output.flags.owndata else row.copy()
