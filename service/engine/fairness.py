"""Decide whose turn it is among those who wait.

Pure bookkeeping of clients, priorities, tokens and times. Knows nothing of what is waited for.

Turns are shared by tokens served, as in the virtual token counter of Sheng et al. 2024 ("Fairness in Serving Large
Language Models"): the client that was served least goes next, and one who comes back after a pause is not owed what
it did not ask for. Priority comes before that, and a level of it is worth `AGING_S`: of waiting among the requests of
one client, of waiting since the last turn among clients. So nobody waits for ever.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from service.domain import Caller

AGING_S = 1.0
"""Waiting so long is worth one level of priority."""
_MOST_IDLE_CLIENTS = 1024

Item = TypeVar("Item", bound=Hashable)


def turn_s(caller: Caller, arrived_at_s: float) -> float:
    """Return when a caller would have come to be as far up in the queue without a priority."""
    return arrived_at_s + caller.priority * AGING_S


class _Place(NamedTuple, Generic[Item]):
    """Compares by turn and number, of which no two are alike: as a plain tuple does, quickly."""

    turn_s: float
    number: int
    priority: int
    arrived_at_s: float
    item: Item


@dataclass(slots=True)
class _Client(Generic[Item]):
    served: float
    last_turn_at_s: float = float("-inf")
    queue: list[_Place[Item]] = field(default_factory=list)


class WaitingRoom(Generic[Item]):
    """Those who wait, each only once."""

    def __init__(self) -> None:
        self._clients: dict[str, _Client[Item]] = {}
        self._waiting: dict[Item, str] = {}
        self._numbers = itertools.count()
        self._level = 0.0

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[Item]:
        return iter(self._waiting)

    @property
    def contested(self) -> bool:
        """Whether more than one client waits: only then it matters who was served how much."""
        return len(self._waiting) > 1 and sum(bool(each.queue) for each in self._clients.values()) > 1

    def push(self, item: Item, caller: Caller, arrived_at_s: float) -> None:
        """Let `item` wait for a turn of its client."""
        client = self._clients.get(caller.client)
        if client is None:
            self._forget_idle()
            client = self._clients[caller.client] = _Client(self._level)
        if not client.queue:
            client.served = max(client.served, self._level)
        place = _Place(turn_s(caller, arrived_at_s), next(self._numbers), caller.priority, arrived_at_s, item)
        heapq.heappush(client.queue, place)
        self._waiting[item] = caller.client

    def discard(self, item: Item) -> None:
        """Let `item` leave without a turn, if it waits."""
        name = self._waiting.pop(item, None)
        if name is not None:
            client = self._clients[name]
            client.queue = [place for place in client.queue if place.item is not item]
            heapq.heapify(client.queue)

    def peek(self, now_s: float) -> Item | None:
        """Return whose turn it is at `now_s`, None if nobody waits."""
        name = self._next(now_s)
        return None if name is None else self._clients[name].queue[0].item

    def pop(self, now_s: float) -> Item:
        """Take whose turn it is out of the room; there must be somebody."""
        name = self._next(now_s)
        assert name is not None, "nobody waits"
        # Who comes next starts where the least served of those who wait stands, not where whose turn it is does.
        waiting = (each.served for each in self._clients.values() if each.queue)
        self._level = max(self._level, min(waiting))
        client = self._clients[name]
        item = heapq.heappop(client.queue).item
        del self._waiting[item]
        client.last_turn_at_s = now_s
        return item

    def charge(self, client: str, tokens: int) -> None:
        """Count tokens that a client was served."""
        if client in self._clients:
            self._clients[client].served += tokens

    def _next(self, now_s: float) -> str | None:
        names = [name for name, client in self._clients.items() if client.queue]
        if len(names) > 1:
            return min(names, key=lambda name: self._rank(self._clients[name], now_s))
        return names[0] if names else None

    @staticmethod
    def _rank(client: _Client[Item], now_s: float) -> tuple[float, float, float, int]:
        first = client.queue[0]
        waited_s = now_s - max(first.arrived_at_s, client.last_turn_at_s)
        return (first.priority - waited_s // AGING_S, client.served, first.turn_s, first.number)

    def _forget_idle(self) -> None:
        if len(self._clients) < _MOST_IDLE_CLIENTS:
            return
        idle = [name for name, client in self._clients.items() if not client.queue]
        for name in idle:
            del self._clients[name]
