"""Make locust ready for a load test: options, which users there are, how many as time passes, and the verdict.

Knows locust's events and environment; knows nothing of requests.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import grpc.experimental.gevent
import locust.stats
from locust import LoadTestShape, events
from locust.runners import WorkerRunner
from rich.console import Console

from loadtests.locusts import options, users, verdict
from loadtests.traffic import shapes

_log = logging.getLogger("loadtests")


class StagedUsers(LoadTestShape):
    """The number of users that a shape has at each moment."""

    use_common_options = True

    def __init__(self, shape: shapes.Shape) -> None:
        super().__init__()
        self._shape = shape

    def tick(self) -> tuple[int, float] | None:
        """Return the users of now, all to be there at once; None when it is over."""
        count = shapes.users_at(self._shape, self.get_run_time())
        return None if count is None else (count, float(shapes.most_users(self._shape)))


def prepare() -> None:
    """Hook everything into locust; to be called once, when its file is loaded."""
    grpc.experimental.gevent.init_gevent()
    locust.stats.bucket_response_time = three_digits
    events.init_command_line_parser.add_listener(options.add)
    events.init.add_listener(_begin)
    events.quitting.add_listener(_end)


def three_digits(milliseconds: float) -> float:
    """Return what a latency is counted as: locust's own whole milliseconds hide what is faster."""
    return float(f"{milliseconds:.3g}")


def _begin(environment: Any, **_: Any) -> None:
    given = environment.parsed_options
    if environment.host is None:
        environment.host = given.host or "http://127.0.0.1:8000"
    if given.shape:
        environment.shape_class = StagedUsers(shapes.parse(given.shape))
        environment.shape_class.runner = environment.runner
    if isinstance(environment.runner, WorkerRunner):
        return  # its master says which users it has
    try:
        traffic = users.traffic_of(environment)
    except Exception as error:  # noqa: BLE001  # locust would go on, and ask nothing or the wrong thing
        _log.error("the load test cannot begin: %s: %s", type(error).__name__, error)
        sys.exit(2)
    is_open = given.arrivals == options.POISSON
    for kind in environment.user_classes:
        kind.weight = sum(each.weight for each in traffic.of(kind.labels))
    environment.user_classes[:] = [
        kind
        for kind in environment.user_classes
        if issubclass(kind, users.OpenLoop) == is_open and kind.weight > 0
    ]
    for each in traffic.series:
        first = each.questions[0]
        _log.info(
            "%s (%s): %d questions, weight %g", first.name, first.transport, len(each.questions), each.weight
        )


def _end(environment: Any, **_: Any) -> None:
    if not isinstance(environment.runner, WorkerRunner):
        verdict.conclude(environment, Console(width=110))
