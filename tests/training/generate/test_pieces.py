"""What of a question counts, and that replies come back exactly."""

import pytest

from training.generate import pairs, pieces

PAIRS = pairs.from_small_talk(pairs.Sizes(2000, 10, 10), seed=1).train
QUESTIONS = pieces.learn_questions((question for question, _ in PAIRS), 600)
REPLIES = pieces.learn_replies((reply for _, reply in PAIRS), 600)


def ids(text: str) -> list[int]:
    return list(QUESTIONS.encode(text).ids)


@pytest.mark.parametrize(
    "other",
    [
        "hello there",
        "  HELLO,  there!! ",
        "user:\nHello there\nassistant:",
        "user:\nHello there!\nassistant:\n",
        "system:\nBe kind:\nand brief.\nuser:\nHello there.\nassistant:",
        "developer:\nBe kind.\nsystem:\nAnd brief.\nuser:\nHello there?\nassistant:",
    ],
)
def test_capitals_punctuation_and_the_frame_of_one_message_do_not_count(other: str) -> None:
    assert ids(other) == ids("Hello there!")


def test_a_conversation_is_not_its_last_message() -> None:
    told = "user:\nI am Ben.\nassistant:\nNice to meet you, Ben!\nuser:\nWho am I?\nassistant:"
    assert ids(told) != ids("Who am I?")
    assert ids(told)[-len(ids("who am i")) :] == ids("who am i")
    assert ids(told) != ids(told.replace("\nassistant:\nN", "\nuser:\nN"))


def test_a_reply_comes_back_to_the_letter() -> None:
    for reply in sorted({reply for _, reply in PAIRS}):
        assert REPLIES.decode(REPLIES.encode(reply).ids) == reply


def test_questions_end_and_replies_begin_and_end() -> None:
    (question,) = pieces.question_ids(QUESTIONS, ["hello"])
    (reply,) = pieces.reply_ids(REPLIES, ["Hello!"])
    assert question == [*ids("hello"), pieces.END]
    assert (reply[0], reply[-1]) == (pieces.START, pieces.END)
