"""What leaves a cache, whatever is in it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from service.repository.remote.eviction import Tree, Victims, choose

SIZES = {"a": 10, "b": 20, "c": 30, "d": 40, "e": 50}
BLOBS = st.frozensets(st.sampled_from(sorted(SIZES)), max_size=3)


@st.composite
def caches(draw: st.DrawFn) -> tuple[list[Tree], dict[str, int], dict[str, int], int]:
    trees = [
        Tree(str(number), blobs, used_at_s, held)
        for number, (blobs, used_at_s, held) in enumerate(
            draw(st.lists(st.tuples(BLOBS, st.floats(0, 9), st.booleans()), max_size=5))
        )
    ]
    orphans = draw(BLOBS)
    there = orphans.union(*(tree.blobs for tree in trees))
    wanted = {blob: SIZES[blob] for blob in draw(BLOBS)}
    return trees, {blob: SIZES[blob] for blob in there}, wanted, draw(st.integers(0, 200))


def kept(trees: list[Tree], sizes: dict[str, int], wanted: dict[str, int], gone: Victims) -> dict[str, int]:
    return {**{blob: size for blob, size in sizes.items() if blob not in gone.blobs}, **wanted}


@given(caches())
def test_what_stays_fits_and_nothing_in_use_goes(
    cache: tuple[list[Tree], dict[str, int], dict[str, int], int],
) -> None:
    trees, sizes, wanted, limit = cache
    gone = choose(trees, sizes, wanted, limit)
    held = {tree.name: tree for tree in trees if tree.held}
    least = {blob: SIZES[blob] for blob in set(wanted).union(*(tree.blobs for tree in held.values()))}
    if gone is None:
        assert sum(least.values()) > limit
        return
    assert sum(kept(trees, sizes, wanted, gone).values()) <= limit
    assert not held.keys() & set(gone.trees)
    assert not gone.blobs & least.keys()
    staying = [tree for tree in trees if tree.name not in gone.trees]
    assert all(not tree.blobs & gone.blobs for tree in staying), "a tree that stays is whole"


@given(caches())
def test_who_was_used_longest_ago_goes_first(
    cache: tuple[list[Tree], dict[str, int], dict[str, int], int],
) -> None:
    trees, sizes, wanted, limit = cache
    gone = choose(trees, sizes, wanted, limit)
    if gone is None:
        return
    free = {tree.name: tree.used_at_s for tree in trees if not tree.held}
    left = [at_s for name, at_s in free.items() if name not in gone.trees]
    assert all(free[name] <= at_s for name in gone.trees for at_s in left)


def test_nothing_goes_while_there_is_room() -> None:
    trees = [Tree("1", frozenset("a"), 0.0, held=False)]
    assert choose(trees, {"a": 10, "orphan": 5}, {"b": 20}, 35) == Victims((), frozenset())


def test_content_of_no_tree_goes_before_any_tree_unless_it_is_wanted() -> None:
    trees = [Tree("1", frozenset("a"), 0.0, held=False)]
    assert choose(trees, {"a": 10, "b": 20, "c": 30}, {"b": 20}, 30) == Victims((), frozenset("c"))


def test_content_that_another_tree_shares_stays() -> None:
    trees = [Tree("old", frozenset("ab"), 0.0, held=False), Tree("new", frozenset("b"), 1.0, held=False)]
    assert choose(trees, {"a": 10, "b": 20}, {"c": 30}, 50) == Victims(("old",), frozenset("a"))
