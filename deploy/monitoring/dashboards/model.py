"""The dashboard of one model: where its requests spend their time, and how they share runs.

Knows what to ask of any model, whatever its task.
"""

from __future__ import annotations

from deploy.monitoring.dashboards.panels import (
    Dashboard,
    Panel,
    Query,
    Row,
    Variable,
    mean,
    quantiles,
    rate,
)

REQUESTS = "sluice_request_duration_seconds"
MODEL = 'model="$model"'
CHOICE = Variable("model", "label_values(sluice_model_state, model)")

_REQUESTS = Row(
    "Requests",
    (
        Panel(
            "By version",
            (Query(rate(f"{REQUESTS}_count", MODEL, "version"), "{{version}}"),),
            "Requests each second.",
            "reqps",
        ),
        Panel(
            "By outcome",
            (Query(rate(f"{REQUESTS}_count", MODEL, "outcome"), "{{outcome}}"),),
            "How they end.",
            "reqps",
        ),
        Panel(
            "By task and wire",
            (Query(rate(f"{REQUESTS}_count", MODEL, "word, protocol"), "{{word}} {{protocol}}"),),
            "How they come.",
            "reqps",
        ),
        Panel(
            "Errors, by window",
            tuple(
                Query(f"max(sluice:request_errors:ratio_rate{window}{{{MODEL}}})", window)
                for window in ("5m", "1h", "6h", "3d")
            ),
            "The objective allows 0.1 %.",
            "percentunit",
        ),
        Panel(
            "Slow answers, by window",
            tuple(
                Query(f"max(sluice:request_slow:ratio_rate{window}{{{MODEL}}})", window)
                for window in ("5m", "1h", "6h", "3d")
            ),
            "The objective allows 1 % after 0.5 s; after 10 s for generate and translate.",
            "percentunit",
        ),
        Panel(
            "Waiting",
            (Query(f"sum(sluice:queue:requests{{{MODEL}}})", "requests"),),
            "Requests and sequences that wait, on all gateways.",
        ),
    ),
)
_TIME = Row(
    "Where the time goes",
    (
        Panel(
            "In all",
            quantiles(REQUESTS, f'{MODEL},outcome="ok"', "version"),
            "From the door to the answer, the last token included.",
            "s",
        ),
        Panel(
            "Waiting for the first run",
            quantiles("sluice_queue_wait_seconds", MODEL, "version"),
            "Grows when more arrives than is answered.",
            "s",
        ),
        Panel(
            "In a run",
            quantiles("sluice_run_duration_seconds", MODEL, "signature"),
            "One run of a graph, by signature.",
            "s",
        ),
    ),
)
_BATCHES = Row(
    "How requests share runs",
    (
        Panel(
            "Rows in a run",
            (Query(mean("sluice_batch_rows", MODEL, "signature"), "{{signature}}"),),
            "Mean, by signature. 1 says that nothing is shared.",
        ),
        Panel(
            "Why a run was made then",
            (Query(rate("sluice_batches_total", MODEL, "signature, reason"), "{{signature}} {{reason}}"),),
            "idle: nothing else to do; full: no more rows fit; delay: nobody came within the delay; step: of a generator.",
            "ops",
        ),
        Panel(
            "Padding",
            (Query(mean("sluice_batch_padding_ratio", MODEL, "signature"), "{{signature}}"),),
            "Share of a run's elements that only make sequences equally long.",
            "percentunit",
        ),
    ),
)
_VERSIONS = Row(
    "Versions",
    (
        Panel(
            "States",
            (Query(f"count by (version, state) (sluice_model_state{{{MODEL}}} == 1)"),),
            "On how many gateways a version is in which state.",
            kind="table",
        ),
        Panel(
            "Time to load",
            (Query(f"max by (version) (sluice_model_load_duration_seconds{{{MODEL}}})", "{{version}}"),),
            "The slowest gateway's.",
            "s",
        ),
        Panel(
            "Parity",
            (
                Query(
                    f"max by (version, signature) (sluice_export_parity_ratio{{{MODEL}}})",
                    "{{version}} {{signature}}",
                ),
            ),
            "Largest relative difference between SavedModel and graph that export measured; 1e-4 is refused.",
            "sci",
        ),
    ),
)

DASHBOARD = Dashboard(
    "sluice-model",
    "Sluice: one model",
    "Requests, time, batches and versions of one model.",
    (_REQUESTS, _TIME, _BATCHES, _VERSIONS),
    (CHOICE,),
)
