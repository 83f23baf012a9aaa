"""What a task is made from: the runners of a version, its generator, its directory.

Knows nothing of any word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from service.bundle import BundleError
from service.engine.contracts import Runner, TokenGenerator


@dataclass(frozen=True, slots=True)
class Parts:
    """Runners by signature, for those that are run by themselves; a generator, if the word makes tokens."""

    runners: Mapping[str, Runner] = field(default_factory=dict)
    generator: TokenGenerator | None = None
    directory: Path = Path()

    def runner(self, signature: str) -> Runner:
        """Return the runner of a signature; raises BundleError if there is none."""
        try:
            return self.runners[signature]
        except KeyError:
            raise BundleError(f"nothing runs the signature '{signature}'") from None

    def token_generator(self) -> TokenGenerator:
        """Return the generator; raises BundleError if there is none."""
        if self.generator is None:
            raise BundleError("nothing drives the step graph")
        return self.generator
