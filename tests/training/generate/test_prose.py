"""Text to ids: what is held out, what is unknown, what is refused."""

from pathlib import Path

import pytest

from training.errors import DataError
from training.generate import prose


def text(paragraphs: int) -> str:
    return "\n\n".join(
        f"This is paragraph number {i}, which says nothing else than that." for i in range(paragraphs)
    )


def test_python_help_is_the_default_and_large_enough() -> None:
    found = prose.read(None)
    assert found.summary.source.startswith("pydoc_data.topics")
    assert len(found.train) > 300_000
    assert len(found.held_out) > 15_000
    assert len(found.vocabulary) < 150


def test_the_parts_follow_each_other_and_none_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_text(text(200), encoding="utf-8")
    found = prose.read(str(path))
    ids = [*found.train, *found.validation, *found.held_out]
    assert "".join(found.vocabulary[i] for i in ids) == text(200)


def test_long_paragraphs_are_kept_once_so_that_none_is_learned_and_held_out() -> None:
    long = "A paragraph of more than forty characters, seen twice."
    assert (
        prose.without_repeats(f"{long}\n\nShort.\n\n{long}\n\nShort.\n\nEnd.")
        == f"{long}\n\nShort.\n\nShort.\n\nEnd."
    )


def test_id_0_is_any_character_that_training_did_not_show(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_text(text(200) + "Ω" * 20, encoding="utf-8")
    found = prose.read(str(path))
    assert "Ω" not in found.vocabulary
    assert found.vocabulary[0] == "\N{REPLACEMENT CHARACTER}"
    assert list(found.held_out[-20:]) == [prose.UNKNOWN] * 20
    assert len(set(found.vocabulary)) == len(found.vocabulary)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"too short", "has 9 characters without repeats, expected at least 5000"),
        (b"x" * 6000 + b"\xff", "is not UTF-8: byte 6000"),
        (b"x" * 6000 + b"\0", "holds a zero byte"),
    ],
)
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "book.txt").write_bytes(content)
    with pytest.raises(DataError, match=message):
        prose.read(str(tmp_path / "book.txt"))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        prose.read(str(tmp_path / "absent.txt"))
