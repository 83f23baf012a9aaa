"""Two processes cannot train one run."""

from pathlib import Path

import pytest

from training import lock
from training.errors import RunError


def test_a_second_holder_is_refused_and_the_lock_ends_with_the_first(tmp_path: Path) -> None:
    with lock.exclusive(tmp_path):
        assert lock.held(tmp_path)
        with pytest.raises(RunError, match="trained by another process"), lock.exclusive(tmp_path):
            pass
    assert not lock.held(tmp_path)
