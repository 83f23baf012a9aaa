"""The options that a load test has beside locust's own, on its command line and in its environment.

Knows names, defaults and grammars; knows nothing of what the options do. They stay texts, because a master sends
them to its workers as such.
"""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path
from typing import Any

from loadtests.traffic import objectives, scopes, shapes, thinking

EXAMPLES = Path(__file__).parents[2] / "examples"
CLOSED, POISSON = "closed", "poisson"


def checked(parse: Callable[[str], Any]) -> Callable[[str], str]:
    """Return a type for argparse that takes what `parse` takes, and keeps the text."""

    def keep(text: str) -> str:
        try:
            parse(text)
        except ValueError as error:
            raise ArgumentTypeError(str(error)) from error
        return text

    return keep


def positive(text: str) -> float:
    """Return a number above 0; raises ArgumentTypeError."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise ArgumentTypeError(f"'{text}': expected a number above 0")
    return number


def add(parser: Any) -> None:
    """Add the options to locust's parser; each is also read from the variable LOCUST_NAME."""
    group = parser.add_argument_group("Sluice", "What is asked, when, and how it is judged.")

    def option(name: str, **more: Any) -> None:
        group.add_argument(f"--{name}", env_var=f"LOCUST_{name.upper().replace('-', '_')}", **more)

    option("slo", default="", type=checked(objectives.parse), help="objectives: p99=50ms,errors=0.1%%")
    option("summary", default="", metavar="FILE", help="where the verdict is written as JSON")
    option("shape", default="", type=checked(_shape), help=f"users as time passes: {shapes.GRAMMAR}")
    option(
        "arrivals",
        default=CLOSED,
        choices=[CLOSED, POISSON],
        help="closed: a user asks when its answer has come; poisson: requests arrive whatever the answers do",
    )
    option("user-rate", default=1.0, type=positive, help="arrivals a second of each user, with poisson")
    option("max-in-flight", default=256, type=int, help="requests of a user that may be open, with poisson")
    option(
        "think",
        default="0",
        type=checked(thinking.parse),
        help="seconds between answer and next request, with closed: 0.5 or 0.1..2",
    )
    option("only", default="", type=checked(scopes.parse_all), help="word, model, wire, rest, grpc; a/b,c")
    option("weights", default="", type=checked(scopes.weights), help="how often: classify=3,generate/grpc=0")
    option("grpc", default="", metavar="HOST:PORT", help="gRPC address; else port 8001 of --host")
    option("models", default="models", metavar="DIR", help="where bundles and their recorded answers are")
    option("examples", default=str(EXAMPLES), metavar="DIR", help="where texts, pictures and rows are")
    option("tokens", default=32, type=int, help="length of continuations")
    option("timeout-s", default=30.0, type=positive, help="when a request without an answer has failed")


def _shape(text: str) -> None:
    if text:
        shapes.parse(text)
