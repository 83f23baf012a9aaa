"""Say a meaning in English: do-support, auxiliaries, a and an, the possessive.

Knows English grammar; knows nothing of French or of how meanings are drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

from training.translate.lexicon import Verb, plural_of
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
    Tense,
)

SUBJECTS = {(1, False): "I", (1, True): "we", (2, True): "you", (3, True): "they"}
OBJECTS = {(1, False): "me", (1, True): "us", (2, True): "you", (3, True): "them"}
PLURAL_DETERMINERS = {"a": "some", "this": "these"}
SOUNDS_LIKE_YOU = ("uni", "use")
SILENT_H = frozenset({"honest", "heiress"})
AUXILIARIES = {Tense.FUTURE: "will", Tense.CONDITIONAL: "would"}
BARE_MODALS = frozenset({"can", "must"})
ADVERBS = {Negation.NEVER: ["never"], Negation.NO_LONGER: ["no", "longer"]}


@dataclass(frozen=True, slots=True)
class _Chain:
    """The words of a verb group: with an auxiliary in front, or plain, to be supported by "do"."""

    auxiliary: str
    plain: list[str]
    support: str = ""
    bare: tuple[str, ...] = ()


def say(sentence: Sentence) -> str:
    """Return the sentence in English, with its capital and its full stop."""
    if isinstance(sentence, Question):
        opening = [sentence.word.english] if sentence.word else []
        return _write([*opening, *_question(sentence.clause)], "?")
    first = sentence.first
    words = _existence(first) if isinstance(first, Existence) else _clause(first)
    if sentence.conjunction and sentence.second:
        comma = "," if sentence.conjunction.english == "but" else ""
        words = [*words[:-1], words[-1] + comma, sentence.conjunction.english, *_clause(sentence.second)]
    return _write(words, ".")


def _write(words: list[str], end: str) -> str:
    text = " ".join(words) + end
    return text[0].upper() + text[1:]


def _clause(clause: Clause) -> list[str]:
    chain = _chain(clause)
    adverbs = _adverbs(clause)
    if chain.auxiliary:
        words = _negate(chain.auxiliary, clause) + adverbs + chain.plain
    elif clause.negation is Negation.NOT:
        words = [chain.support, "not", *adverbs, *chain.bare]
    else:
        words = adverbs + chain.plain
    return [*_subject(clause), *words, *_complements(clause)]


def _question(clause: Clause) -> list[str]:
    chain = _chain(clause)
    front, rest = (chain.auxiliary, chain.plain) if chain.auxiliary else (chain.support, list(chain.bare))
    return [front, *_subject(clause), *_adverbs(clause), *rest, *_complements(clause)]


def _negate(auxiliary: str, clause: Clause) -> list[str]:
    if clause.negation is not Negation.NOT:
        return [auxiliary]
    return ["cannot"] if auxiliary == "can" else [auxiliary, "not"]


def _adverbs(clause: Clause) -> list[str]:
    frequency = [clause.frequency.english] if clause.frequency else []
    return ADVERBS.get(clause.negation, []) + frequency


def _subject(clause: Clause) -> list[str]:
    subject = clause.subject
    if isinstance(subject, Gap):
        return ["who" if subject.animate else "that"]
    lead = ["that"] if isinstance(clause.object, Gap) else []
    if isinstance(subject, Pronoun):
        third = ("she" if subject.feminine else "he") if subject.animate else "it"
        return [*lead, SUBJECTS.get((subject.person, subject.plural), third)]
    return lead + _phrase(subject)


def _chain(clause: Clause) -> _Chain:
    """Return the verb group of a clause, without its adverbs and its negation."""
    verb, subject = clause.verb, clause.subject
    if clause.modal:
        return _modal_chain(clause.modal, verb.english, subject)
    if clause.tense in AUXILIARIES:
        return _Chain(AUXILIARIES[clause.tense], [verb.english])
    if clause.tense is Tense.GOING:
        return _Chain(_be(subject), ["going", "to", verb.english])
    if verb.english == "be":
        return _Chain(_be(subject) if clause.tense is Tense.PRESENT else _was(subject), [])
    return _inflected(verb, clause.tense, subject)


def _inflected(verb: Verb, tense: Tense, subject: Participant) -> _Chain:
    base = verb.english
    if tense is Tense.IMPERFECT and verb.stative:
        return _Chain("", ["used", "to", base], "did", ("use", "to", base))
    if tense is Tense.IMPERFECT:
        return _Chain(_was(subject), [verb.progressive])
    if tense is Tense.PROGRESSIVE:
        return _Chain(_be(subject), [verb.progressive])
    if tense is Tense.PAST:
        return _Chain("", [verb.past], "did", (base,))
    return _Chain("", [_present(verb, subject)], _do(subject), (base,))


def _modal_chain(modal: Verb, base: str, subject: Participant) -> _Chain:
    if modal.english in BARE_MODALS:
        return _Chain(modal.english, [base])
    link = modal.particle.split()
    return _Chain("", [_present(modal, subject), *link, base], _do(subject), (modal.english, *link, base))


def _third(subject: Participant) -> bool:
    return subject.person == 3 and not subject.plural


def _be(subject: Participant) -> str:
    if subject.person == 1 and not subject.plural:
        return "am"
    return "is" if _third(subject) else "are"


def _was(subject: Participant) -> str:
    return "was" if subject.person != 2 and not subject.plural else "were"


def _do(subject: Participant) -> str:
    return "does" if _third(subject) else "do"


def _present(verb: Verb, subject: Participant) -> str:
    if not _third(subject):
        return verb.english
    return "goes" if verb.english == "go" else plural_of(verb.english)


def _complements(clause: Clause) -> list[str]:
    words = clause.verb.particle.split() + _attribute(clause) + _objects(clause)
    if clause.manner:
        words.append(clause.manner.english)
    if clause.place:
        words += _place(clause.place)
    if clause.time:
        words.append(clause.time.english)
    if clause.content:
        words += ["that", *_clause(clause.content)]
    return words


def _attribute(clause: Clause) -> list[str]:
    if not clause.attribute:
        return []
    if not clause.compared_to:
        return [clause.attribute.english]
    return [clause.attribute.comparative, "than", *_object(clause.compared_to)]


def _objects(clause: Clause) -> list[str]:
    negated = clause.negation is not Negation.NONE
    thing = [] if clause.object is None else _object(clause.object, negated=negated)
    if not clause.recipient:
        return thing
    receiver = _object(clause.recipient)
    if clause.verb.kind == "indirect":
        return receiver
    if isinstance(clause.recipient, Pronoun) and isinstance(clause.object, NounPhrase):
        return _to_whom(clause.verb, thing, receiver)
    return [*thing, "to", *receiver]


def _to_whom(verb: Verb, thing: list[str], receiver: list[str]) -> list[str]:
    """Return both objects: gives him the book, but explains the book to him."""
    return [*thing, "to", *receiver] if verb.always_to else receiver + thing


def _object(participant: Participant, *, negated: bool = False) -> list[str]:
    if isinstance(participant, Gap):
        return []
    if isinstance(participant, Pronoun):
        third = ("her" if participant.feminine else "him") if participant.animate else "it"
        return [OBJECTS.get((participant.person, participant.plural), third)]
    return _phrase(participant, negated=negated)


def _place(place: Place) -> list[str]:
    return ([place.preposition.english] if place.preposition else []) + _phrase(place.phrase)


def _existence(existence: Existence) -> list[str]:
    plural = existence.thing.plural
    past, present = ("were", "are") if plural else ("was", "is")
    verb = {Tense.PRESENT: [present], Tense.IMPERFECT: [past], Tense.FUTURE: ["will"]}[existence.tense]
    negation = ["not"] if existence.negated else []
    infinitive = ["be"] if existence.tense is Tense.FUTURE else []
    thing = _phrase(existence.thing, negated=existence.negated)
    return ["there", *verb, *negation, *infinitive, *thing, *_place(existence.place)]


def _phrase(participant: Participant, *, negated: bool = False) -> list[str]:
    if isinstance(participant, Name):
        return [participant.name]
    assert isinstance(participant, NounPhrase), "pronouns and gaps have their own places"
    noun = participant.noun.english_plural if participant.plural else participant.noun.english
    words = [*(adjective.english for adjective in participant.adjectives), noun]
    words = _determiner(participant, words[0], negated=negated) + words
    return words + (_clause(participant.relative) if participant.relative else [])


def _determiner(phrase: NounPhrase, following: str, *, negated: bool) -> list[str]:
    if phrase.owner:
        *rest, last = _phrase(phrase.owner)
        return [*rest, last + ("'" if phrase.owner.plural and last.endswith("s") else "'s")]
    if phrase.determiner == "a" and not phrase.plural:
        return [_article(following)]
    if phrase.determiner == "a" and negated:
        return ["any"]
    return [
        PLURAL_DETERMINERS.get(phrase.determiner, phrase.determiner) if phrase.plural else phrase.determiner
    ]


def _article(following: str) -> str:
    vowel = following[0].lower() in "aeiou" and not following.startswith(SOUNDS_LIKE_YOU)
    return "an" if vowel or following in SILENT_H else "a"
