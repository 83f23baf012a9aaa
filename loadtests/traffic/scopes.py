"""Name a part of the traffic: `digits-cnn`, `generate/grpc`, `digits-cnn/oip-binary`.

Knows labels; knows nothing of what carries them. Every request has four: its word, its model, its wire and its
transport (`rest` or `grpc`). A scope is some of them, and means the requests that have them all.
"""

from __future__ import annotations

from collections.abc import Iterable

Scope = frozenset[str]
EVERYTHING: Scope = frozenset()


def parse(text: str) -> Scope:
    """Return the scope of `part/part`; raises ValueError if a part is empty."""
    parts = [part.strip() for part in text.split("/")]
    if not all(parts):
        raise ValueError(f"'{text}': expected words, models, wires or transports with / between them")
    return frozenset(parts)


def parse_all(text: str) -> tuple[Scope, ...]:
    """Return the scopes of a list with commas; an empty text means everything."""
    return tuple(map(parse, text.split(","))) if text.strip() else (EVERYTHING,)


def weights(text: str) -> dict[Scope, float]:
    """Return the weights of `scope=weight,scope=weight`; raises ValueError unless they are finite and not negative."""
    found = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        scope, _, weight = part.partition("=")
        value = float(weight) if weight.strip().replace(".", "", 1).isdigit() else -1.0
        if value < 0:
            raise ValueError(f"weight '{part}': expected scope=number, such as classify=3 or generate/grpc=0")
        found[parse(scope)] = value
    return found


def weight(of: dict[Scope, float], labels: Iterable[str]) -> float:
    """Return the product of the weights whose scopes `labels` are in; 1 without any."""
    product, own = 1.0, frozenset(labels)
    for scope, value in of.items():
        if scope <= own:
            product *= value
    return product
