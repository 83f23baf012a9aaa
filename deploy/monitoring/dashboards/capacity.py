"""The dashboard of what gateways use of what they may have: when are more of them needed?

Knows what to ask of processes and GPUs.
"""

from __future__ import annotations

from deploy.monitoring.dashboards.panels import RATE, Dashboard, Panel, Query, Row, Variable, rate

GATEWAY = 'instance=~"$instance"'
CHOICE = Variable("instance", "label_values(sluice_build_info, instance)", several=True)


def _of_gateways(expression: str) -> str:
    """Return what every process has, of gateways only."""
    return f"{expression} and on (job, instance) sluice_build_info"


_PROCESS = Row(
    "Gateways",
    (
        Panel(
            "Processors",
            (Query(_of_gateways(f"rate(process_cpu_seconds_total{{{GATEWAY}}}[{RATE}])"), "{{instance}}"),),
            "In use, by gateway.",
        ),
        Panel(
            "Memory",
            (
                Query(_of_gateways(f"process_resident_memory_bytes{{{GATEWAY}}}"), "{{instance}}"),
                Query(f"max(sluice_memory_limit_bytes{{{GATEWAY}}})", "limit"),
            ),
            "Resident, and where the kernel ends a gateway.",
            "bytes",
        ),
        Panel(
            "Files and connections",
            (Query(_of_gateways(f"process_open_fds{{{GATEWAY}}} / process_max_fds"), "{{instance}}"),),
            "Share of the descriptors that a gateway may have open.",
            "percentunit",
        ),
        Panel(
            "Requests in flight",
            (Query(f"sum by (instance) (sluice_requests_in_flight{{{GATEWAY}}})", "{{instance}}"),),
            "limits.max_in_flight is where the door closes.",
        ),
        Panel(
            "Requests",
            (Query(rate("sluice_request_duration_seconds_count", GATEWAY, "instance"), "{{instance}}"),),
            "Each second: is the load balanced?",
            "reqps",
        ),
        Panel(
            "Since the start",
            (Query(_of_gateways(f"time() - process_start_time_seconds{{{GATEWAY}}}"), "{{instance}}"),),
            "A saw says that gateways come and go.",
            "s",
        ),
    ),
)
_ENGINE = Row(
    "Graphs",
    (
        Panel(
            "Busy",
            (Query(rate("sluice_run_duration_seconds_sum", GATEWAY, "model"), "{{model}}"),),
            "Seconds of runs each second, on all gateways. One graph on one gateway cannot do more than 1.",
        ),
        Panel(
            "Rows",
            (Query(rate("sluice_batch_rows_sum", GATEWAY, "model"), "{{model}}"),),
            "Rows each second.",
        ),
        Panel(
            "Waiting",
            (
                Query(
                    f"sum by (model) (sluice_queue_depth{{{GATEWAY}}} or sluice_sequences_waiting{{{GATEWAY}}})",
                    "{{model}}",
                ),
            ),
            "Requests and sequences.",
        ),
    ),
)
_GPU = Row(
    "GPUs",
    (
        Panel(
            "GPU memory",
            (
                Query(f"sluice_gpu_memory_used_bytes{{{GATEWAY}}}", "{{instance}} {{gpu}}"),
                Query(f"max(sluice_gpu_memory_bytes{{{GATEWAY}}})", "all"),
            ),
            "In use, by whomever.",
            "bytes",
            width=12,
            gpu=True,
        ),
        Panel(
            "GPU load",
            (Query(f"sluice_gpu_utilization_ratio{{{GATEWAY}}}", "{{instance}} {{gpu}}"),),
            "Share of the time in which a kernel ran.",
            "percentunit",
            width=12,
            gpu=True,
        ),
    ),
)

DASHBOARD = Dashboard(
    "sluice-capacity",
    "Sluice: capacity",
    "What gateways use of what they may have.",
    (_PROCESS, _ENGINE, _GPU),
    (CHOICE,),
)
