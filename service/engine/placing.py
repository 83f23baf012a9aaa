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


def place(session: Session, graph: StepGraph, signature: Signature, slots: int) -> tuple[Session, StepFeeds]:
    """Return the session to run and what it is fed; state stays on the host where its rows must be of one age.

    There are `slots` for those who step side by side. On the host, where memory is not as scarce, there are more for those who
    read, if they may.
    """
    if not isinstance(session, DeviceSession) or not session.resident or aligned(graph):
        reads = ragged(graph, signature) and not aligned(graph)
        return session, StepFeeds(graph, signature, slots + (read_ahead(slots) if reads else 0))
    state = ResidentState(graph, signature, slots, session)
    context = ResidentContext([signature.input(name) for name in graph.context], slots, session)
    return BucketedSteps(session, graph.tokens), StepFeeds(graph, signature, slots, (state, context))
