"""Look at a `model.config` file again and again, and serve what it lists when it has changed.

Knows when. Knows nothing of what a configuration may say, or of how versions are loaded.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from service.config import ConfigError
from service.observability import logs
from service.protocols.tfserving import config_files
from service.repository.reloader import Reloader
from service.repository.rules import Rules


class ModelConfigPoll:
    """Gives the reloader the rules of a file; one that cannot be used changes nothing."""

    def __init__(self, path: Path, interval_s: float, reloader: Reloader) -> None:
        self._path = path
        self._interval_s = interval_s
        self._reloader = reloader
        self._first = reloader.rules
        self._last: Rules | None = None
        self._problem = ""
        self._log = logs.get("service.app")

    async def run(self) -> None:
        """Look for ever; cancel it to stop."""
        while True:
            await asyncio.sleep(self._interval_s)
            await self.look()

    async def look(self) -> None:
        """Look once: what differs from the last look is in force at the next look of the reloader."""
        try:
            served = await asyncio.to_thread(config_files.read_model_config, self._path)
        except ConfigError as error:
            if str(error) != self._problem:
                self._log.error("model_config_unusable", reason=str(error))
            self._problem = str(error)
            return
        self._problem = ""
        rules = served.rules(self._first, shelf=True)
        before, self._last = self._last or self._first, rules
        if rules != before:
            self._reloader.adopt(rules, retry=())
            self._log.info("model_config_adopted", models=sorted(served.base_paths))
