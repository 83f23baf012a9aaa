"""What a run says of where it comes from."""

import re

import numpy as np

from training import provenance


def test_the_command_can_be_pasted_into_a_shell() -> None:
    assert provenance.command(["digits-cnn", "--data", "my digits"]) == (
        "python -m training digits-cnn --data 'my digits'"
    )


def test_the_revision_is_a_commit_or_unknown() -> None:
    assert re.fullmatch(r"[0-9a-f]{40,64}(\+changes)?|unknown", provenance.revision())


def test_the_versions_are_those_that_run() -> None:
    assert provenance.libraries()["numpy"] == np.__version__
