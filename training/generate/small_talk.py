"""Small talk of our own making: questions in many wordings, and the one reply that each of them has.

Knows what is asked and what is said; knows nothing of tokens, files or models. Topics and their facts are in
`topics`. A conversation is drawn exchange by exchange: what was said before (a name, the last subject) decides
what a follow-up such as "and in winter?" means.

A wording is an opening, the topic's own words and a closing. A fixed share of all wordings is set aside by a hash:
none of them is ever asked in training, every held-out question is asked in one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b

from training.generate.topics import CLOSINGS, OPENINGS, TOPICS, Memory, Topic

HELD_OUT = 0.1
VALIDATION = 0.05
LONGEST_HISTORY = 3
ROLES = ("user", "assistant")


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question with its reply; `share`, in [0, 1), depends on the wording alone."""

    question: str
    reply: str
    share: float


def transcript(texts: list[str]) -> str:
    """Return a conversation, begun by the user, as the gateway's chat hands it to a model; one text stays as it is.

    Each text stands below a line with its role, and the line `assistant:` is last.
    """
    if len(texts) == 1:
        return texts[0]
    lines = [f"{ROLES[index % 2]}:\n{text}\n" for index, text in enumerate(texts)]
    return "".join(lines) + "assistant:\n"


def conversations(seed: int) -> Iterator[Exchange]:
    """Yield questions without end; many have a conversation before them, which is of training wordings alone."""
    rng = random.Random(seed)
    while True:
        memory, texts = Memory(), list[str]()
        for _ in range(rng.choice((0, 0, 0, 1, 1, 2, LONGEST_HISTORY))):
            asked, memory = exchange(rng, memory)
            if asked.share < HELD_OUT + VALIDATION:
                memory, texts = Memory(), []
                break
            texts += [asked.question, asked.reply]
        last, _ = exchange(rng, memory)
        yield replace(last, question=transcript([*texts, last.question]))


def exchange(rng: random.Random, memory: Memory) -> tuple[Exchange, Memory]:
    """Draw a question that fits what is remembered; return it, and what is remembered after it."""
    fitting = [topic for topic in TOPICS if topic.needs in {"", memory.subject}]
    topic = rng.choices(fitting, [each.weight for each in fitting])[0]
    words = rng.choice(topic.wordings)
    opening = rng.choice(OPENINGS[topic.opening]) if rng.random() < 0.6 else ""
    closing = rng.choice(CLOSINGS[topic.opening]) if rng.random() < 0.4 else ""
    slots, reply, after = topic.draw(rng, memory)
    question = " ".join(part for part in (opening, words.format(**slots), closing) if part)
    return Exchange(_written(rng, question, topic), reply, _share(topic.name, opening, words, closing)), after


def _written(rng: random.Random, question: str, topic: Topic) -> str:
    """Write it with the capitals and the mark that people may or may not make."""
    if rng.random() < 0.8:
        question = question[0].upper() + question[1:]
    return question + (topic.mark if rng.random() < 0.8 else "")


def _share(*wording: str) -> float:
    digest = blake2b("\t".join(wording).encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64
