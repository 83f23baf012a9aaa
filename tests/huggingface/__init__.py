"""Small random models as Hugging Face's exporters leave them, with the answers of the models themselves.

`make.py` wrote them; nothing here needs its libraries.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent
EXPECTED = "expected.json"


def expected(name: str) -> dict[str, Any]:
    """Return what PyTorch made of each text: `answers`, each of at most `max_tokens` tokens."""
    return json.loads((ROOT / name / EXPECTED).read_text(encoding="utf-8"))


def publish(name: str, models: Path, *, folder: str = "", without: tuple[str, ...] = ()) -> Path:
    """Copy a model to version 1 of `models`, its graphs to `folder` of it, and return the version's directory."""
    version = models / name / "1"
    (version / folder).mkdir(parents=True)
    for file in (ROOT / name).iterdir():
        if file.name not in {EXPECTED, *without}:
            shutil.copy(file, version / folder / file.name if file.suffix == ".onnx" else version / file.name)
    return version
