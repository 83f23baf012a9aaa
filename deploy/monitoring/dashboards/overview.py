"""The dashboard to look at first: is everything well, and if not, which model is not.

Knows what to ask of all models at once.
"""

from __future__ import annotations

from deploy.monitoring.dashboards.panels import Dashboard, Panel, Query, Row, quantile, rate

REQUESTS = "sluice_request_duration_seconds"

_NOW = Row(
    "Now",
    (
        Panel(
            "Gateways",
            (Query("count(sluice_build_info)"),),
            "Gateways that Prometheus reads.",
            kind="stat",
            width=4,
        ),
        Panel(
            "Models that answer",
            (Query('count(max by (model) (sluice_model_state{state="available"}) == 1)'),),
            "Models with a version that is live on some gateway.",
            kind="stat",
            width=4,
        ),
        Panel(
            "Versions refused",
            (Query("count(max by (model, version) (sluice_model_refused)) or vector(0)"),),
            "Versions on disk whose files are not served.",
            kind="stat",
            width=4,
        ),
        Panel(
            "Alerts",
            (Query('count(ALERTS{alertstate="firing"}) or vector(0)'),),
            "Alerts that fire.",
            kind="stat",
            width=4,
        ),
        Panel(
            "Requests",
            (Query("sum(sluice:requests:rate5m)"),),
            "Each second, without what callers got wrong.",
            "reqps",
            "stat",
            4,
        ),
        Panel(
            "Errors",
            (
                Query(
                    "sum(sluice:request_errors:ratio_rate5m * sluice:requests:rate5m) / sum(sluice:requests:rate5m)"
                ),
            ),
            "Share of requests that were refused, late or broken.",
            "percentunit",
            "stat",
            4,
        ),
    ),
)
_REQUESTS = Row(
    "Requests",
    (
        Panel("By model", (Query(rate(f"{REQUESTS}_count"), "{{model}}"),), "Requests each second.", "reqps"),
        Panel(
            "By outcome",
            (Query(rate(f"{REQUESTS}_count", by="outcome"), "{{outcome}}"),),
            "How requests end.",
            "reqps",
        ),
        Panel(
            "By wire",
            (Query(rate(f"{REQUESTS}_count", by="protocol"), "{{protocol}}"),),
            "How requests come.",
            "reqps",
        ),
        Panel(
            "Median time",
            (Query(quantile(0.5, REQUESTS, 'outcome="ok"'), "{{model}}"),),
            "From the door to the answer, the last token included.",
            "s",
        ),
        Panel(
            "99th percentile of the time",
            (Query(quantile(0.99, REQUESTS, 'outcome="ok"'), "{{model}}"),),
            "From the door to the answer, the last token included.",
            "s",
        ),
        Panel(
            "Refused",
            (Query(rate("sluice_refusals_total", by="model, reason"), "{{model}} {{reason}}"),),
            "Turned away for the gateway's own sake.",
            "reqps",
            quiet=True,
        ),
    ),
)
_OBJECTIVES = Row(
    "Objectives",
    (
        Panel(
            "Errors, one hour",
            (Query("max by (model) (sluice:request_errors:ratio_rate1h)", "{{model}}"),),
            "The objective allows 0.1 %.",
            "percentunit",
        ),
        Panel(
            "Slow answers, one hour",
            (Query("max by (model) (sluice:request_slow:ratio_rate1h)", "{{model}}"),),
            "The objective allows 1 % after 0.5 s; after 10 s for generate and translate.",
            "percentunit",
        ),
        Panel(
            "Since the last answer",
            (Query("time() - max by (model) (sluice_last_success_timestamp_seconds > 0)", "{{model}}"),),
            "Of no concern for a model that nobody asks.",
            "s",
        ),
    ),
)
_MODELS = Row(
    "Models",
    (
        Panel(
            "Where each version stands",
            (Query("count by (model, version, state) (sluice_model_state == 1)"),),
            "On how many gateways it is in which state.",
            kind="table",
            width=12,
        ),
        Panel(
            "Why versions are refused",
            (Query("count by (model, version, reason) (sluice_model_refused)"),),
            "files: missing or wrong; graph: cannot be opened or run; golden: answers otherwise than when exported.",
            kind="table",
            width=12,
            quiet=True,
        ),
    ),
)

DASHBOARD = Dashboard(
    "sluice-overview",
    "Sluice: overview",
    "All models on all gateways.",
    (_NOW, _REQUESTS, _OBJECTIVES, _MODELS),
)
