"""What a sentence means, before it is said in either language: who does what to whom, and when.

Knows words as the lexicon has them, and nothing of how a language orders or inflects them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from training.translate.lexicon import Adjective, Noun, Phrase, Verb


class Tense(Enum):
    """When something happens; the comment is English, then French."""

    PRESENT = auto()  # reads: lit
    PROGRESSIVE = auto()  # is reading: lit
    PAST = auto()  # read: a lu
    IMPERFECT = auto()  # was reading, used to know, was: lisait
    FUTURE = auto()  # will read: lira
    GOING = auto()  # is going to read: va lire
    CONDITIONAL = auto()  # would read: lirait


class Negation(Enum):
    """How a clause is negated; the value is the second French word."""

    NONE = ""
    NOT = "pas"
    NEVER = "jamais"
    NO_LONGER = "plus"


@dataclass(frozen=True, slots=True)
class Pronoun:
    """A personal pronoun. Those of the first and second person are masculine, and "you" is several."""

    person: int
    plural: bool
    feminine: bool = False
    animate: bool = True


@dataclass(frozen=True, slots=True)
class Name:
    """A person's name."""

    name: str
    feminine: bool
    person: int = 3
    plural: bool = False
    animate: bool = True


@dataclass(frozen=True, slots=True)
class NounPhrase:
    """A noun with what belongs to it: "the old car of the teacher that you see"."""

    noun: Noun
    determiner: str
    plural: bool = False
    adjectives: tuple[Adjective, ...] = ()
    owner: Participant | None = None
    relative: Clause | None = None

    person = 3

    @property
    def feminine(self) -> bool:
        """The gender of the noun."""
        return self.noun.feminine

    @property
    def animate(self) -> bool:
        """Whether it is "who" rather than "that"."""
        return self.noun.category == "person"


@dataclass(frozen=True, slots=True)
class Gap:
    """The place in a relative clause that the noun before it fills."""

    noun: Noun
    plural: bool

    person = 3

    @property
    def feminine(self) -> bool:
        """The gender of the noun."""
        return self.noun.feminine

    @property
    def animate(self) -> bool:
        """Whether it is "who" rather than "that"."""
        return self.noun.category == "person"


Participant: TypeAlias = Pronoun | Name | NounPhrase | Gap


@dataclass(frozen=True, slots=True)
class Place:
    """Where: a preposition ("" where the verb brings its own) and a phrase."""

    preposition: Phrase | None
    phrase: NounPhrase


@dataclass(frozen=True, slots=True)
class Clause:
    """One verb with its participants and circumstances."""

    subject: Participant
    verb: Verb
    tense: Tense
    negation: Negation = Negation.NONE
    object: Participant | None = None
    recipient: Participant | None = None
    attribute: Adjective | None = None
    compared_to: Participant | None = None
    modal: Verb | None = None
    frequency: Phrase | None = None
    manner: Phrase | None = None
    place: Place | None = None
    time: Phrase | None = None
    content: Clause | None = None


@dataclass(frozen=True, slots=True)
class Existence:
    """Something is somewhere: there is a dog in the garden, il y a un chien dans le jardin."""

    tense: Tense
    negated: bool
    thing: NounPhrase
    place: Place


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence of one clause, or of two with a conjunction between them."""

    first: Clause | Existence
    conjunction: Phrase | None = None
    second: Clause | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """A yes-or-no question, or one that begins with a question word."""

    word: Phrase | None
    clause: Clause


Sentence: TypeAlias = Statement | Question


def combinations(sentence: Sentence) -> frozenset[str]:
    """Return which words meet in a sentence: adjective and noun, verb and object, subject and verb."""
    if isinstance(sentence, Question):
        return frozenset(_of_clause(sentence.clause))
    if isinstance(sentence.first, Existence):
        return frozenset(_of_participant(sentence.first.thing))
    found = set(_of_clause(sentence.first))
    return frozenset(found.union(_of_clause(sentence.second)) if sentence.second else found)


def _of_clause(clause: Clause) -> Iterator[str]:
    key = clause.verb.key
    for role, participant in (
        ("subject", clause.subject),
        ("object", clause.object),
        ("recipient", clause.recipient),
    ):
        if isinstance(participant, NounPhrase | Gap):
            yield f"{role} {participant.noun.english}: {key}"
            if clause.attribute and role == "subject":
                yield f"{clause.attribute.english} {participant.noun.english}"
        if isinstance(participant, NounPhrase):
            yield from _of_participant(participant)
    for other in (clause.compared_to, clause.place.phrase if clause.place else None):
        if isinstance(other, NounPhrase):
            yield from _of_participant(other)
    if clause.content:
        yield from _of_clause(clause.content)


def _of_participant(phrase: NounPhrase) -> Iterator[str]:
    for adjective in phrase.adjectives:
        yield f"{adjective.english} {phrase.noun.english}"
    if isinstance(phrase.owner, NounPhrase):
        yield from _of_participant(phrase.owner)
    if phrase.relative:
        yield from _of_clause(phrase.relative)
