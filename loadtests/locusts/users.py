"""Users: a closed loop for each word and transport, and an open loop over everything.

Knows locust's users and events; questions and answers come from `loadtests.traffic`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, suppress
from random import Random
from typing import Any, ClassVar

import gevent
from gevent.pool import Pool
from locust import User, task
from locust.user.task import LOCUST_STATE_STOPPING

from loadtests.locusts.gathering import Traffic, choose, gather, grpc_address
from loadtests.locusts.rest import RestClient
from loadtests.locusts.rpc import GrpcClient
from loadtests.traffic import thinking
from loadtests.traffic.arrivals import poisson
from loadtests.traffic.checks import Answer
from loadtests.traffic.objectives import FIRST_TOKEN, LATENESS
from loadtests.traffic.questions import GRPC, REST, BadAnswerError, Question

METHODS = {REST: "REST", GRPC: "gRPC"}
LOOP = "loop"
GENERATOR = "load-generator"
LOOK_S = 0.5
"""How often a user that waits looks whether it is over."""
_TRAFFIC: dict[int, Traffic] = {}


class WrongAnswerError(Exception):
    """An answer that came, and is not the right one."""


class UnansweredError(Exception):
    """A request that had no answer when the test was over, or that could not be sent."""


def traffic_of(environment: Any) -> Traffic:
    """Return what the users of an environment ask, gathered once; raises as `gather`."""
    if (found := _TRAFFIC.get(id(environment))) is None:
        found = _TRAFFIC[id(environment)] = gather(environment.host, environment.parsed_options)
    return found


class Asker(User):
    """Asks, times from a given moment, checks, and tells locust."""

    abstract = True
    labels: ClassVar[frozenset[str]] = frozenset()
    """What the questions of this kind of user have."""

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        options = environment.parsed_options
        self.options = options
        self.traffic = traffic_of(environment)
        self.series = self.traffic.of(self.labels)
        self.random = Random()
        self.clients: dict[str, RestClient | GrpcClient] = {
            REST: RestClient(environment.host, options.timeout_s, options.max_in_flight),
            GRPC: GrpcClient(grpc_address(environment.host, options.grpc), options.timeout_s),
        }

    def on_start(self) -> None:
        """Open the connections before the clock starts; whatever fails here fails again where it is counted."""
        for transport in self.clients:
            known = [each for each in self.series if each.questions[0].transport == transport]
            if known:
                question = choose(known, self.random)
                with suppress(Exception):
                    _Pieces(self.clients[transport], question).answer()

    def on_stop(self) -> None:
        """Close the connections."""
        for client in self.clients.values():
            client.close()

    @task
    def work(self) -> None:
        """Ask until told to stop.

        Locust kills a user that waits between tasks, and may hit the request after it. So there is one task,
        which waits by itself and ends by itself.
        """
        while self._state != LOCUST_STATE_STOPPING:
            self.turn()

    def turn(self) -> None:
        """Ask one question, and do what belongs to it."""
        raise NotImplementedError

    def paused(self, until_s: float) -> bool:
        """Sleep until a point in time, and return whether there still is something to do then."""
        while self._state != LOCUST_STATE_STOPPING:
            if (rest_s := until_s - time.perf_counter()) <= 0:
                return True
            gevent.sleep(min(rest_s, LOOK_S))
        return False

    def ask(self, question: Question, since_s: float) -> None:
        """Ask one question and report it; its latency counts from `since_s` on `time.perf_counter`'s clock."""
        pieces = _Pieces(self.clients[question.transport], question)
        error: Exception | None = None
        try:
            answer = pieces.answer()
            key = (question.key, question.recorded, answer, question.tolerance)
            if (fault := self.traffic.memory.fault(*key)) is not None:
                error = WrongAnswerError(f"wrong answer: {fault}")
        except gevent.GreenletExit:
            self.report(question, since_s, UnansweredError("no answer when the test was over"), pieces)
            raise
        except Exception as found:  # noqa: BLE001  # whatever goes wrong with an answer is a failure of it
            error = found
        self.report(question, since_s, error, pieces)

    def report(
        self, question: Question, since_s: float, error: Exception | None, pieces: _Pieces | None = None
    ) -> None:
        """Tell locust of one request, and of its first token if it had one."""
        method = METHODS[question.transport]
        self.environment.events.request.fire(
            request_type=method,
            name=question.name,
            response_time=1000 * (time.perf_counter() - since_s),
            response_length=pieces.length if pieces else 0,
            exception=error,
            context={},
        )
        if pieces and pieces.first_at_s is not None:
            self.note(question.name, f"{method} {FIRST_TOKEN}", pieces.first_at_s - since_s)

    def note(self, name: str, method: str, seconds: float) -> None:
        """Add to a series that is told beside the requests, and not counted among them."""
        self.environment.stats.entries[name, method].log(1000 * seconds, 0)


class _Pieces:
    """An answer as it comes: when its first token came, and how many bytes it had."""

    def __init__(self, client: RestClient | GrpcClient, question: Question) -> None:
        self._client = client
        self._question = question
        self.first_at_s: float | None = None
        self.length = 0

    def answer(self) -> Answer:
        """Return the whole answer, the texts of a stream joined."""
        if self._question.streamed:
            return {"text": "".join(self._texts())}
        body = self._client.whole(self._question.message)
        self.length = len(body)
        return self._question.read(body)

    def _texts(self) -> Iterator[str]:
        with closing(self._client.pieces(self._question.message)) as pieces:  # type: ignore[type-var]  # generators
            for piece in pieces:
                self.length += len(piece)
                text = self._question.read(piece)["text"]
                if not isinstance(text, str):
                    raise BadAnswerError("a piece that is no text")
                if text and self.first_at_s is None:
                    self.first_at_s = time.perf_counter()
                yield text


class ClosedLoop(Asker):
    """Asks, waits for the answer, thinks, and asks again."""

    abstract = True

    def turn(self) -> None:
        """Ask a question and think."""
        self.ask(choose(self.series, self.random), time.perf_counter())
        think_s = self.random.uniform(*thinking.parse(self.options.think))
        self.paused(time.perf_counter() + think_s)


class OpenLoop(Asker):
    """Asks at the times of a Poisson process, whatever became of the requests before.

    A latency counts from the moment at which a request was to be sent, so that neither a slow gateway nor a
    slow load generator hides its queue. What cannot be sent, or has no answer in the end, is a failure.
    """

    def on_start(self) -> None:
        """Begin to wait for the first arrival."""
        super().on_start()
        self.pool = Pool()
        self.arrivals = poisson(self.options.user_rate, time.perf_counter(), self.random)

    def turn(self) -> None:
        """Wait for the next arrival and send it, without waiting for its answer."""
        at_s = next(self.arrivals)
        if not self.paused(at_s):
            return
        question = choose(self.series, self.random)
        if len(self.pool) >= self.options.max_in_flight:
            self.report(question, at_s, UnansweredError("not sent: --max-in-flight requests are open"))
            return
        self.note(GENERATOR, f"{LOOP} {LATENESS}", max(0.0, time.perf_counter() - at_s))
        self.pool.spawn(self.ask, question, at_s)

    def on_stop(self) -> None:
        """Wait for the answers that are due; what is left then has failed."""
        try:
            self.pool.join(timeout=self.options.timeout_s)
        finally:  # locust kills a user that takes longer than --stop-timeout
            self.pool.kill()
            super().on_stop()


def _closed(name: str, word: str, transport: str) -> type[ClosedLoop]:
    return type(name, (ClosedLoop,), {"labels": frozenset((word, transport)), "__module__": __name__})


ClassifyRest = _closed("ClassifyRest", "classify", REST)
ClassifyGrpc = _closed("ClassifyGrpc", "classify", GRPC)
GenerateRest = _closed("GenerateRest", "generate", REST)
GenerateGrpc = _closed("GenerateGrpc", "generate", GRPC)
TranslateRest = _closed("TranslateRest", "translate", REST)
TranslateGrpc = _closed("TranslateGrpc", "translate", GRPC)
ScoreRest = _closed("ScoreRest", "score", REST)
ScoreGrpc = _closed("ScoreGrpc", "score", GRPC)
PredictRest = _closed("PredictRest", "predict", REST)
PredictGrpc = _closed("PredictGrpc", "predict", GRPC)
