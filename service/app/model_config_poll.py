"""Look at a `model.config` file again and again, and serve what it lists when it has changed.

Knows when. Knows nothing of what a configuration may say, or of how versions are loaded.
"""

from __future__ import annotations

import asyncio

from service.config import ConfigError, Settings
from service.observability import logs
from service.protocols.tfserving.config_files import with_model_config
from service.repository.reloader import Reloader
from service.repository.rules import Rules


class ModelConfigPoll:
    """Gives the reloader the rules of settings and their file; a file that cannot be used changes nothing."""

    def __init__(self, settings: Settings, reloader: Reloader) -> None:
        self._settings = settings
        self._reloader = reloader
        self._last = reloader.rules
        self._problem = ""
        self._log = logs.get("service.app")

    async def run(self) -> None:
        """Look for ever; cancel it to stop."""
        while True:
            await asyncio.sleep(self._settings.repository.model_config_poll_s)
            await self.look()

    async def look(self) -> None:
        """Look once: what differs from the last look is in force at the next look of the reloader."""
        try:
            settings, _ = await asyncio.to_thread(with_model_config, self._settings)
        except ConfigError as error:
            if str(error) != self._problem:
                self._log.error("model_config_unusable", reason=str(error))
            self._problem = str(error)
            return
        self._problem = ""
        rules = Rules.of(settings.repository)
        if rules != self._last:
            self._last = rules
            self._reloader.adopt(rules)
            self._log.info("model_config_adopted", models=sorted(rules.places.base_paths))
