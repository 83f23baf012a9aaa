"""How many users there are as time passes: steps, ramp, spike and soak, all as stages.

Knows numbers and time; knows nothing of what a user does.

    steps:10,20,40:30s          10 users for 30 s, then 20, then 40
    ramp:1..100:2m              from 1 to 100 in two minutes
    spike:10..200:30s,10s,30s   10 users for 30 s, 200 for 10 s, 10 again for 30 s
    soak:50:4h                  50 users for four hours
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from loadtests.traffic.durations import seconds_of

GRAMMAR = "steps:N,N,…:TIME, ramp:N..N:TIME, spike:N..N:TIME,TIME,TIME or soak:N:TIME"


@dataclass(frozen=True, slots=True)
class Stage:
    """A stretch of time in which the number of users goes straight from `first` to `last`."""

    first: int
    last: int
    seconds: float


Shape = tuple[Stage, ...]


def parse(text: str) -> Shape:
    """Return the stages of a shape; raises ValueError."""
    name, _, rest = text.partition(":")
    users, _, times = rest.partition(":")
    if name not in _KINDS:
        raise ValueError(f"shape '{text}': expected {GRAMMAR}")
    seconds = [seconds_of(each) for each in times.split(",")]
    try:
        return _KINDS[name](users, seconds)
    except ValueError as error:
        raise ValueError(f"shape '{text}': expected {GRAMMAR}") from error


def users_at(shape: Shape, elapsed_s: float) -> int | None:
    """Return how many users there are `elapsed_s` after the start, None when all is over."""
    for stage in shape:
        if elapsed_s < stage.seconds:
            share = elapsed_s / stage.seconds
            return round(stage.first + share * (stage.last - stage.first))
        elapsed_s -= stage.seconds
    return None


def most_users(shape: Shape) -> int:
    """Return the largest number of users that a shape has."""
    return max(max(stage.first, stage.last) for stage in shape)


def _steps(users: str, seconds: list[float]) -> Shape:
    (each_s,) = seconds
    return tuple(Stage(count, count, each_s) for count in map(_count, users.split(",")))


def _ramp(users: str, seconds: list[float]) -> Shape:
    (whole_s,) = seconds
    first, last = map(_count, users.split(".."))
    return (Stage(first, last, whole_s),)


def _spike(users: str, seconds: list[float]) -> Shape:
    usual, most = map(_count, users.split(".."))
    before_s, peak_s, after_s = seconds
    return (Stage(usual, usual, before_s), Stage(most, most, peak_s), Stage(usual, usual, after_s))


def _soak(users: str, seconds: list[float]) -> Shape:
    return _ramp(f"{users}..{users}", seconds)


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise ValueError("at least one user")
    return count


_KINDS: dict[str, Callable[[str, list[float]], Shape]] = {
    "steps": _steps,
    "ramp": _ramp,
    "spike": _spike,
    "soak": _soak,
}
