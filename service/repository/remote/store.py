"""A store of models some of which lie behind URLs: lists all alike, and fetches in threads of its own what is wanted.

Knows who lists what. Knows nothing of how anything is fetched, or of why it is wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

from service.config import Url
from service.domain import ModelId
from service.repository.remote.looking import Site
from service.repository.remote.mirror import Mirror
from service.repository.rules import Places
from service.repository.store import EVERYWHERE, DirectoryStore, Listing

LONGEST_LOOK_S = 10.0
"""How long a scan waits for a look that somebody waits for."""
MakeMirror = Callable[[Site], Mirror]


class RemoteStore:
    """The versions of a `DirectoryStore`, those below the URL `root`, if there is one, and at URLs among the base paths.

    `scan` waits for the first look at each URL only, for a while; later looks, and what is fetched, are noticed by the next scan.
    """

    def __init__(self, local: DirectoryStore, root: Url | None, make_mirror: MakeMirror) -> None:
        self._local = local
        self._root = root
        self._make_mirror = make_mirror
        self._mirrors: dict[Site, Mirror] = {}
        self._owners: dict[ModelId, Mirror] = {}
        self._renamed: frozenset[str] = frozenset()
        self._fresh = False
        self._looks: dict[Site, Future[None]] = {}
        self._fetches: dict[ModelId, Future[None]] = {}
        self._looker = ThreadPoolExecutor(max_workers=4, thread_name_prefix="storage-look")
        self._fetcher = ThreadPoolExecutor(max_workers=1, thread_name_prefix="storage-fetch")

    def has_base_path(self, name: str) -> bool:
        """Say whether a model lies at a base path of its own, as of the last look."""
        return name in self._renamed or self._local.has_base_path(name)

    def scan(self, places: Places = EVERYWHERE) -> Listing:
        """Return what is there; raises StoreError if the models directory cannot be looked at."""
        listing = self._local.scan(places)
        sites = [Site(url, name) for name, url in places.base_paths.items() if isinstance(url, Url)]
        self._renamed = frozenset(site.name for site in sites if site.name)
        if self._root is not None and places.shelf:
            sites.append(Site(self._root))
        fresh, self._fresh = self._fresh, False
        mirrors = {site: self._looked(site, fresh=fresh) for site in sites}
        for site in self._mirrors.keys() - mirrors.keys():
            self._mirrors[site].release_all_but(())
        self._mirrors = mirrors
        return self._together(listing, places.base_paths.keys(), fresh=fresh)

    def directory(self, model: ModelId) -> Path:
        """Return where the files of a version lie; raises LoadError if they could not be fetched."""
        owner = self._owners.get(model)
        return self._local.directory(model) if owner is None else owner.directory(model)

    def prepare(self, load: Sequence[ModelId], live: Collection[ModelId]) -> None:
        """Begin to fetch what is to be loaded, in this order, and let go of what is neither that nor live."""
        kept = frozenset(load) | frozenset(live)
        for mirror in self._mirrors.values():
            mirror.release_all_but(kept)
            self._fetch(mirror.to_retry(), mirror)
        for model in load:
            owner = self._owners.get(model)
            if owner is not None and model in owner.absent():
                self._fetch((model,), owner)

    def freshen(self) -> None:
        """Let the next scan look at every URL itself."""
        self._fresh = True

    def close(self) -> None:
        """Look and fetch no more; what is under way ends unheard."""
        for threads in (self._looker, self._fetcher):
            threads.shutdown(wait=False, cancel_futures=True)

    def _looked(self, site: Site, *, fresh: bool) -> Mirror:
        """Return the mirror of a URL: after a look if it is new or to be fresh, else while one goes on if it is time.

        A store that takes long is not waited for: what comes of the look is noticed later, and the cache stands in.
        """
        mirror = self._mirrors.get(site) or self._make_mirror(site)
        under_way = self._looks.pop(site, None)
        if under_way is not None and fresh:
            wait((under_way,), LONGEST_LOOK_S)  # it began before somebody asked
        if under_way is not None and under_way.done():
            under_way.result()
            under_way = None
        if fresh:
            mirror.forget_failures()
        if under_way is None and (fresh or mirror.is_due()):
            under_way = self._looker.submit(mirror.look)
            if fresh or site not in self._mirrors:
                wait((under_way,), LONGEST_LOOK_S)
                mirror.make_do()
        if under_way is not None:
            self._looks[site] = under_way
        return mirror

    def _fetch(self, models: Iterable[ModelId], mirror: Mirror) -> None:
        for model in models:
            under_way = self._fetches.get(model)
            if under_way is None or under_way.done():
                self._fetches[model] = self._fetcher.submit(mirror.fetch, model)

    def _together(self, listing: Listing, with_base_path: Collection[str], *, fresh: bool) -> Listing:
        versions, labels = dict(listing.versions), dict(listing.labels)
        owners: dict[ModelId, Mirror] = {}
        absent: set[ModelId] = set()
        for site, mirror in self._mirrors.items():
            hidden = () if site.name else with_base_path
            mine = {model: each for model, each in mirror.versions().items() if model.name not in hidden}
            versions |= mine
            labels |= {each: told for each, told in mirror.labels().items() if each not in hidden}
            owners |= dict.fromkeys(mine, mirror)
            absent |= mirror.absent() & mine.keys()
        self._owners = owners
        self._fetches = {model: each for model, each in self._fetches.items() if not each.done()}
        mirrors = self._mirrors.values()
        problems = (*listing.problems, *(problem for mirror in mirrors for problem in mirror.problems()))
        late = fresh and any(not look.done() for look in self._looks.values())
        return Listing(
            versions,
            labels,
            problems,
            absent=frozenset(absent),
            unreachable=late or any(mirror.error for mirror in mirrors),
            whole=all(mirror.known for mirror in mirrors),
        )
