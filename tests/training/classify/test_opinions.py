"""Reviews made here: what they mean, and that it takes more than their words to know."""

import random
import re

import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.naive_bayes import BernoulliNB

from training.classify import opinions
from training.classify.opinions import ADJECTIVES, CONTRASTS, SHARES, VERBS, opinion, review, statement

DENIAL = re.compile(
    r"\b(not true|not|never|far from|anything but|by no means|hardly|in no way|nobody|wrong to|cannot|can't|wasn't|didn't"
    r"|at no point|deny)\b"
)


def meaning(clause: str) -> int:
    """Return 1 if a clause is for what it speaks of: its one word of praise or blame, turned by each denial."""
    words = [*ADJECTIVES, *([form for verb in verbs for form in verb] for verbs in VERBS)]
    found = [
        place % 2
        for place, names in enumerate(words)
        for name in names
        if re.search(rf"\b{name}\b", clause.replace("love story", ""))
    ]
    assert len(set(found)) == 1, clause
    return (found[0] + len(DENIAL.findall(clause))) % 2


def test_a_statement_means_its_verdict_however_often_it_denies() -> None:
    rng = random.Random(0)
    denials = set()
    for _ in range(2000):
        verdict = rng.randrange(2)
        clause = statement(rng, verdict, "the plot")
        denials.add(len(DENIAL.findall(clause)))
        assert meaning(clause) == verdict, clause
    assert denials == {0, 1, 2}


@pytest.mark.parametrize("frame", CONTRASTS)
def test_the_main_clause_decides_against_one_of_the_opposite(frame: str) -> None:
    """A frame that was drawn holds two clauses; the one in the place of `main` has the verdict."""
    pattern = re.compile(
        "^"
        + re.escape(frame).replace(r"\{other\}", "(?P<other>.+)").replace(r"\{main\}", "(?P<main>.+)")
        + "$"
    )
    rng, checked = random.Random(1), 0
    while checked < 20:
        verdict = rng.randrange(2)
        found = pattern.match(opinion(rng, verdict))
        if found is None or any(mark in found["other"] + found["main"] for mark in ",;"):
            continue
        other, main = (re.sub(r"^(even if|although|while) ", "", found[name]) for name in ("other", "main"))
        assert (meaning(other), meaning(main)) == (1 - verdict, verdict), found.string
        checked += 1


def test_no_sentence_is_in_two_parts() -> None:
    rng = random.Random(0)
    seen = {
        part: {sentence for _ in range(300) for sentence in re.findall(r"[^.]+\.", review(rng, 1, part))}
        for part in SHARES
    }
    sentences = [sentence.strip() for part in seen.values() for sentence in {each.strip() for each in part}]
    assert len(set(sentences)) == len(sentences)


def test_words_without_their_order_do_not_tell_the_verdict() -> None:
    def drawn(count: int, part: opinions.Part) -> tuple[list[str], list[int]]:
        rng = random.Random(7)
        verdicts = [place % 2 for place in range(count)]
        return [review(rng, verdict, part) for verdict in verdicts], verdicts

    known, truth = drawn(3000, "train")
    asked, wanted = drawn(500, "held_out")
    counter = CountVectorizer(binary=True)
    bag = BernoulliNB().fit(counter.fit_transform(known), truth)
    assert bag.score(counter.transform(asked), wanted) < 0.7
