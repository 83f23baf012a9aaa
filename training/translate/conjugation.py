"""Conjugate French verbs and inflect French adjectives.

Knows endings and spelling rules, nothing of sentences. Verbs in -er, -ir and -re follow their rules; the
others stand in `words/conjugations.txt`. Grammar after Bescherelle; -eler and -eter before the reform of 1990.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

from training.translate.lexicon import Adjective, Verb, rows

Mood = Literal["present", "imperfect", "future", "conditional"]

PAST_ENDINGS = ("ais", "ais", "ait", "ions", "iez", "aient")
FUTURE_ENDINGS = ("ai", "as", "a", "ons", "ez", "ont")
WITH_BE = frozenset(
    {"aller", "retourner", "venir", "revenir", "arriver", "partir", "sortir", "rester", "tomber"}
)
"""Verbs whose compound past is made with être, as is that of every reflexive verb."""
DOUBLING = frozenset({"appeler", "jeter"})
BEFORE_VOWEL = {"beau": "bel", "nouveau": "nouvel", "vieux": "vieil"}
VOWELS = "aeiouhâàéèêëîïôœû"


@dataclass(frozen=True, slots=True)
class Forms:
    """The principal parts from which all other forms follow."""

    present: tuple[str, ...]
    future_stem: str
    participle: str


def starts_with_vowel(word: str) -> bool:
    """Whether a word takes elision; an h that does not is written "*h"."""
    return word[0].lower() in VOWELS


def finite(verb: Verb, mood: Mood, person: int, *, plural: bool) -> str:
    """Return a simple form of `verb`; `person` is 1, 2 or 3."""
    forms = principal_parts(verb.french)
    which = person - 1 + 3 * plural
    if mood == "present":
        return forms.present[which]
    if mood == "future":
        return forms.future_stem + FUTURE_ENDINGS[which]
    if mood == "conditional":
        return forms.future_stem + PAST_ENDINGS[which]
    return _soften(_imperfect_stem(verb.french), PAST_ENDINGS[which])


def participle(verb: Verb, *, feminine: bool, plural: bool) -> str:
    """Return the past participle, agreeing as told."""
    word = principal_parts(verb.french).participle
    if feminine:
        return word.replace("û", "u") + ("es" if plural else "e")
    return word + "s" if plural and not word.endswith("s") else word


def takes_be(verb: Verb) -> bool:
    """Whether the compound past is made with être."""
    return verb.reflexive or verb.french in WITH_BE


def inflect(adjective: Adjective, *, feminine: bool, plural: bool, following: str = "") -> str:
    """Return the adjective's form; `following` is the word after it, where it stands before a noun."""
    if feminine:
        return adjective.feminine + ("s" if plural else "")
    if plural:
        return adjective.plural
    if following and starts_with_vowel(following):
        return BEFORE_VOWEL.get(adjective.french, adjective.french)
    return adjective.french


@cache
def principal_parts(infinitive: str) -> Forms:
    """Return the principal parts of a verb."""
    if infinitive in _irregular():
        return _irregular()[infinitive]
    stem, ending = infinitive[:-2], infinitive[-2:]
    if ending == "er":
        return _first_group(stem)
    if ending == "ir":
        present = tuple(stem + e for e in ("is", "is", "it", "issons", "issez", "issent"))
        return Forms(present, infinitive, stem + "i")
    present = tuple(stem + e for e in ("s", "s", "", "ons", "ez", "ent"))
    return Forms(present, infinitive[:-1], stem + "u")


def _first_group(stem: str) -> Forms:
    """Verbs in -er: where the ending is silent, the stem's last vowel may change (j'achète, nous achetons)."""
    silent = _stressed(stem)
    present = (
        silent + "e",
        silent + "es",
        silent + "e",
        _soften(stem, "ons"),
        _soften(stem, "ez"),
        silent + "ent",
    )
    # é stays in the future (je répéterai); e and y change there as well (j'achèterai, je nettoierai).
    future = stem if "é" in stem[-3:] else silent
    return Forms(present, future + "er", stem + "é")


def _stressed(stem: str) -> str:
    if stem + "er" in DOUBLING:
        return stem + stem[-1]
    if stem.endswith("y"):
        return stem[:-1] + "i"
    if len(stem) > 2 and stem[-2] in "eé" and stem[-1] not in "aeiou":
        return stem[:-2] + "è" + stem[-1]
    return stem


def _soften(stem: str, ending: str) -> str:
    """Keep g and c soft before a and o: mangeons, commençais."""
    if ending[0] in "ao" and stem.endswith("g"):
        return stem + "e" + ending
    if ending[0] in "ao" and stem.endswith("c"):
        return stem[:-1] + "ç" + ending
    return stem + ending


def _imperfect_stem(infinitive: str) -> str:
    if infinitive == "être":
        return "ét"
    if infinitive.endswith("er") and infinitive not in _irregular():
        return infinitive[:-2]
    return principal_parts(infinitive).present[3].removesuffix("ons")


@cache
def _irregular() -> dict[str, Forms]:
    table: dict[str, Forms] = {}
    for fields in rows("conjugations"):
        if len(fields) == 1:
            prefix, base = fields[0].split("+")
            like = table[base]
            present = tuple(prefix + form for form in like.present)
            table[prefix + base] = Forms(present, prefix + like.future_stem, prefix + like.participle)
        else:
            table[fields[0]] = Forms(tuple(fields[1:7]), fields[7], fields[8])
    return table
