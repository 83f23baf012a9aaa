"""Decide whether a step graph's state stays on the device that runs it, and make what goes with it.

Knows which sessions can and which graphs allow it.
"""

from __future__ import annotations

from service.bundle import Signature, StepGraph
from service.engine.buckets import BucketedSteps
from service.engine.contracts import Session
from service.engine.device import DeviceSession
from service.engine.resident import ResidentContext, ResidentState
from service.engine.scheduling import read_ahead
from service.engine.slots import aligned
from service.engine.step import StepFeeds, ragged


def place(
    session: Session, graph: StepGraph, signature: Signature, slots: int, *, reads_ahead: bool
) -> tuple[Session, StepFeeds]:
    """Return the session to run and what it is fed; state stays on the host where its rows must be of one age.

    There are `slots` for those who step side by side. If wanted, there are more for prompts that are read ahead, where they can be:
    on the host, of a graph whose rows may differ in tokens and age.
    """
    if isinstance(session, DeviceSession) and session.resident and not aligned(graph):
        state = ResidentState(graph, signature, slots, session)
        context = ResidentContext([signature.input(name) for name in graph.context], slots, session)
        return BucketedSteps(session, graph.tokens), StepFeeds(graph, signature, slots, (state, context))
    ahead = read_ahead(slots) if reads_ahead and ragged(graph, signature) and not aligned(graph) else 0
    return session, StepFeeds(graph, signature, slots + ahead)
