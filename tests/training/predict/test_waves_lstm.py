"""Cells and schedules that a setting chooses."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from training.predict.waves_lstm import WavesSettings, build, go_on, rate_of


@pytest.mark.parametrize("cell", ["lstm", "bilstm", "gru"])
def test_each_cell_takes_a_window_to_a_value(cell: str, tmp_path: Path) -> None:
    model = build(WavesSettings(cell=cell, units=3, window=5), tmp_path)
    assert model(np.zeros((2, 5, 1), np.float32)).shape == (2, 1)
    assert len(go_on(model, np.zeros((5, 1), np.float32), 3)) == 3


@pytest.mark.parametrize(
    ("schedule", "first", "middle", "last"),
    [
        ("constant", 0.01, 0.01, 0.01),
        ("exponential", 0.01, 0.001, 0.0001),
        ("cosine", 0.01, 0.005, 0.0),
        ("warmup", 0.0001, 0.0058682, 0.0),
        ("steps", 0.01, 0.0025, 0.0003125),
    ],
)
def test_schedules_go_where_they_say(schedule: str, first: float, middle: float, last: float) -> None:
    rate = rate_of(WavesSettings(schedule=schedule, learning_rate=0.01, epochs=10), steps=10)
    values = [rate if isinstance(rate, float) else float(rate(step)) for step in (0, 50, 100)]
    assert values == pytest.approx([first, middle, last], rel=1e-3, abs=1e-9)


@pytest.mark.parametrize("changes", [{"schedule": "plateau"}, {"schedule": "cosine", "plateau_patience": 3}])
def test_only_plateau_has_patience_with_plateaus(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="schedule 'plateau' needs plateau_patience"):
        WavesSettings.model_validate(changes)
