"""What Prometheus and Grafana are told: rules, dashboards, and what to do when an alert fires (RUNBOOK.md).

Knows the names of the gateway's metrics, which a test compares with the gateway's own list.
"""
