"""Make what keeps traces, if the settings ask for it, and close it within a time.

Knows that the packages for it are optional. Knows nothing of traces.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from service.config import ConfigError, Tracing
from service.observability.tracing import NULL_TRACER, Tracer


def create(settings: Tracing) -> Tracer:
    """Return the tracer; raises ConfigError if it is asked for and its packages are not there."""
    if settings.endpoint is None:
        return NULL_TRACER
    try:
        from service.observability.open_telemetry import OpenTelemetryTracer  # noqa: PLC0415  # optional packages
    except ImportError as error:
        raise ConfigError(
            f"tracing.endpoint is set, and package '{error.name}' is not installed: install requirements/tracing.txt,"
            " or the extra 'tracing'"
        ) from error
    return OpenTelemetryTracer(settings)


async def close(tracer: Tracer, timeout_s: float) -> None:
    """Let `tracer` send what is left, for at most `timeout_s`: a collector that is away must not hold up the end."""
    if not tracer.enabled:
        return
    thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tracer")
    closing = asyncio.get_running_loop().run_in_executor(thread, tracer.close)
    await asyncio.wait((closing,), timeout=timeout_s)
    thread.shutdown(wait=False)
