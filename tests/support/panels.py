"""Ask for everything that the dashboards draw, and say which drawings would stay empty.

Knows dashboards and what a Prometheus answers. Knows nothing of how it was started or what it reads.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import httpx

from deploy.monitoring.dashboards import ALL
from deploy.monitoring.dashboards.panels import RATE


class Prometheus:
    """One that listens at `url`."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=10)

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def ready(self) -> bool:
        """Say whether it answers queries yet."""
        return self._http.get("/-/ready").status_code == 200

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """Return the vector that an expression has now; fails if it is none."""
        answer = self._http.get("/api/v1/query", params={"query": expression})
        assert answer.status_code == 200, f"{expression}\n{answer.text}"
        found: list[dict[str, Any]] = answer.json()["data"]["result"]
        return found

    def empty_panels(self, models: Mapping[str, str], interval: str, *, quiet: bool) -> set[str]:
        """Return which queries have no number as an answer; those of a GPU are left out, and those of `quiet` panels
        too unless all is not well. `models` has the model to choose, by dashboard; `interval` is that of rates.
        """
        return {
            f"{dashboard.uid}: {panel.title}: {query.expression}"
            for dashboard in ALL
            for row in dashboard.rows
            for panel in row.panels
            for query in panel.queries
            if not panel.gpu
            and (quiet or not panel.quiet)
            and not self._has_numbers(chosen(query.expression, models.get(dashboard.uid, ""), interval))
        }

    def _has_numbers(self, expression: str) -> bool:
        return any(math.isfinite(float(each["value"][1])) for each in self.ask(expression))


def chosen(expression: str, model: str, interval: str) -> str:
    """Return what Grafana asks when a model and all gateways are chosen."""
    filled = expression.replace(RATE, interval).replace("$model", model).replace("$instance", ".*")
    assert not re.search(r"\$\w", filled), filled
    return filled
