"""Draw meanings at random, and say each in English and in French: an endless, exact corpus.

Knows how often which construction appears and which words go together; knows nothing of spelling.
A pair is a function of the random generator's state alone, so a seed fixes a corpus.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from training.translate import english, french
from training.translate.lexicon import BE, Adjective, Lexicon, Noun, Phrase, Verb, load
from training.translate.meaning import (
    Clause,
    Existence,
    Gap,
    Name,
    Negation,
    NounPhrase,
    Participant,
    Place,
    Pronoun,
    Question,
    Sentence,
    Statement,
    Tense,
    combinations,
)

PERSONS = tuple(
    Pronoun(person, plural, feminine)
    for person, plural, feminine in (
        (1, False, False), (1, True, False), (2, True, False), (3, False, False), (3, False, True), (3, True, False),
    )
)  # fmt: skip
SINGULAR_DETERMINERS = ("the",) * 8 + ("a",) * 5 + ("this",) * 2 + ("every",)
PLURAL_DETERMINERS = ("the",) * 6 + ("a",) * 3 + ("this", "two", "three", "ten", "many", "several")
POSSESSIVES = ("my", "your", "his", "her", "our", "their")
TENSES = (
    (Tense.PRESENT,) * 5 + (Tense.PAST,) * 5 + (Tense.FUTURE,) * 3 + (Tense.PROGRESSIVE,) * 2
    + (Tense.IMPERFECT,) * 2 + (Tense.GOING, Tense.CONDITIONAL)
)  # fmt: skip
STATES = (Tense.PRESENT,) * 3 + (Tense.IMPERFECT, Tense.FUTURE)
NEGATIONS = (Negation.NOT,) * 3 + (Negation.NEVER, Negation.NO_LONGER)
TIMES = {
    "present": {Tense.PRESENT, Tense.PROGRESSIVE},
    "past": {Tense.PAST},
    "future": {Tense.FUTURE, Tense.GOING},
}
SIMPLE_TENSES = {Tense.PRESENT, Tense.IMPERFECT}
WITHOUT_FREQUENCY = {Tense.GOING, Tense.PROGRESSIVE}


@dataclass(frozen=True, slots=True)
class Pair:
    """A sentence in both languages, and which words meet in it."""

    english: str
    french: str
    combinations: frozenset[str]


def pairs(seed: int) -> Iterator[Pair]:
    """Yield sentence pairs without end; the same for the same seed."""
    grammar = Grammar(random.Random(seed))
    while True:
        meaning = grammar.sentence()
        yield Pair(english.say(meaning), french.say(meaning), combinations(meaning))


@dataclass(frozen=True)
class Grammar:
    """Draws meanings with `chance`; every method returns a new part of one."""

    chance: random.Random
    lexicon: Lexicon = field(default_factory=load)
    _nouns: dict[str, list[Noun]] = field(init=False, default_factory=dict)
    _adjectives: dict[str, list[Adjective]] = field(init=False, default_factory=dict)
    _verbs: dict[str, list[Verb]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        for noun in self.lexicon.nouns:
            self._nouns.setdefault(noun.category, []).append(noun)
        for adjective in self.lexicon.adjectives:
            for category in sorted(adjective.categories):
                self._adjectives.setdefault(category, []).append(adjective)
        for verb in self.lexicon.verbs:
            self._verbs.setdefault(verb.kind, []).append(verb)

    def sentence(self) -> Sentence:
        """Draw a sentence."""
        kinds = (self._plain, self._question, self._coordinated, self._comparison, self._opinion, self._there)
        kind = self.chance.choices(kinds, weights=(60, 12, 10, 6, 6, 6))[0]
        return kind()

    def _maybe(self, probability: float) -> bool:
        return self.chance.random() < probability

    def _plain(self) -> Statement:
        return Statement(self._circumstances(self._negated(self._clause())))

    def _question(self) -> Question:
        clause = self._clause()
        word = self.chance.choice(self.lexicon.phrases["question"]) if self._maybe(0.5) else None
        return Question(word, clause if word else self._circumstances(clause))

    def _coordinated(self) -> Statement:
        """A second clause with a pronoun for something in the first: its gender has to be found there."""
        first = self._negated(self._clause(depth=1))
        if isinstance(first.object, NounPhrase) and not first.object.animate and self._maybe(0.7):
            second = self._about_object(first.object)
        else:
            second = self._about_subject(first.subject)
        conjunction = self.chance.choice(self.lexicon.phrases["conjunction"])
        if conjunction.english == "when":  # one time for both: languages differ on "when he will come"
            second = replace(second, tense=first.tense if first.tense in SIMPLE_TENSES else Tense.PRESENT)
            first = replace(first, tense=second.tense)
        return Statement(first, conjunction, second)

    def _about_object(self, thing: NounPhrase) -> Clause:
        noun = thing.noun
        pronoun = Pronoun(3, thing.plural, noun.feminine, animate=False)
        if self._maybe(0.35):
            adjective = self.chance.choice(self._adjectives[noun.category])
            return self._negated(Clause(pronoun, BE, self.chance.choice(STATES), attribute=adjective))
        verbs = [verb for kind in ("transitive", "giving") for verb in self._verbs[kind]]
        verb = self.chance.choice([verb for verb in verbs if noun.category in verb.objects])
        recipient = self._person() if verb.kind == "giving" else None
        subject = self._subject(verb, depth=1)
        if isinstance(recipient, Pronoun):
            recipient = self._other_than(subject)
        return self._negated(Clause(subject, verb, self._tense(verb), object=pronoun, recipient=recipient))

    def _about_subject(self, subject: Participant) -> Clause:
        animate = not isinstance(subject, NounPhrase) or subject.animate
        again = Pronoun(subject.person, subject.plural, subject.feminine, animate)
        if animate:
            return self._negated(self._clause_about(again))
        assert isinstance(subject, NounPhrase), "only a noun is a thing"
        adjective = self.chance.choice(self._adjectives[subject.noun.category])
        return self._negated(Clause(again, BE, self.chance.choice(STATES), attribute=adjective))

    def _clause_about(self, subject: Pronoun) -> Clause:
        """Draw until a clause fits: something that a person does, and not to itself."""
        while True:
            clause = self._clause(depth=1)
            others = {one.person for one in (clause.object, clause.recipient) if isinstance(one, Pronoun)}
            if isinstance(clause.subject, Pronoun | Name) and (
                subject.person == 3 or subject.person not in others
            ):
                return replace(clause, subject=subject)

    def _comparison(self) -> Statement:
        """One thing is bigger than another of its category."""
        category = self.chance.choice(("person", "person", "animal", "thing", "clothing", "vehicle", "place"))
        subject, other = self._noun_phrase(category), self._noun_phrase(category)
        pronoun = self.chance.choice(PERSONS)
        clause = Clause(
            subject,
            BE,
            self.chance.choice(STATES),
            attribute=self.chance.choice(self._adjectives[category]),
            compared_to=pronoun if category == "person" and self._maybe(0.4) else other,
        )
        return Statement(self._negated(clause))

    def _opinion(self) -> Statement:
        """Somebody says that; never negated, for French would then want the subjunctive."""
        verb = self.chance.choice(self._verbs["opinion"])
        content = self._negated(self._clause(depth=1))
        return Statement(Clause(self._subject(verb), verb, self._tense(verb), content=content))

    def _there(self) -> Statement:
        category = self.chance.choice(("animal", "person", "thing", "food", "text", "furniture"))
        thing = self._noun_phrase(category)
        determiner = self.chance.choice(("two", "many", "a") if thing.plural else ("a",))
        where = "furniture" if category in {"thing", "food", "text"} and self._maybe(0.6) else "place"
        thing = replace(thing, determiner=determiner, owner=None)
        negated = determiner == "a" and self._maybe(0.3)
        return Statement(Existence(self.chance.choice(STATES), negated, thing, self._place(where)))

    def _clause(self, depth: int = 0) -> Clause:
        """A clause without negation and circumstances."""
        kinds = ("transitive", "indirect", "giving", "intransitive", "motion", "copula")
        kind = self.chance.choices(kinds, weights=(45, 8, 13, 12, 9, 13))[0]
        if kind == "copula":
            return self._state(depth)
        verb = self.chance.choice(self._verbs[kind])
        subject = self._subject(verb, depth)
        clause = Clause(subject, verb, self._tense(verb))
        if kind == "transitive":
            clause = replace(clause, object=self._object(verb, subject, depth))
        if kind == "giving":
            thing = self._noun_phrase(self._category(verb.objects), depth=depth + 1)
            clause = replace(clause, object=thing, recipient=self._receiver(subject))
        if kind == "indirect":
            clause = replace(clause, recipient=self._receiver(subject))
        if kind == "motion":
            clause = replace(clause, place=Place(None, self._noun_phrase("place", depth=1)))
        if self._maybe(0.12) and not verb.stative:
            clause = replace(clause, modal=self.chance.choice(self.lexicon.modals), tense=Tense.PRESENT)
        return clause

    def _state(self, depth: int) -> Clause:
        tense = self.chance.choice(STATES)
        category = self.chance.choice(
            ("person", "animal", "food", "text", "thing", "clothing", "vehicle", "place")
        )
        pronoun = category == "person" and self._maybe(0.4)
        subject = self.chance.choice(PERSONS) if pronoun else self._noun_phrase(category, depth=depth)
        if category not in {"place", "vehicle"} and self._maybe(0.25):
            return Clause(subject, BE, tense, place=self._place(self.chance.choice(("place", "furniture"))))
        return Clause(subject, BE, tense, attribute=self.chance.choice(self._adjectives[category]))

    def _negated(self, clause: Clause) -> Clause:
        return replace(clause, negation=self.chance.choice(NEGATIONS)) if self._maybe(0.25) else clause

    def _circumstances(self, clause: Clause) -> Clause:
        """Add an adverb, a place or a time where they fit."""
        phrases, free = self.lexicon.phrases, clause.verb.kind != "copula"
        positive = clause.negation is Negation.NONE
        bare = clause.modal is None and clause.tense not in WITHOUT_FREQUENCY
        if free and bare and positive and not clause.verb.stative and self._maybe(0.12):
            clause = replace(clause, frequency=self.chance.choice(phrases["frequency"]))
        elif (
            free
            and self._maybe(0.12)
            and clause.verb.kind not in {"motion", "indirect"}
            and not clause.verb.stative
        ):
            clause = replace(clause, manner=self._manner(clause.subject))
        if free and not clause.place and not clause.manner and self._maybe(0.2) and not clause.verb.stative:
            clause = replace(clause, place=self._place(self.chance.choice(("place", "place", "furniture"))))
        if self._maybe(0.18) and clause.frequency is None:
            clause = replace(clause, time=self._time(clause))
        return clause

    def _manner(self, subject: Participant) -> Phrase:
        manners = self.lexicon.phrases["manner"]
        return self.chance.choice([manner for manner in manners if subject.plural or manner.note != "plural"])

    def _time(self, clause: Clause) -> Phrase | None:
        times = [time for time in self.lexicon.phrases["time"] if clause.tense in TIMES[time.note]]
        return self.chance.choice(times) if times and not clause.modal else None

    def _tense(self, verb: Verb) -> Tense:
        tense = self.chance.choice(TENSES)
        return Tense.PRESENT if verb.stative and tense is Tense.PROGRESSIVE else tense

    def _category(self, categories: Iterable[str]) -> str:
        return self.chance.choice(sorted(categories))

    def _subject(self, verb: Verb, depth: int = 0) -> Participant:
        category = self._category(verb.subjects)
        return self._person(depth) if category == "person" else self._noun_phrase(category, depth=depth)

    def _object(self, verb: Verb, subject: Participant, depth: int) -> Participant:
        category = self._category(verb.objects)
        if category != "person":
            return self._noun_phrase(category, depth=depth)
        return self._receiver(subject, depth)

    def _receiver(self, subject: Participant, depth: int = 1) -> Participant:
        """A person beside the subject: "I see me" is not drawn."""
        person = self._person(depth)
        return self._other_than(subject) if isinstance(person, Pronoun) else person

    def _other_than(self, subject: Participant) -> Pronoun:
        return self.chance.choice([one for one in PERSONS if one.person != subject.person or one.person == 3])

    def _person(self, depth: int = 0) -> Participant:
        choice = self.chance.random()
        if choice < 0.35:
            return self.chance.choice(PERSONS)
        if choice < 0.5:
            name = self.chance.choice(self.lexicon.phrases["name"])
            return Name(name.english, name.note == "feminine")
        return self._noun_phrase("person", depth=depth)

    def _noun_phrase(self, category: str, *, depth: int = 1) -> NounPhrase:
        """A noun with a determiner, at times with adjectives, an owner, or (at depth 0) a relative clause."""
        noun, plural = self.chance.choice(self._nouns[category]), self._maybe(0.3)
        possessive = category != "place" and self._maybe(0.2)
        determiners = PLURAL_DETERMINERS if plural else SINGULAR_DETERMINERS
        determiner = self.chance.choice(POSSESSIVES if possessive else determiners)
        phrase = NounPhrase(noun, determiner, plural, self._adjectives_for(category))
        if depth == 0 and self._maybe(0.14):
            return replace(phrase, relative=self._relative(noun, plural=plural))
        if determiner == "the" and not phrase.adjectives and self._maybe(0.15):
            return replace(phrase, owner=self._owner())
        return phrase

    def _adjectives_for(self, category: str) -> tuple[Adjective, ...]:
        if category not in self._adjectives or not self._maybe(0.35):
            return ()
        first, second = (self.chance.choice(self._adjectives[category]) for _ in range(2))
        both = first.before and not second.before and self._maybe(0.4)
        return (first, second) if both else (first,)

    def _owner(self) -> Participant:
        if self._maybe(0.4):
            name = self.chance.choice(self.lexicon.phrases["name"])
            return Name(name.english, name.note == "feminine")
        noun = self.chance.choice(self._nouns["person"])
        determiner = self.chance.choice(("the", "the", "my", "his", "this"))
        return NounPhrase(noun, determiner, self._maybe(0.25))

    def _relative(self, noun: Noun, *, plural: bool) -> Clause:
        """A clause in which the noun is the subject (who sees, qui voit) or the object (that she sees, que)."""
        gap = Gap(noun, plural)
        if self._maybe(0.5):
            verbs = [verb for verb in self._verbs["transitive"] if noun.category in verb.objects]
            if verbs:
                verb = self.chance.choice(verbs)
                return self._negated(
                    Clause(self._subject(verb, depth=1), verb, self._tense(verb), object=gap)
                )
        if noun.category in {"person", "animal"}:
            verbs = [verb for verb in self._verbs["transitive"] if noun.category in verb.subjects]
            verb = self.chance.choice(verbs)
            thing = self._object(verb, gap, depth=1)
            return self._negated(Clause(gap, verb, self._tense(verb), object=thing))
        adjective = self.chance.choice(self._adjectives.get(noun.category, self._adjectives["furniture"]))
        return Clause(gap, BE, self.chance.choice(STATES), attribute=adjective)

    def _place(self, note: str) -> Place:
        prepositions = [phrase for phrase in self.lexicon.phrases["place"] if phrase.note == note]
        return Place(self.chance.choice(prepositions), self._noun_phrase(note))
