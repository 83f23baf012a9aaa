import numpy as np
import pytest

from export.drawing import Case
from export.errors import ParityError
from export.parity import Decision, Measure, Runner, check_declared, compare, gate, measure, relative
from export.recipe import with_texts
from service.bundle import Generate, Predict, Score, Signature, StepGraph, Tensor, Tokenizer

TABLE = np.random.default_rng(0).standard_normal((20, 5))
WEIGHTS = np.random.default_rng(1).standard_normal((5, 3))


def bag_of_words(*, lengths_matter: bool = True, weights: np.ndarray = WEIGHTS) -> Runner:
    """The mean of the vectors of a row's tokens, weighted; or of its padding too."""

    def run(feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        time = feeds["ids"].shape[1]
        lengths = feeds["lengths"] if lengths_matter else np.full(len(feeds["ids"]), time)
        mask = (np.arange(time) < lengths[:, None])[..., None]
        mean = (TABLE[feeds["ids"]] * mask).sum(1) / lengths[:, None]
        return {"probabilities": (mean @ weights).astype(np.float32)}

    return run


def test_equal_sides_pass_and_the_gate_says_how_far_it_looked(words: Signature) -> None:
    reached = gate("bag", words, (bag_of_words(), bag_of_words()), Measure())
    assert reached.max_relative == 0.0
    assert reached.cases == 3 * 3 * 2
    assert reached.ragged


def test_a_graph_that_ignores_lengths_is_refused(words: Signature) -> None:
    with pytest.raises(ParityError, match=r"signature 'bag' \(batch \d+, time \d+.*ragged\): output 'probab"):
        gate("bag", words, (bag_of_words(), bag_of_words(lengths_matter=False)), Measure())


def test_inputs_that_fill_their_rows_would_not_have_noticed(words: Signature) -> None:
    full = words.model_copy(update={"inputs": (words.inputs[0], words.inputs[1])})
    one_token = [Case(rows, {"time": 1}, seed) for rows in (1, 32) for seed in (0, 1)]
    sides = bag_of_words(), bag_of_words(lengths_matter=False)
    assert gate("bag", full, sides, Measure(), drawn=one_token).max_relative == 0.0


def test_a_perturbed_weight_is_refused(words: Signature) -> None:
    perturbed = WEIGHTS.copy()
    perturbed[2, 1] += 0.01
    with pytest.raises(ParityError, match=r"tolerance is 1\.0e-04"):
        gate("bag", words, (bag_of_words(), bag_of_words(weights=perturbed)), Measure())


def test_a_wider_tolerance_lets_it_pass(words: Signature) -> None:
    perturbed = WEIGHTS + 1e-3
    reached = gate("bag", words, (bag_of_words(), bag_of_words(weights=perturbed)), Measure(tolerance=0.1))
    assert 1e-4 < reached.max_relative < 0.1
    assert reached.tolerance == 0.1


def test_the_difference_is_relative_to_one_and_the_number() -> None:
    assert relative(np.array([0.0, 99.0]), np.array([0.1, 100.0])) == pytest.approx(0.1)
    assert relative(np.array([99.0]), np.array([100.0])) == pytest.approx(0.01)


def test_equal_infinities_do_not_differ_and_nothing_else_equals_one() -> None:
    assert relative(np.array([-np.inf]), np.array([-np.inf])) == 0.0
    assert relative(np.array([-np.inf]), np.array([0.0])) == np.inf
    assert relative(np.array([0.0]), np.array([np.nan])) == np.inf


def test_not_a_number_is_refused_even_if_both_say_so() -> None:
    answer = {"y": np.array([np.nan])}
    with pytest.raises(ParityError, match="output 'y' of the SavedModel is not a number"):
        compare(answer, answer, Measure())


@pytest.mark.parametrize(
    ("got", "reason"),
    [
        ({"z": np.zeros(2)}, r"outputs are \['z'\], expected \['y'\]"),
        ({"y": np.zeros(3)}, r"output 'y' is float64\[3\], expected float64\[2\]"),
        ({"y": np.zeros(2, np.float32)}, r"output 'y' is float32\[2\], expected float64\[2\]"),
    ],
)
def test_other_names_shapes_and_dtypes_are_refused(got: dict[str, np.ndarray], reason: str) -> None:
    with pytest.raises(ParityError, match=reason):
        compare({"y": np.zeros(2)}, got, Measure())


def test_integers_must_be_equal() -> None:
    with pytest.raises(ParityError, match="output 'label' differs in 1 of 3 places"):
        compare({"label": np.array([1, 2, 3])}, {"label": np.array([1, 2, 4])}, Measure())


def answer(verdict: list[bool], score: list[float]) -> dict[str, np.ndarray]:
    """An answer with the threshold 1."""
    return {"alarm": np.array(verdict), "score": np.array(score), "limit": np.ones(len(score))}


def test_a_verdict_may_differ_where_the_score_is_at_its_threshold() -> None:
    by = Measure(1e-4, (Decision("alarm", "score", "limit"),))
    assert compare(answer([True, False], [1.00001, 0.5]), answer([False, False], [0.99999, 0.5]), by) < 1e-4


def test_a_verdict_may_not_differ_where_the_score_is_clear() -> None:
    by = Measure(1e-4, (Decision("alarm", "score", "limit"),))
    with pytest.raises(ParityError, match="output 'alarm' differs in 1 of 2 places"):
        compare(answer([True, False], [1.5, 0.5]), answer([False, False], [1.5, 0.5]), by)


def test_only_the_task_score_has_a_verdict() -> None:
    task = Score(
        signature="score", input="x", features=("a",), score="score", is_anomaly="alarm", threshold="limit",
        contributions="c",
    )  # fmt: skip
    assert measure(task).decisions == (Decision("alarm", "score", "limit"),)
    assert measure(Predict()).decisions == ()


def test_no_sequence_is_longer_than_the_task_allows(words: Signature) -> None:
    tokenizer = Tokenizer(kind="characters", file="assets.extra/vocabulary.json")
    step = StepGraph(signature="step", tokens="ids", logits="logits", state=())
    task = Generate(step=step, tokenizer=tokenizer, vocabulary_size=20, max_prompt_tokens=9, max_new_tokens=9)
    assert measure(task).longest == 9
    longest = 0

    def side(feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        nonlocal longest
        longest = max(longest, feeds["ids"].shape[1])
        return bag_of_words()(feeds)

    gate("bag", words, (side, side), measure(task))
    assert longest == 9


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros((2, 3)), "output 'y' is float64, declared is float32"),
        (np.zeros((2, 4), np.float32), r"output 'y' has the shape \[2, 4\]"),
        (np.zeros((3, 3), np.float32), r"output 'y' has the shape \[3, 3\]"),
        (np.zeros(2, np.float32), r"output 'y' has the shape \[2\]"),
    ],
)
def test_an_answer_that_is_not_the_declared_one_is_refused(array: np.ndarray, reason: str) -> None:
    declared = (Tensor(name="y", dtype="float32", shape=("batch", 3)),)
    with pytest.raises(ParityError, match=reason):
        check_declared(declared, {"y": array}, Case(2, {}, 0))


def test_texts_must_be_equal_whichever_way_a_runtime_holds_them() -> None:
    saved = with_texts({"words": np.array([[b"caf\xc3\xa9", b"a"]], object)})
    assert compare(saved, with_texts({"words": np.array([["café", "a"]], object)}), Measure()) == 0.0
    check_declared((Tensor(name="words", dtype="string", shape=("batch", "k")),), saved, Case(1, {}, 0))
    for other in (["café", "b"], ["café", "longer"]):
        with pytest.raises(ParityError, match="output 'words'"):
            compare(saved, with_texts({"words": np.array([other], object)}), Measure())
    with pytest.raises(ParityError, match="declared is string"):
        check_declared(
            (Tensor(name="n", dtype="string", shape=("batch",)),), {"n": np.ones(1)}, Case(1, {}, 0)
        )
