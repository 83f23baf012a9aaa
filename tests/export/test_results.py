"""The page of results: what it takes from versions, and what it says where there are none."""

import re
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from export.__main__ import cli
from export.results import Result, main_picture, newest
from export.results_page import text
from service import bundle
from tests.support import bundles
from training.job import Expectation
from training.jobs import JOBS


@pytest.fixture
def result(tmp_path: Path) -> Result:
    """A classifier with a metric."""
    version = bundles.write_classifier(tmp_path)
    bundles.add_variant(version, "int8", version / bundle.DEFAULT_GRAPH, signature="classify", tolerance=1e-3)
    manifest = bundle.read(version)
    changes = {"metrics": {"accuracy": 0.975, "loss": 0.1}}
    return Result("shapes", "classify", "shapes | colours", manifest=manifest.model_copy(update=changes),
                  expected=(Expectation("accuracy", at_least=0.98),), speedups={1: 3.21, 32: 0.5})  # fmt: skip


def test_a_row_has_the_figures_of_the_manifest_beside_what_was_expected(result: Result) -> None:
    row = text([result], Path("pictures"), "quick").splitlines()[-1]
    assert "accuracy 0.975 (>= 0.98, **missed**)" in row
    assert "loss" not in row
    assert "3.2x, 0.5x" in row
    assert "shapes \\| colours" in row
    assert "classify.int8: 0.30, 0.50" in row
    assert row.count(" | ") == 9


def test_a_job_without_a_version_has_a_row_that_says_so() -> None:
    page = text([Result("digits-cnn", "classify", "digits", missing="not trained (quick)")], Path(), "quick")
    assert "0 of\n1 jobs are trained" in page
    assert "| *not trained (quick)* |" in page


@pytest.mark.parametrize(
    ("drawn", "chosen"),
    [
        (["activations", "confusion-matrix", "learning-curves"], "confusion-matrix"),
        (["learning-curves", "roc"], "roc"),
        (["learning-curves"], "learning-curves"),
    ],
)
def test_the_picture_is_the_one_that_tells_most(tmp_path: Path, drawn: list[str], chosen: str) -> None:
    for name in drawn:
        (tmp_path / f"{name}.png").touch()
    assert main_picture(tmp_path) == tmp_path / f"{chosen}.png"


def test_a_run_that_drew_nothing_has_no_picture(tmp_path: Path) -> None:
    assert main_picture(tmp_path) is None


def test_the_newest_version_of_the_profile_counts_and_a_broken_one_is_not_passed_over(tmp_path: Path) -> None:
    first = bundles.write_classifier(tmp_path)
    profile = bundle.read(first).provenance.profile
    assert newest(tmp_path / "shapes", profile) == first
    assert newest(tmp_path / "shapes", "another") is None
    (tmp_path / "shapes" / "10").mkdir()
    (tmp_path / "shapes" / "10" / bundle.MANIFEST).write_text("{")
    assert newest(tmp_path / "shapes", profile) == tmp_path / "shapes" / "10"


def test_one_command_writes_the_page_of_every_job(tmp_path: Path, digits_run: Path) -> None:
    models, page, pictures = (
        tmp_path / "models",
        tmp_path / "a" / "RESULTS.md",
        tmp_path / "docs" / "pictures",
    )
    exported = CliRunner().invoke(cli, [str(digits_run), "--models", str(models)])
    assert exported.exit_code == 0, exported.output
    report = models / "digits-cnn" / "1" / "report"
    Image.new("RGB", (600, 400), "white").save(report / "confusion-matrix.png")
    broken = models / "prose-lstm" / "1"
    broken.mkdir(parents=True)
    (broken / bundle.MANIFEST).write_text("{")
    pictures.mkdir(parents=True)
    (pictures / "prose-lstm.png").touch()
    flags = ["--models", str(models), "--profile", "smoke", "--page", str(page), "--pictures", str(pictures)]
    done = CliRunner().invoke(cli, ["results", *flags])
    assert done.exit_code == 0, done.output
    rows = {line.split("`")[1]: line for line in page.read_text().splitlines() if line.startswith("| `")}
    assert list(rows) == list(JOBS)
    assert re.search(r"\d\.\dx, \d+\.\dx", rows["digits-cnn"])
    assert "![digits-cnn](../docs/pictures/digits-cnn.png)" in rows["digits-cnn"]
    assert "cannot be read: manifest.json is not valid" in rows["prose-lstm"]
    assert "not trained (smoke)" in rows["waves-lstm"]
    assert [path.name for path in pictures.iterdir()] == ["digits-cnn.png"]
