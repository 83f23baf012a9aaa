"""`python -m deploy.monitoring.dashboards [--check]`: write the dashboards' JSON, or say whether it is as it would be.

Knows files and exit codes: 0, or 1 if `--check` finds a difference.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from deploy.monitoring.dashboards import ALL
from deploy.monitoring.dashboards.grafana import document

HOME = Path(__file__).parents[1] / "grafana" / "dashboards"


def texts() -> dict[Path, str]:
    """Return what each file has to hold."""
    return {HOME / f"{each.uid}.json": json.dumps(document(each), indent=1) + "\n" for each in ALL}


def main() -> int:
    """Write or compare; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="change nothing, fail if something would change")
    check = parser.parse_args().check
    wanted = texts()
    present = {path: path.read_text(encoding="utf-8") for path in HOME.glob("*.json")}
    if check:
        for path in sorted(wanted.keys() | present.keys()):
            if wanted.get(path) != present.get(path):
                sys.stderr.write(f"{path.name} differs: run python -m deploy.monitoring.dashboards\n")
        return int(wanted != present)
    for path in present.keys() - wanted.keys():
        path.unlink()
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
