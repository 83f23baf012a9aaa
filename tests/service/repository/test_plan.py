"""What to load and unload: facts, and invariants over random repositories."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from service.config import Policy
from service.domain import ModelId
from service.repository.plan import Plan, Situation, labels_in_force, plan
from service.repository.rules import Rules

A1, A2, A3 = (ModelId("a", number) for number in (1, 2, 3))
B1 = ModelId("b", 1)
LATEST = Rules()

MODELS = st.builds(ModelId, st.sampled_from(["a", "b"]), st.integers(1, 4))
PRINTS = st.dictionaries(MODELS, st.integers(0, 1))
LABELS = st.dictionaries(
    st.sampled_from(["a", "b"]), st.dictionaries(st.sampled_from(["x", "y"]), st.integers(1, 4))
)
POLICIES = st.sampled_from(["latest:1", "latest:2", "all", "specific:1,3"]).map(Policy.model_validate)
RULES = st.builds(Rules, policy=POLICIES, unloaded=st.frozensets(st.sampled_from(["a", "b"]), max_size=1))
SITUATIONS = st.builds(Situation, disk=PRINTS, live=PRINTS, failed=PRINTS, labels=LABELS, in_force=LABELS)


def made(
    disk: Mapping[ModelId, int],
    live: Mapping[ModelId, int] | None = None,
    failed: Mapping[ModelId, int] | None = None,
    rules: Rules = LATEST,
) -> Plan:
    return plan(Situation(disk, live or {}, failed or {}, {}), rules)


def test_a_new_version_is_loaded_before_the_old_one_goes() -> None:
    first = made({A1: 0, A2: 0}, live={A1: 0})
    assert (first.load, first.unload) == ((A2,), ())
    then = made({A1: 0, A2: 0}, live={A1: 0, A2: 0})
    assert (then.load, then.unload) == ((), (A1,))


def test_a_version_that_failed_is_left_alone_and_the_one_before_stays() -> None:
    decision = made({A1: 0, A2: 0}, live={A1: 0}, failed={A2: 0})
    assert (decision.load, decision.unload) == ((), ())


def test_a_version_that_failed_is_tried_again_when_its_files_changed() -> None:
    assert made({A1: 0, A2: 1}, live={A1: 0}, failed={A2: 0}).load == (A2,)


def test_at_the_start_a_bad_newest_version_is_passed_over() -> None:
    assert made({A1: 0, A2: 0}, failed={A2: 0}).load == (A1,)


def test_a_live_version_whose_files_changed_is_loaded_again_and_stays_meanwhile() -> None:
    decision = made({A1: 1}, live={A1: 0})
    assert (decision.load, decision.unload) == ((A1,), ())


def test_a_live_version_whose_changed_files_are_bad_stays() -> None:
    decision = made({A1: 1}, live={A1: 0}, failed={A1: 1})
    assert (decision.load, decision.unload) == ((), ())


def test_a_version_that_vanished_goes_at_once() -> None:
    assert made({}, live={A1: 0}).unload == (A1,)


def test_the_newest_version_of_every_model_comes_before_older_ones() -> None:
    rules = Rules(policy=Policy(kind="all"))
    assert made({A1: 0, A2: 0, A3: 0, B1: 0}, rules=rules).load == (A3, B1, A2, A1)


@given(SITUATIONS, RULES)
def test_no_version_of_an_unloaded_model_is_kept_or_loaded(situation: Situation, rules: Rules) -> None:
    decision = plan(situation, rules)
    assert not {model.name for model in (*decision.load, *decision.wanted)} & rules.unloaded
    left = situation.live.keys() - set(decision.unload)
    assert not {model.name for model in left} & rules.unloaded


@given(SITUATIONS, RULES)
def test_nothing_is_both_loaded_for_the_first_time_and_unloaded(situation: Situation, rules: Rules) -> None:
    decision = plan(situation, rules)
    assert not set(decision.load) & set(decision.unload)


@given(SITUATIONS, RULES)
def test_only_what_is_on_disk_and_not_known_to_be_bad_is_loaded(situation: Situation, rules: Rules) -> None:
    for model in plan(situation, rules).load:
        assert situation.failed.get(model) != situation.disk[model]


@given(SITUATIONS, RULES)
def test_a_model_that_answers_never_stops_while_it_is_wanted_on_disk(
    situation: Situation, rules: Rules
) -> None:
    decision = plan(situation, rules)
    left = situation.live.keys() - set(decision.unload)
    for name in {model.name for model in situation.live if model in situation.disk}:
        if any(model.name == name for model in decision.wanted):
            assert any(model.name == name for model in left)


@given(SITUATIONS, RULES, st.sets(MODELS))
def test_doing_what_the_plan_says_comes_to_rest(
    situation: Situation, rules: Rules, bad: set[ModelId]
) -> None:
    live, failed = dict(situation.live), dict(situation.failed)
    for _ in range(40):
        decision = plan(Situation(situation.disk, live, failed, situation.labels, situation.in_force), rules)
        if not decision.load and not decision.unload:
            break
        for model in decision.unload:
            del live[model]
        for model in decision.load[:1]:
            (failed if model in bad else live)[model] = situation.disk[model]
    assert not decision.load
    assert not decision.unload
    good_targets = {model for model in decision.wanted if model not in bad}
    assert good_targets <= live.keys()
    assert live.keys() <= situation.disk.keys()


def test_a_label_moves_when_the_version_it_points_to_is_live() -> None:
    pointed, before = {"a": {"stable": 2}}, {"a": {"stable": 1}}
    assert labels_in_force(pointed, before, {A1}) == before
    assert labels_in_force(pointed, before, {A1, A2}) == pointed


def test_a_label_that_means_nothing_live_points_where_it_is_told() -> None:
    assert labels_in_force({"a": {"stable": 2}}, {"a": {"stable": 1}}, {A3}) == {"a": {"stable": 2}}
    assert labels_in_force({"a": {"stable": 2}}, {}, {A1}) == {"a": {"stable": 2}}
    assert labels_in_force({}, {"a": {"stable": 1}}, {A1}) == {}


def test_the_version_that_a_label_still_means_stays() -> None:
    situation = Situation(
        disk={A1: 0, A2: 0, A3: 0},
        live={A1: 0, A3: 0},
        failed={A2: 0},
        labels={"a": {"stable": 2}},
        in_force={"a": {"stable": 1}},
    )
    assert plan(situation, LATEST).unload == ()
