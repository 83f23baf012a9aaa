"""What C++ writes to the terminal is held back, and shown when it matters."""

import os

import pytest

from training.quiet import hold_stderr


def test_noise_is_held_and_what_follows_is_shown(capfd) -> None:
    with hold_stderr():
        os.write(2, b"noise")
    os.write(2, b"news")
    assert capfd.readouterr().err == "news"


def test_noise_before_an_error_is_shown(capfd) -> None:
    @hold_stderr()
    def broken_import() -> None:
        os.write(2, b"the reason")
        raise ImportError("no TensorFlow")

    with pytest.raises(ImportError):
        broken_import()
    assert capfd.readouterr().err == "the reason"
