"""Reviews of films of our own making, in which no word tells the verdict by itself.

Knows a grammar of praise and blame; knows nothing of tokens, files or models. A statement says what it says or denies
the opposite ("not bad at all", "nobody could call the plot dull"); a sentence may concede the opposite first or last
("although the acting is brilliant, I did not enjoy the plot"), and then its main clause decides. Good and bad words are
about as frequent in either kind of review: what counts is which words are denied, and which clause they stand in.

A fixed share of all sentences is set aside by a hash: none of them occurs in training, held-out reviews have no others.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from hashlib import blake2b
from typing import Literal

Part = Literal["train", "validation", "held_out"]

SHARES: dict[Part, tuple[float, float]] = {
    "held_out": (0.0, 0.1),
    "validation": (0.1, 0.15),
    "train": (0.15, 1.0),
}
"""Which hashes the sentences of a part have."""

LABELS = ("negative", "positive")

ASPECTS = (
    "the plot", "the acting", "the ending", "the music", "the dialogue", "the camera work", "the script",
    "the main character", "the first half", "the second half", "the humour", "the pacing", "the cast",
    "the film", "the opening scene", "the costume design", "the love story", "the villain",
)  # fmt: skip
ADJECTIVES = (
    ("bad", "awful", "dull", "boring", "clumsy", "annoying", "predictable", "tiresome", "shallow", "pointless",
     "dreadful", "forgettable", "lifeless", "a mess", "a failure"),
    ("good", "great", "brilliant", "clever", "moving", "funny", "gripping", "beautiful", "memorable", "charming",
     "delightful", "convincing", "refreshing", "a triumph", "a masterpiece"),
)  # fmt: skip
VERBS = (
    (("hated", "hate"), ("disliked", "dislike"), ("regretted", "regret"), ("despised", "despise")),
    (("loved", "love"), ("enjoyed", "enjoy"), ("liked", "like"), ("admired", "admire")),
)
DEGREES = ("", "", "really ", "very ", "truly ", "quite ", "simply ")
DENIALS = ("not", "never", "far from", "anything but", "not at all", "by no means", "hardly", "in no way")
DENIED = (
    "nobody could call {aspect} {word}",
    "it would be wrong to call {aspect} {word}",
    "I cannot say that {aspect} was {word}",
    "at no point did I find {aspect} {word}",
)
UNDENIED = (
    "nobody can deny that {aspect} was {word}",
    "I cannot say that {aspect} was not {word}",
    "it is not true that {aspect} was not {word}",
)
CONTRASTS = (
    "although {other}, {main}",
    "{main}, although {other}",
    "{other}, but {main}",
    "even if {other}, {main}",
    "{main}, even if {other}",
    "while {other}, {main}",
    "{other}, and yet {main}",
    "{main}, despite what some say: that {other}",
    "my friends say that {other}; I say that {main}",
    "I had heard that {other}, which is wrong: {main}",
)
NEUTRAL = (
    "We saw it {place} {day}",
    "I watched it {place} with {company}",
    "{company} had bought the tickets {day}",
    "It runs for {number} minutes",
    "The story takes place {setting} and covers {number} days",
    "It is the director's {ordinal} film, shot {setting}",
    "{company} and I talked about it {day}",
)
CONTRACTIONS = (("was not", "wasn't"), ("did not", "didn't"), ("cannot", "can't"))
SLOTS = {
    "place": ("at the cinema", "at home", "on a long flight", "in a small theatre", "on my phone", "at a festival"),
    "day": ("on Sunday", "last week", "on a rainy evening", "in March", "yesterday", "after work", "on my birthday"),
    "company": ("my sister", "an old friend", "my parents", "two colleagues", "our neighbour", "the whole family"),
    "number": ("ninety", "a hundred", "a hundred and ten", "eighty", "a hundred and forty", "seventy-five"),
    "setting": ("in Norway", "in the fifties", "on a ship", "in a village", "in New York", "during a war", "at sea"),
    "ordinal": ("first", "second", "third", "fourth", "latest"),
}  # fmt: skip


def review(rng: random.Random, verdict: int, part: Part) -> str:
    """Draw a review whose every opinion is of `verdict` (1 for, 0 against), among sentences that have none."""
    opinions: list[Callable[[], str]] = [lambda: opinion(rng, verdict)] * rng.choice((1, 1, 2))
    others: list[Callable[[], str]] = [lambda: _neutral(rng)] * rng.choice((0, 0, 1, 1, 2, 3, 5))
    kinds = opinions + others
    rng.shuffle(kinds)
    return " ".join(_of_part(kind, part) for kind in kinds)


def opinion(rng: random.Random, verdict: int) -> str:
    """Draw a sentence of opinion, without capital and full stop."""
    first, second = rng.sample(ASPECTS, 2)
    if rng.random() < 0.4:
        return statement(rng, verdict, first)
    other, main = statement(rng, 1 - verdict, first), statement(rng, verdict, second)
    return rng.choice(CONTRASTS).format(other=other, main=main)


def statement(rng: random.Random, verdict: int, aspect: str) -> str:
    """Draw a clause that is for (1) or against (0) one aspect."""
    said, opposite = rng.choice(ADJECTIVES[verdict]), rng.choice(ADJECTIVES[1 - verdict])
    forms = (
        lambda: f"{aspect} was {'' if ' ' in said else rng.choice(DEGREES)}{said}",
        lambda: f"{aspect} was {rng.choice(DENIALS)} {opposite}",
        lambda: f"{aspect} was not {opposite} at all",
        lambda: f"I {rng.choice(VERBS[verdict])[0]} {aspect}",
        lambda: f"I did not {rng.choice(VERBS[1 - verdict])[1]} {aspect}",
        lambda: rng.choice(DENIED).format(aspect=aspect, word=opposite),
        lambda: rng.choice(UNDENIED).format(aspect=aspect, word=said),
    )
    # As many that name what they mean as that deny the opposite.
    clause = rng.choices(forms, (3, 2, 1, 2, 2, 2, 2))[0]()
    for long, short in CONTRACTIONS if rng.random() < 0.3 else ():
        clause = clause.replace(long, short)
    return clause


def _neutral(rng: random.Random) -> str:
    return rng.choice(NEUTRAL).format(**{name: rng.choice(words) for name, words in SLOTS.items()})


def _of_part(draw: Callable[[], str], part: Part) -> str:
    """Draw sentences until one belongs to `part`."""
    low, high = SHARES[part]
    while True:
        sentence = draw()
        if low <= share(sentence) < high:
            return f"{sentence[0].upper()}{sentence[1:]}."


def share(sentence: str) -> float:
    """Return a number in [0, 1) that hangs on the sentence alone."""
    return int.from_bytes(blake2b(sentence.encode(), digest_size=8).digest()) / 2**64
