"""Which versions of a model are wanted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from service.config import Policy
from service.repository.policy import wanted

NUMBERS = st.sets(st.integers(1, 12))
POLICIES = st.one_of(
    st.just(Policy(kind="all")),
    st.integers(1, 4).map(lambda count: Policy(kind="latest", count=count)),
    st.frozensets(st.integers(1, 12)).map(lambda versions: Policy(kind="specific", versions=versions)),
)


def test_the_latest_are_the_highest_numbers() -> None:
    assert wanted({1, 2, 10}, (), Policy(kind="latest", count=2), ()) == {2, 10}


def test_a_bad_newest_version_leaves_its_place_to_the_one_before() -> None:
    assert wanted({1, 2, 3}, {3}, Policy(kind="latest", count=1), ()) == {2}


def test_a_label_keeps_an_old_version_wanted() -> None:
    assert wanted({1, 2, 3}, (), Policy(kind="latest", count=1), {1}) == {1, 3}


def test_a_label_for_a_version_that_is_not_there_wants_nothing() -> None:
    assert wanted({1}, (), Policy(kind="specific"), {7}) == frozenset()


def test_specific_versions_that_are_not_there_are_not_wanted() -> None:
    assert wanted({1, 2}, (), Policy(kind="specific", versions=frozenset({2, 5})), ()) == {2}


@given(NUMBERS, NUMBERS, POLICIES, NUMBERS)
def test_only_what_is_there_and_not_bad_is_ever_wanted(
    versions: set[int], bad: set[int], policy: Policy, labelled: set[int]
) -> None:
    assert wanted(versions, bad, policy, labelled) <= versions - bad


@given(NUMBERS, NUMBERS, st.integers(1, 4), NUMBERS)
def test_latest_wants_as_many_as_it_says_or_all_there_are(
    versions: set[int], bad: set[int], count: int, labelled: set[int]
) -> None:
    chosen = wanted(versions, bad, Policy(kind="latest", count=count), labelled)
    good = versions - bad
    assert len(chosen) >= min(count, len(good))
    assert len(chosen - labelled) <= count
    unlabelled = chosen - labelled
    passed_over = good - chosen
    assert not unlabelled or not passed_over or min(unlabelled) > max(passed_over)
