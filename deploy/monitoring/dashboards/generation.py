"""The dashboard of models that make tokens: how fast, for how many at once, and what holds them up.

Knows what to ask of generators.
"""

from __future__ import annotations

from deploy.monitoring.dashboards.panels import (
    RATE,
    Dashboard,
    Panel,
    Query,
    Row,
    Variable,
    mean,
    quantiles,
    rate,
)

MODEL = 'model=~"$model"'
CHOICE = Variable("model", "label_values(sluice_slots, model)", several=True)

_TOKENS = Row(
    "Tokens",
    (
        Panel(
            "Each second",
            (Query(rate("sluice_tokens_total", MODEL, "model, kind"), "{{model}} {{kind}}"),),
            "prompt: read; completion: made.",
        ),
        Panel(
            "Time to the first",
            quantiles("sluice_time_to_first_token_seconds", MODEL),
            "From the door to a stream's first token.",
            "s",
        ),
        Panel(
            "Time between two",
            quantiles("sluice_time_between_tokens_seconds", MODEL),
            "Of a stream.",
            "s",
        ),
    ),
)
_SEQUENCES = Row(
    "Sequences",
    (
        Panel(
            "Running and waiting",
            (
                Query(f"sum by (model) (sluice_sequences_running{{{MODEL}}})", "{{model}} running"),
                Query(f"sum by (model) (sluice_sequences_waiting{{{MODEL}}})", "{{model}} waiting"),
            ),
            "On all gateways.",
        ),
        Panel(
            "Rows in use",
            (
                Query(
                    f"sum by (model) (sluice_slots_in_use{{{MODEL}}}) / sum by (model) (sluice_slots{{{MODEL}}})",
                    "{{model}}",
                ),
            ),
            "Share of engine.slots. At 1, the next sequence waits, or reads ahead and then waits.",
            "percentunit",
        ),
        Panel(
            "State memory",
            (Query(f"sum by (model) (sluice_cache_bytes_in_use{{{MODEL}}})", "{{model}}"),),
            "Of the rows that are taken, on all gateways.",
            "bytes",
        ),
        Panel(
            "Why they end",
            (
                Query(
                    rate("sluice_generations_total", MODEL, "model, finish_reason"),
                    "{{model}} {{finish_reason}}",
                ),
            ),
            "Sequences each second.",
        ),
        Panel(
            "Yielded",
            (
                Query(
                    f"{rate('sluice_preemptions_total', MODEL)} or 0 * sum by (model) (sluice_slots{{{MODEL}}})",
                    "{{model}}",
                ),
            ),
            "Sequences each second that had to give up their rows because the state memory was full.",
        ),
    ),
)
_STEPS = Row(
    "Steps",
    (
        Panel(
            "Rows in a step",
            (Query(mean("sluice_batch_rows", f'{MODEL},signature="step"'), "{{model}}"),),
            "Mean. More rows share the cost of a step.",
        ),
        Panel(
            "Time of a step",
            quantiles("sluice_run_duration_seconds", f'{MODEL},signature="step"'),
            "One run of the step graph.",
            "s",
        ),
        Panel(
            "Share of the loop outside the graph",
            (
                Query(
                    f"sum by (model) (rate(sluice_loop_duration_seconds_sum{{{MODEL}}}[{RATE}])) / ("
                    f"sum by (model) (rate(sluice_loop_duration_seconds_sum{{{MODEL}}}[{RATE}])) + "
                    f'sum by (model) (rate(sluice_run_duration_seconds_sum{{{MODEL},signature="step"}}[{RATE}])))',
                    "{{model}}",
                ),
            ),
            "Sampling, bookkeeping and delivery.",
            "percentunit",
        ),
    ),
)

DASHBOARD = Dashboard(
    "sluice-generation",
    "Sluice: generation",
    "Tokens, sequences and steps of generators.",
    (_TOKENS, _SEQUENCES, _STEPS),
    (CHOICE,),
)
