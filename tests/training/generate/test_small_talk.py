"""What is asked and replied, and that a wording that is held out is never trained on."""

import random
from itertools import islice

from service.protocols.openai import template
from training.generate import facts, small_talk
from training.generate.small_talk import Exchange, exchange
from training.generate.topics import CLOSINGS, OPENINGS, TOPICS, Memory


def some(count: int, seed: int = 1) -> list[Exchange]:
    return list(islice(small_talk.conversations(seed), count))


def test_a_question_has_one_reply() -> None:
    replies = dict[str, str]()
    for drawn in some(20_000):
        assert replies.setdefault(drawn.question, drawn.reply) == drawn.reply


def test_every_topic_is_drawn_and_fills_its_slots() -> None:
    rng, seen = random.Random(1), set[str]()
    for topic in TOPICS:
        memory = Memory(subject=topic.needs, place="Rome", name="Ben")
        slots, reply, _ = topic.draw(rng, memory)
        for words in topic.wordings:
            assert "{" not in words.format(**slots)
        assert reply[0].isupper()
        assert reply[-1] in ".!?"
        assert {topic.opening} <= OPENINGS.keys() & CLOSINGS.keys()
        seen.add(topic.name)
    assert len(seen) == len(TOPICS)


def test_a_follow_up_means_what_was_talked_about() -> None:
    rng = random.Random(2)
    memory = Memory(subject="weather", place="Oslo")
    follow_ups = [exchange(rng, memory)[0] for _ in range(500)]
    assert any(each.reply == "In winter it is very cold in Oslo." for each in follow_ups)
    assert not any(
        each.reply.startswith("The opposite of") and "and of" in each.question for each in follow_ups
    )


def test_a_name_is_remembered_until_the_end() -> None:
    rng, memory = random.Random(3), Memory(name="Zoe")
    replies = {exchange(rng, memory)[0].reply for _ in range(1000)}
    assert {
        "Your name is Zoe.",
        "Goodbye, Zoe! Have a nice day.",
        "Hello, Zoe! How can I help you?",
    } <= replies


def test_what_came_before_is_of_wordings_that_are_trained_on() -> None:
    trained = {
        drawn.question for drawn in some(4000) if drawn.share >= small_talk.HELD_OUT + small_talk.VALIDATION
    }
    held_out = [drawn for drawn in some(4000) if drawn.share < small_talk.HELD_OUT]
    assert 0.05 < len(held_out) / 4000 < 0.15
    assert not trained & {drawn.question for drawn in held_out}


def test_a_transcript_is_what_the_gateway_makes_of_messages() -> None:
    texts = ["Hi, I am Ida.", "Nice to meet you, Ida!", "Who am I?"]
    messages = zip(("user", "assistant", "user"), texts, strict=True)
    assert small_talk.transcript(texts) == template.prompt_of(messages)
    assert small_talk.transcript(texts[:1]) == texts[0]


def test_numbers_are_written_in_words() -> None:
    assert [facts.number(value) for value in (0, 13, 20, 42, 100)] == [
        "zero", "thirteen", "twenty", "forty two", "one hundred",
    ]  # fmt: skip


def test_every_opposite_goes_both_ways() -> None:
    assert all(facts.OPPOSITES[other] == word for word, other in facts.OPPOSITES.items())
