"""Make what lists and fetches models, by the settings, and say at once what could never work.

Knows settings. Knows nothing of stores.
"""

from __future__ import annotations

import os
from pathlib import Path

from service.config import ConfigError, Settings, Url
from service.observability.metrics import Metrics
from service.repository.remote.cache import Cache, CacheError
from service.repository.remote.files import EXTRAS, StoreFiles, missing_package
from service.repository.remote.looking import Site
from service.repository.remote.mirror import Mirror
from service.repository.remote.store import RemoteStore
from service.repository.store import DirectoryStore, StoreError


def create(settings: Settings, metrics: Metrics) -> RemoteStore:
    """Return the store of all models; raises ConfigError if a URL in the settings could never be read."""
    making = _Making(settings, metrics)
    places = (settings.models, *settings.repository.base_paths.values())
    try:
        for url in sorted({place for place in places if isinstance(place, Url)}):
            making.mirror(Site(url))
    except StoreError as error:
        raise ConfigError(str(error)) from error
    if isinstance(settings.models, Url):
        return RemoteStore(DirectoryStore(None), settings.models, making.mirror)
    return RemoteStore(DirectoryStore(settings.models), None, making.mirror)


class _Making:
    """Makes mirrors, and the cache that they share with the first of them. Raises StoreError if that cannot be."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._cache: Cache | None = None

    def mirror(self, site: Site) -> Mirror:
        """Return the mirror of a site; asks no network."""
        url = site.url
        package = missing_package(url.scheme)
        if package is not None:
            raise StoreError(
                f"models at {url.scheme}:// need package '{package}', which is not installed:"
                f" install requirements/storage.txt, or the extra '{EXTRAS[url.scheme]}'"
            )
        if self._cache is None:
            self._cache = self._open_cache()
        repository = self._settings.repository
        files = StoreFiles(url, repository.remote_timeout_s)
        return Mirror(site, files, self._cache, self._metrics, repository.remote_poll_s)

    def _open_cache(self) -> Cache:
        directory = self._settings.models_cache or _users_cache()
        try:
            return Cache(directory, self._settings.models_cache_bytes)
        except CacheError as error:
            raise StoreError(f"models_cache: the directory '{directory}' cannot be used: {error}") from error


def _users_cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "sluice" / "models"
