"""French verbs and adjectives, against forms from the grammar book."""

import pytest

from training.translate import lexicon
from training.translate.conjugation import (
    Mood,
    finite,
    inflect,
    participle,
    principal_parts,
    starts_with_vowel,
)
from training.translate.lexicon import BE, Verb

WORDS = lexicon.load()


def verb(infinitive: str) -> Verb:
    return Verb("", "", "", "", infinitive, "", reflexive=False, kind="transitive")


@pytest.mark.parametrize(
    ("infinitive", "mood", "person", "plural", "form"),
    [
        ("manger", "present", 1, True, "mangeons"),
        ("manger", "imperfect", 3, False, "mangeait"),
        ("manger", "imperfect", 1, True, "mangions"),
        ("commencer", "present", 1, True, "commençons"),
        ("commencer", "imperfect", 3, True, "commençaient"),
        ("acheter", "present", 3, False, "achète"),
        ("acheter", "future", 3, False, "achètera"),
        ("acheter", "present", 2, True, "achetez"),
        ("appeler", "present", 3, True, "appellent"),
        ("jeter", "future", 1, False, "jetterai"),
        ("répéter", "present", 3, False, "répète"),
        ("répéter", "future", 3, False, "répétera"),
        ("protéger", "present", 1, True, "protégeons"),
        ("nettoyer", "present", 3, False, "nettoie"),
        ("nettoyer", "future", 3, False, "nettoiera"),
        ("envoyer", "conditional", 3, False, "enverrait"),
        ("finir", "present", 3, True, "finissent"),
        ("finir", "imperfect", 1, False, "finissais"),
        ("vendre", "present", 3, False, "vend"),
        ("vendre", "future", 3, True, "vendront"),
        ("être", "imperfect", 1, True, "étions"),
        ("aller", "future", 3, False, "ira"),
        ("voir", "imperfect", 1, True, "voyions"),
        ("reconnaître", "present", 3, False, "reconnaît"),
        ("peindre", "present", 1, True, "peignons"),
        ("croire", "present", 3, True, "croient"),
        ("dire", "present", 2, True, "dites"),
        ("lever", "present", 3, True, "lèvent"),
        ("oublier", "imperfect", 1, True, "oubliions"),
    ],
)
def test_finite_forms(infinitive: str, mood: Mood, person: int, plural: bool, form: str) -> None:
    assert finite(verb(infinitive), mood, person, plural=plural) == form


@pytest.mark.parametrize(
    ("infinitive", "feminine", "plural", "form"),
    [
        ("prendre", True, False, "prise"),
        ("prendre", False, True, "pris"),
        ("aller", True, True, "allées"),
        ("ouvrir", True, False, "ouverte"),
        ("devoir", False, False, "dû"),
        ("devoir", True, False, "due"),
        ("recevoir", True, False, "reçue"),
        ("sourire", False, False, "souri"),
    ],
)
def test_participles(infinitive: str, feminine: bool, plural: bool, form: str) -> None:
    assert participle(verb(infinitive), feminine=feminine, plural=plural) == form


@pytest.mark.parametrize("found", [*WORDS.verbs, *WORDS.modals, BE], ids=lambda found: found.french)
def test_every_verb_has_six_forms_and_none_is_irregular_by_mistake(found: Verb) -> None:
    """The irregular verbs in -ir, -re and -oir must all be in the table: none may follow a rule by accident."""
    parts = principal_parts(found.french)
    assert len(parts.present) == 6
    assert parts.present[3].endswith("ons") or found is BE
    assert not found.french.endswith("oir") or not parts.present[3].startswith(found.french[:-2] + "o")


ADJECTIVES = {adjective.french: adjective for adjective in WORDS.adjectives}


@pytest.mark.parametrize(
    ("masculine", "forms"),
    [
        ("beau", ["beau", "belle", "beaux", "belles"]),
        ("blanc", ["blanc", "blanche", "blancs", "blanches"]),
        ("heureux", ["heureux", "heureuse", "heureux", "heureuses"]),
        ("jeune", ["jeune", "jeune", "jeunes", "jeunes"]),
        ("gris", ["gris", "grise", "gris", "grises"]),
        ("médiéval", ["médiéval", "médiévale", "médiévaux", "médiévales"]),
        ("léger", ["léger", "légère", "légers", "légères"]),
        ("frais", ["frais", "fraîche", "frais", "fraîches"]),
    ],
)
def test_adjectives_agree(masculine: str, forms: list[str]) -> None:
    adjective = ADJECTIVES[masculine]
    assert [inflect(adjective, feminine=f, plural=p) for p in (False, True) for f in (False, True)] == forms


def test_some_adjectives_change_before_a_vowel() -> None:
    for masculine, before in (("beau", "bel"), ("vieux", "vieil"), ("nouveau", "nouvel")):
        assert inflect(ADJECTIVES[masculine], feminine=False, plural=False, following="arbre") == before
        assert inflect(ADJECTIVES[masculine], feminine=False, plural=False, following="*héros") == masculine
        assert inflect(ADJECTIVES[masculine], feminine=False, plural=True, following="arbre") != before


def test_an_aspirated_h_is_no_vowel() -> None:
    assert starts_with_vowel("homme")
    assert starts_with_vowel("Éric")
    assert starts_with_vowel("œuf")
    assert not starts_with_vowel("*hibou")
    assert not starts_with_vowel("yaourt")
