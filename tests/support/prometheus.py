"""Prometheus' own programs, where there are any: Debian's package `prometheus` has both.

Knows where to look for them. CI puts them on the path (`.ci/prometheus`).
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "monitoring" / "prometheus"


def program(name: str) -> str:
    """Return the path of `prometheus` or `promtool`; skips the test without it."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (Debian: apt-get install prometheus)")
    return found


@contextmanager
def reading(home: Path, port: int, targets: dict[str, list[str]], interval: str) -> Iterator[None]:
    """Run a Prometheus whose jobs read `targets` at `interval`, with the rules of `deploy/`, evaluated all as often.

    Its log is `home/log`.
    """
    rules = home / "rules"
    rules.mkdir()
    for path in (CONFIGURATION / "rules").glob("*.yaml"):
        groups = yaml.safe_load(path.read_text())["groups"]
        told = [{key: value for key, value in group.items() if key != "interval"} for group in groups]
        (rules / path.name).write_text(yaml.safe_dump({"groups": told}))
    configuration = {
        "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
        "rule_files": [str(rules / "*.yaml")],
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": addresses}]}
            for job, addresses in targets.items()
        ],
    }
    (home / "prometheus.yaml").write_text(yaml.safe_dump(configuration))
    command = [program("prometheus"), f"--config.file={home / 'prometheus.yaml'}"]
    command += [f"--storage.tsdb.path={home / 'data'}", f"--web.listen-address=127.0.0.1:{port}"]
    with (home / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            process.wait(timeout=30)
