"""Where questions and replies come from, and that what is held out was never trained on."""

from pathlib import Path

import pytest

from training.errors import DataError
from training.generate import pairs
from training.generate.pairs import Sizes

SIZES = Sizes(train=1000, validation=30, held_out=60)


def test_small_talk_fills_every_part_and_no_question_is_in_two() -> None:
    found = pairs.read(None, SIZES, seed=3)
    assert found.summary.sizes == {"train": 1000, "validation": 30, "held out": 60}
    parts = [{question for question, _ in part} for part in (found.train, found.validation, found.held_out)]
    assert len(set.union(*parts)) == 1090


def test_the_same_seed_gives_the_same_pairs_and_another_others() -> None:
    assert pairs.read(None, SIZES, 3) == pairs.read(None, SIZES, 3)
    assert pairs.read(None, SIZES, 3) != pairs.read(None, SIZES, 4)


def write(path: Path, lines: list[str]) -> str:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def test_a_file_is_split_by_the_letters_of_its_questions(tmp_path: Path) -> None:
    lines = [f"{text}\tReply {i}.\tmore" for i in range(400) for text in (f"Say {i}!", f"say {i}")]
    found = pairs.read(write(tmp_path / "talk.tsv", ["", *lines, "  "]), Sizes(9999, 99, 99), seed=1)
    assert sum(found.summary.sizes.values()) == 800
    assert found.summary.source == "talk.tsv, questions with replies"
    trained = {question.casefold().rstrip("!") for question, _ in found.train}
    assert not trained & {question.casefold().rstrip("!") for question, _ in found.held_out}
    assert all("more" not in reply for _, reply in found.train)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["Hi\tHello", "Bye"], "talk.tsv, line 2: expected a question, a tab and its reply, found no tab"),
        (["Hi\tHello", "", "\tBye"], "talk.tsv, line 3: the question has neither a letter nor a digit"),
        (["??\tWhat?"], "talk.tsv, line 1: the question has neither a letter nor a digit"),
        (["Hi\t "], "talk.tsv, line 1: the reply is empty"),
        (["Hi\tHello"], "talk.tsv has 1 different pairs, too few to train on and hold some out"),
    ],
)
def test_a_file_that_holds_no_pairs_is_refused_in_one_sentence(
    tmp_path: Path, lines: list[str], message: str
) -> None:
    with pytest.raises(DataError, match=message.replace("?", r"\?")):
        pairs.read(write(tmp_path / "talk.tsv", lines), SIZES, 1)


def test_a_file_that_is_missing_or_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        pairs.read(str(tmp_path / "absent.tsv"), SIZES, 1)
    (tmp_path / "bytes.tsv").write_bytes(b"a\tb\n\xff\tc\n")
    with pytest.raises(DataError, match=r"bytes.tsv is not UTF-8: byte 4 is"):
        pairs.read(str(tmp_path / "bytes.tsv"), SIZES, 1)
