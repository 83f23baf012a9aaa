"""Grafana dashboards, written down once in Python; `python -m deploy.monitoring.dashboards` makes the JSON.

Knows which questions to ask. Where they are asked is the provisioning's matter.
"""

from deploy.monitoring.dashboards import capacity, generation, model, overview

ALL = (overview.DASHBOARD, model.DASHBOARD, generation.DASHBOARD, capacity.DASHBOARD)

__all__ = ["ALL"]
