"""The CSV of epochs, replaced whole after each one, so that it never has half a row.

Knows nothing of what the columns mean.
"""

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from training import atomic

Row = Mapping[str, float]


def read(path: Path) -> list[dict[str, float]]:
    """Return the rows of the log, oldest first; none if there is no log."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(file)]


def write(path: Path, rows: list[dict[str, float]]) -> None:
    """Write all rows; the columns are those of any row, `epoch` first."""
    columns = ["epoch", *sorted({key for row in rows for key in row} - {"epoch"})]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, "epoch": int(row["epoch"])} for row in rows)
    atomic.write_text(path, text.getvalue())
