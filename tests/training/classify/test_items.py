"""Items drawn and read, and what is said of those that cannot be used."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression

from training.classify import items
from training.classify.folder import Form
from training.errors import DataError

FORM = Form(8, colour=True, mixed=False)


def write_items(path: Path, *changes: tuple[int, str]) -> Path:
    """Write twenty items of two labels with two numbers each; `changes` are rows of the table (0 is the header)."""
    path.mkdir()
    lines = ["image,length,label,width,score"]
    for row in range(20):
        Image.new("RGB", (8, 8), (row, 0, 0)).save(path / f"{row}.png")
        lines.append(f"{row}.png,{row}.5,{'ab'[row % 2]},{-row},{10 * row}")
    for place, line in changes:
        lines[place] = line
    (path / items.TABLE).write_text("\n".join(lines))
    return path


def test_a_folder_is_read_with_its_table(tmp_path: Path) -> None:
    data = items.read(write_items(tmp_path / "shop"), FORM)
    assert (data.features, data.labels) == (("length", "width"), ("a", "b"))
    assert data.summary.sizes == {"train": 14, "validation": 2, "held_out": 4}
    for part in (data.train, data.validation, data.held_out):
        row = np.rint(part.pixels[:, 0, 0, 0] * 255)
        np.testing.assert_allclose(part.numbers, np.stack([row + 0.5, -row], axis=1), atol=1e-6)
        np.testing.assert_array_equal(part.classes, row % 2)
        np.testing.assert_array_equal(part.scores, 10 * row)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((0, "image,length,label,width,worth"), "expected columns 'image', 'label', 'score' and numbers"),
        ((3, "2.png,NaN,a,1,1"), "row 3, column 'length': expected a finite number, found 'NaN'"),
        ((3, "2.png,1,a,1,inf"), "row 3, column 'score': expected a finite number, found 'inf'"),
        ((3, "2.png,1,a,wide,1"), "row 3, column 'width': expected a number, found 'wide'"),
        ((3, "none.png,1,a,1,1"), "none.png cannot be read: .*No such file"),
        ((3, "2.png,1,b,1,1"), "label 'a' has 9 rows, expected at least 10"),
        ((3, "2.png,1,a,1"), "row 3: expected 5 columns, found 4"),
    ],
)
def test_a_table_that_cannot_be_used_is_named(change: tuple[int, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        items.read(write_items(tmp_path / "shop", change), FORM)


def test_one_label_a_missing_folder_and_several_sizes_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no such folder; expected images and rows\.csv"):
        items.read(tmp_path / "absent", FORM)
    one = write_items(tmp_path / "one", *((row, f"{row - 1}.png,1,a,1,1") for row in range(1, 21)))
    with pytest.raises(DataError, match="expected at least 2 labels, found 1: a"):
        items.read(one, FORM)
    shop = write_items(tmp_path / "shop")
    Image.new("RGB", (9, 8)).save(shop / "7.png")
    with pytest.raises(DataError, match=r"image shop/7\.png has 9x8 pixels, shop/0\.png has 8x8"):
        items.read(shop, FORM)


def test_numbers_alone_do_not_decide() -> None:
    data = items.draw(1200, 8)
    assert data.summary.sizes == {"train": 840, "validation": 120, "held_out": 240}
    assert all(set(part.classes) == {0, 1, 2} for part in (data.train, data.validation, data.held_out))
    means, deviations = np.array(list(items.NUMBERS.values())).T
    train, held_out = ((part.numbers - means) / deviations for part in (data.train, data.held_out))
    numbers = LogisticRegression().fit(train, data.train.classes)
    assert numbers.score(held_out, data.held_out.classes) < 0.75
