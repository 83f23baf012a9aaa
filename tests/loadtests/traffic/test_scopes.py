"""Scopes: names of parts of the traffic, what they weigh, and times of thinking."""

import pytest

from loadtests.traffic import durations, scopes, thinking

LABELS = ("generate", "prose", "openai-stream", "rest")


@pytest.mark.parametrize(
    ("text", "within"),
    [("", True), ("prose", True), ("rest/generate", True), ("grpc", False), ("prose/grpc", False), ("grpc,prose", True)],
)  # fmt: skip
def test_a_scope_means_what_has_all_its_parts(text: str, within: bool) -> None:
    assert any(scope <= set(LABELS) for scope in scopes.parse_all(text)) is within


def test_weights_of_all_scopes_that_fit_are_multiplied() -> None:
    weights = scopes.weights("generate=3, prose/rest=0.5, grpc=0")
    assert scopes.weight(weights, LABELS) == 1.5
    assert scopes.weight(weights, ("score", "boxes", "tasks-grpc", "grpc")) == 0
    assert scopes.weight({}, LABELS) == 1


@pytest.mark.parametrize(
    "text", ["generate", "generate=", "generate=-1", "generate=x", "=2", "a//b=1", "a=nan"]
)
def test_what_is_no_weight_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        scopes.weights(text)


@pytest.mark.parametrize("text", ["/", "a/", ",", "a,,b"])
def test_what_is_no_scope_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        scopes.parse_all(text)


@pytest.mark.parametrize(("text", "seconds"), [("0", (0, 0)), ("0.5", (0.5, 0.5)), ("0.1..2", (0.1, 2))])
def test_thinking_takes_one_time_or_two(text: str, seconds: tuple[float, float]) -> None:
    assert thinking.parse(text) == seconds


@pytest.mark.parametrize("text", ["", "-1", "2..1", "1..", "inf", "nan", "1..inf", "soon"])
def test_what_is_no_time_to_think_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected seconds"):
        thinking.parse(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("50ms", 0.05), ("1.5s", 1.5), ("5m", 300), ("4h", 14_400), ("250us", 0.00025)]
)
def test_durations_have_units(text: str, seconds: float) -> None:
    assert durations.seconds_of(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["5", "0s", "-1s", "s", "1d", "1 s", "1e3s", "9" * 400 + "s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a positive duration"):
        durations.seconds_of(text)


def test_durations_are_told_in_the_unit_that_fits() -> None:
    assert [durations.told(each) for each in (0.00123, 0.5, 1.5, 12345.6)] == [
        "1.23 ms",
        "500 ms",
        "1.5 s",
        "12346 s",
    ]
