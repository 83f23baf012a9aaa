"""Decide which versions of a model are wanted.

A pure function. Knows numbers; knows nothing of disks or of what is live.
"""

from __future__ import annotations

from collections.abc import Collection

from service.config import Policy


def wanted(
    versions: Collection[int], bad: Collection[int], policy: Policy, labelled: Collection[int]
) -> frozenset[int]:
    """Return those of `versions` that are to be live.

    `bad` versions are known to fail: they are not wanted, and `latest` does not count them, so that a good
    older version is served instead. `labelled` versions are wanted whatever the policy says.
    """
    good = frozenset(versions) - frozenset(bad)
    if policy.kind == "all":
        chosen = good
    elif policy.kind == "specific":
        chosen = good & policy.versions
    else:
        chosen = frozenset(sorted(good)[-policy.count :])
    return chosen | (good & frozenset(labelled))
