"""Where pairs come from, and that what is held out was never trained on."""

from pathlib import Path

import pytest

from training.errors import DataError
from training.translate import corpus, grammar
from training.translate.corpus import Sizes, is_held_out

SIZES = Sizes(train=2000, validation=50, held_out=100)


def test_no_training_sentence_has_a_held_out_combination_and_every_other_one_has() -> None:
    found = corpus.from_grammar(SIZES, seed=3)
    known = dict[str, frozenset[str]]()
    for pair in grammar.pairs(3):
        known.setdefault(pair.english, pair.combinations)
        if len(known) > 6000:
            break
    assert (len(found.train), len(found.validation), len(found.held_out)) == (2000, 50, 100)
    assert not any(is_held_out(one) for english in found.train.english for one in known[english])
    for english in found.validation.english + found.held_out.english:
        assert any(is_held_out(one) for one in known[english])


def test_the_parts_have_no_sentence_in_common() -> None:
    found = corpus.from_grammar(SIZES, seed=3)
    parts = [set(part.english) for part in (found.train, found.validation, found.held_out)]
    assert len(set.union(*parts)) == sum(map(len, parts))


def test_words_of_held_out_combinations_are_known_from_others() -> None:
    found = corpus.from_grammar(Sizes(8000, 50, 100), seed=3)
    known, unseen = (
        {word.strip(".,?") for english in part.english for word in english.split()}
        for part in (found.train, found.held_out)
    )
    assert len(unseen - known) <= 1


def test_the_same_seed_gives_the_same_corpus_and_another_another() -> None:
    assert corpus.from_grammar(SIZES, 3) == corpus.from_grammar(SIZES, 3)
    assert corpus.from_grammar(SIZES, 3) != corpus.from_grammar(SIZES, 4)


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def numbered(count: int) -> list[str]:
    return [f"Sentence {i}.\tPhrase {i}.\tCC-BY 2.0 (France) #{i}" for i in range(count)]


def test_a_file_of_pairs_is_split_and_further_columns_are_ignored(tmp_path: Path) -> None:
    path = write(tmp_path / "fra.txt", ["", *numbered(1000), "  "])
    found = corpus.read(str(path), Sizes(10_000, 500, 500), seed=1)
    sizes = found.summary.sizes
    assert sum(sizes.values()) == 1000
    assert 5 <= sizes["held out"] <= 40
    assert found.train.english[0].startswith("Sentence")
    assert all("CC-BY" not in french for french in found.train.french)
    assert found == corpus.read(str(path), Sizes(10_000, 500, 500), seed=2)


def test_all_translations_of_a_sentence_are_in_one_part(tmp_path: Path) -> None:
    lines = [
        f"{text}\t{french}"
        for i in range(500)
        for text, french in ((f"Go {i}!", "Va !"), (f"Go {i}.", "File."))
    ]
    found = corpus.from_file(write(tmp_path / "pairs.tsv", lines), Sizes(10_000, 500, 500))
    trained = {english.rstrip("!.") for english in found.train.english}
    assert not trained & {english.rstrip("!.") for english in found.held_out.english}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["Go.\tVa.", "Stop."], "pairs.tsv, line 2: expected English, a tab and French, found no tab"),
        (["Go.\tVa.", "", "\tVa."], "pairs.tsv, line 3: the English sentence is empty"),
        (["Go.\t "], "pairs.tsv, line 1: the French sentence is empty"),
        (["Go.\tVa."], "pairs.tsv has 1 different pairs, too few to train on and hold some out"),
    ],
)
def test_a_file_that_holds_no_pairs_is_refused(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        corpus.from_file(write(tmp_path / "pairs.tsv", lines), SIZES)


def test_a_file_that_is_missing_or_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        corpus.from_file(tmp_path / "absent.tsv", SIZES)
    (tmp_path / "latin.tsv").write_bytes(b"The summer\tL'\xe9t\xe9\n")
    with pytest.raises(DataError, match="not UTF-8: byte 13"):
        corpus.from_file(tmp_path / "latin.tsv", SIZES)
