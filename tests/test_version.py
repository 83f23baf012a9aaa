"""One version everywhere."""

import tomllib
from pathlib import Path

from service import __version__

ROOT = Path(__file__).parents[1]


def test_the_gateway_and_the_package_have_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == __version__


def test_the_changelog_knows_the_version() -> None:
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
