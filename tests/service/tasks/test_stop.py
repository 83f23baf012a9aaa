"""Where a text must end, although it comes in pieces."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from service.tasks.stop import StopMatcher


def cut(stops: Sequence[str], parts: Sequence[str]) -> tuple[list[str], bool]:
    matcher = StopMatcher(stops)
    texts = []
    for part in parts:
        text, stopped = matcher.push(part)
        texts.append(text)
        if stopped:
            return texts, True
    return [*texts, matcher.flush()], False


def plainly(stops: Sequence[str], text: str) -> tuple[str, bool]:
    """Look at every beginning of the text: the first that ends with a stop string is cut there."""
    for end in range(1, len(text) + 1):
        found = [stop for stop in stops if text[:end].endswith(stop)]
        if found:
            return text[: end - max(map(len, found))], True
    return text, False


def test_a_stop_string_across_pieces_is_found_and_no_part_of_it_let_through() -> None:
    assert cut(["END"], ["one E", "N", "D two"]) == (["one ", "", ""], True)


def test_what_only_looked_like_a_stop_string_comes_later() -> None:
    assert cut(["END"], ["E", "N", "TER"]) == (["", "", "ENTER", ""], False)
    assert cut(["END"], ["the E"]) == (["the ", "E"], False)


def test_without_stop_strings_everything_passes() -> None:
    assert cut([], ["a", "b"]) == (["a", "b", ""], False)


def test_the_string_that_is_complete_first_counts() -> None:
    assert cut(["abcd", "bc"], ["abcd"]) == (["a"], True)
    assert cut(["c", "abc"], ["xabc"]) == (["x"], True)


@given(
    st.lists(st.text("ab", min_size=1, max_size=4), max_size=4),
    st.lists(st.text("abc", max_size=5), max_size=8),
)
def test_pieces_are_cut_where_the_whole_text_would_be(stops: list[str], parts: list[str]) -> None:
    texts, stopped = cut(stops, parts)
    assert ("".join(texts), stopped) == plainly(stops, "".join(parts))


@given(st.text("ab", min_size=1, max_size=4), st.lists(st.text("abc", max_size=5), max_size=8))
def test_no_more_is_held_back_than_might_be_the_stop_string(stop: str, parts: list[str]) -> None:
    matcher = StopMatcher([stop])
    given_so_far = seen = ""
    for part in parts:
        text, stopped = matcher.push(part)
        if stopped:
            return
        given_so_far += text
        seen += part
        held = seen[len(given_so_far) :]
        assert stop.startswith(held)
        assert not any(
            stop.startswith(seen[start:]) for start in range(len(seen) - len(held)) if seen[start:]
        )
