"""Whose turn it is."""

from hypothesis import given
from hypothesis import strategies as st

from service.domain import Caller
from service.engine.fairness import AGING_S, WaitingRoom


def room_of(*entries: tuple[str, Caller, float]) -> WaitingRoom[str]:
    room: WaitingRoom[str] = WaitingRoom()
    for item, caller, arrived_at_s in entries:
        room.push(item, caller, arrived_at_s)
    return room


def order(room: WaitingRoom[str], now_s: float = 0.0) -> list[str]:
    return [room.pop(now_s) for _ in range(len(room))]


def test_one_clients_requests_go_in_the_order_in_which_they_came() -> None:
    assert order(room_of(("a", Caller("x"), 0.0), ("b", Caller("x"), 0.1), ("c", Caller("x"), 0.2))) == [
        "a", "b", "c",
    ]  # fmt: skip


def test_clients_take_turns_by_what_they_were_served() -> None:
    entries = [(f"flood-{n}", Caller("flood"), 0.0) for n in range(4)] + [("late", Caller("late"), 0.1)]
    room = room_of(*entries)
    assert room.pop(0.2) == "flood-0"
    room.charge("flood", 100)
    assert room.pop(0.2) == "late"
    assert room.pop(0.2) == "flood-1"


def test_who_comes_back_is_not_owed_what_it_did_not_ask_for() -> None:
    room = room_of(("a1", Caller("a"), 0.0), ("b1", Caller("b"), 0.0))
    assert order(room) == ["a1", "b1"]
    room.charge("a", 1000)
    for number in (2, 3):
        room.push(f"a{number}", Caller("a"), 0.0)
    assert room.pop(0.0) == "a2"
    room.push("b2", Caller("b"), 0.0)
    room.push("b3", Caller("b"), 0.0)
    room.charge("b", 1)
    # b was idle while a was served: it starts level with a, and pays for its one token.
    assert room.pop(0.0) == "a3"


def test_a_newcomer_does_not_pay_for_the_heavy_client_that_has_just_had_a_turn() -> None:
    room = room_of(("light-1", Caller("light"), 0.0), ("heavy-1", Caller("heavy"), 0.0))
    assert order(room) == ["light-1", "heavy-1"]
    room.charge("heavy", 100_000)
    room.charge("light", 500)
    room.push("light-2", Caller("light"), 10.0)
    room.push("heavy-2", Caller("heavy"), 0.0)  # so old that its turn has come all the same
    assert room.pop(10.0) == "heavy-2"
    room.push("light-3", Caller("light"), 10.0)
    room.push("new-1", Caller("new"), 10.0)
    assert room.pop(10.0) == "light-2"
    room.charge("light", 500)
    assert room.pop(10.0) == "new-1"


def test_a_higher_priority_goes_first_and_waiting_makes_up_for_a_lower_one() -> None:
    low, high = Caller("x", 3), Caller("x", 0)
    assert order(room_of(("low", low, 0.0), ("high", high, 1.0 * AGING_S)), 1.0) == ["high", "low"]
    assert order(room_of(("low", low, 0.0), ("high", high, 3.5 * AGING_S)), 3.5) == ["low", "high"]
    assert order(room_of(("low", Caller("x", 3), 0.0), ("high", Caller("y", 0), 0.0)), 0.5) == ["high", "low"]


def test_who_leaves_is_not_called() -> None:
    room = room_of(("a", Caller("x"), 0.0), ("b", Caller("x"), 0.0), ("c", Caller("y"), 0.0))
    room.discard("a")
    room.discard("a")
    room.discard("unknown")
    assert (len(room), sorted(room)) == (2, ["b", "c"])
    assert sorted(order(room)) == ["b", "c"]
    assert room.peek(0.0) is None


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("push"), st.integers(0, 3), st.integers(-3, 3)),
        st.tuples(st.just("pop"), st.integers(1, 40), st.just(0)),
        st.tuples(st.just("leave"), st.integers(0, 50), st.just(0)),
    ),
    max_size=60,
)


@given(EVENTS)
def test_everyone_who_stays_gets_exactly_one_turn(events: list[tuple[str, int, int]]) -> None:
    room: WaitingRoom[int] = WaitingRoom()
    inside: list[int] = []
    for now, (kind, value, priority) in enumerate(events):
        if kind == "push":
            room.push(now, Caller(str(value), priority), float(now))
            inside.append(now)
        elif kind == "pop" and inside:
            expected = room.peek(float(now))
            found = room.pop(float(now))
            assert found == expected
            inside.remove(found)
        elif kind == "leave" and inside:
            room.discard(inside.pop(value % len(inside)))
        assert sorted(room) == inside
    assert sorted(room.pop(1e3) for _ in range(len(inside))) == inside


@given(st.integers(1, 30), st.integers(1, 5))
def test_nobody_starves_beside_a_flood_of_higher_priority(level: int, served: int) -> None:
    room = room_of(("low", Caller("low", level), 0.0))
    turns = 0
    for now in range(1000):
        room.push(f"high-{now}", Caller("flood", 0), float(now))
        turns += 1
        if room.pop(float(now)) == "low":
            break
        room.charge("flood", served)
    assert turns <= level * AGING_S + 2


@given(st.lists(st.integers(1, 9), min_size=2, max_size=4))
def test_busy_clients_are_served_alike(lengths: list[int]) -> None:
    room: WaitingRoom[tuple[int, int]] = WaitingRoom()
    served = [0] * len(lengths)
    for client in range(len(lengths)):
        for number in range(200):
            room.push((client, number), Caller(str(client)), 0.0)
    for _ in range(150):
        client, _number = room.pop(0.5)
        served[client] += lengths[client]
        room.charge(str(client), lengths[client])
    assert max(served) - min(served) <= 2 * max(lengths)
