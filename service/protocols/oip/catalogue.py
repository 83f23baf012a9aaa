"""What the server says of itself and of its models, as plain values: REST writes them as JSON, gRPC as messages.

Knows the gateway's answers and manifests. Knows no wire.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from service import __version__
from service.bundle import Manifest, Signature, Tensor
from service.domain import ModelId, ModelRef, VersionState, VersionStatus
from service.errors import NotFound, Unavailable
from service.observability.tally import Count, Tally
from service.protocols.oip.datatypes import OF_DTYPE
from service.protocols.oip.reference import naming

if TYPE_CHECKING:
    from service.gateway import Gateway

NAME = "sluice"
PLATFORM = "onnxruntime_onnx"
EXTENSIONS = (
    "classification",
    "model_repository",
    "schedule_policy",
    "model_configuration",
    "binary_tensor_data",
    "parameters",
    "statistics",
)
LOADING_EXTENSIONS = ("model_repository(unload_dependents)",)
"""Those of the model repository that need admin calls."""
TRACE_SETTINGS = {
    "trace_file": "",
    "trace_level": ["OFF"],
    "trace_rate": "1000",
    "trace_count": "-1",
    "log_frequency": "0",
    "trace_mode": "triton",
}
_STATES: dict[VersionState, str] = {
    "loading": "LOADING",
    "available": "READY",
    "draining": "UNLOADING",
    "failed": "UNAVAILABLE",
    "unloaded": "UNAVAILABLE",
}
BATCH = "batch"
_INPUT: dict[str, Any] = {
    "format": "FORMAT_NONE",
    "is_shape_tensor": False,
    "allow_ragged_batch": False,
    "optional": False,
    "is_non_linear_format_io": False,
}
_OUTPUT: dict[str, Any] = {"label_filename": "", "is_shape_tensor": False, "is_non_linear_format_io": False}


def server(gateway: Gateway) -> dict[str, Any]:
    """Return name, version and extensions of the server."""
    extensions = [*EXTENSIONS, *(LOADING_EXTENSIONS if gateway.has_admin_calls else ())]
    return {"name": NAME, "version": __version__, "extensions": extensions}


def is_ready(gateway: Gateway, ref: ModelRef) -> bool:
    """Say whether the model answers; raises NotFound for one that there is not."""
    with naming(ref):
        try:
            gateway.describe(ref)
        except Unavailable:
            return False
        except NotFound:
            known = {status.model for status in gateway.statuses()}
            if ref.version is not None and ModelId(str(ref.name), ref.version) in known:
                return False
            raise
    return not gateway.draining


def model(gateway: Gateway, ref: ModelRef) -> dict[str, Any]:
    """Return the inputs and outputs of a model's default signature; raises NotFound and Unavailable."""
    with naming(ref):
        found, manifest = gateway.describe(ref)
    signature = manifest.default
    return {
        "name": found.name,
        "versions": _versions(gateway.statuses(), found, ref),
        "platform": PLATFORM,
        "inputs": [_tensor(tensor) for tensor in signature.inputs],
        "outputs": [_tensor(tensor) for tensor in signature.outputs],
        "properties": {"signatures": ",".join(manifest.signatures)},
    }


def _versions(statuses: tuple[VersionStatus, ...], found: ModelId, ref: ModelRef) -> list[str]:
    if ref.version is not None:
        return [str(found.version)]
    available = {
        each.model.version for each in statuses if each.model.name == found.name and each.state == "available"
    }
    return [str(version) for version in sorted(available | {found.version})]


def _tensor(tensor: Tensor) -> dict[str, Any]:
    return {"name": tensor.name, "datatype": OF_DTYPE[tensor.dtype], "shape": _sizes(tensor)}


def _sizes(tensor: Tensor) -> list[int]:
    return [size if isinstance(size, int) else -1 for size in tensor.shape]


def config(gateway: Gateway, ref: ModelRef) -> dict[str, Any]:
    """Return how a model is served, in the form of Triton's ModelConfig; raises NotFound and Unavailable."""
    with naming(ref):
        found, manifest = gateway.describe(ref)
    signature = manifest.default
    batched = _is_batched(signature)
    return {
        "name": found.name,
        "platform": PLATFORM,
        "backend": "onnxruntime",
        "runtime": "",
        "version_policy": {
            "specific": {"versions": [int(each) for each in _versions(gateway.statuses(), found, ModelRef())]}
        },
        "max_batch_size": manifest.batching.max_rows if batched else 0,
        "input": [{**_configured(tensor, batched=batched), **_INPUT} for tensor in signature.inputs],
        "output": [{**_configured(tensor, batched=batched), **_OUTPUT} for tensor in signature.outputs],
        "batch_input": [],
        "batch_output": [],
        **(
            {"dynamic_batching": {"preferred_batch_size": [], "max_queue_delay_microseconds": 0}}
            if batched
            else {}
        ),
        "instance_group": [{"name": f"{found.name}_0", "kind": "KIND_AUTO", "count": 1}],
        "default_model_filename": signature.file,
        "cc_model_filenames": {},
        "metric_tags": {},
        "model_warmup": [],
        "parameters": _config_parameters(manifest),
        "model_transaction_policy": {"decoupled": False},
    }


def _config_parameters(manifest: Manifest) -> dict[str, Any]:
    return {
        "task": {"string_value": manifest.task.word},
        "default_signature": {"string_value": manifest.default_signature},
        "signatures": {"string_value": ",".join(manifest.signatures)},
    }


def _is_batched(signature: Signature) -> bool:
    return all(tensor.shape[:1] == (BATCH,) for tensor in (*signature.inputs, *signature.outputs))


def _configured(tensor: Tensor, *, batched: bool) -> dict[str, Any]:
    datatype = OF_DTYPE[tensor.dtype]
    return {
        "name": tensor.name,
        "data_type": "TYPE_STRING" if datatype == "BYTES" else f"TYPE_{datatype}",
        "dims": _sizes(tensor)[1:] if batched else _sizes(tensor),
    }


def index(gateway: Gateway, *, only_ready: bool) -> list[dict[str, str]]:
    """Return every version on disk, or those that are ready, where it stands, and why if it failed."""
    return [
        {
            "name": status.model.name,
            "version": str(status.model.version),
            "state": _STATES[status.state],
            **({"reason": status.reason} if status.reason else {}),
        }
        for status in gateway.statuses()
        if status.state == "available" or not only_ready
    ]


def statistics(gateway: Gateway, ref: ModelRef) -> list[dict[str, Any]]:
    """Return what was counted for each live version that is meant, all of them without a name.

    Raises NotFound and Unavailable.
    """
    with naming(ref):
        if ref.name is not None:
            gateway.describe(ref)
    return [
        _counted(found, tally)
        for found, tally in gateway.tallies()
        if ref.name in (None, found.name) and ref.version in (None, found.version)
    ]


def _counted(found: ModelId, tally: Tally) -> dict[str, Any]:
    nothing = _duration(Count())
    return {
        "name": found.name,
        "version": str(found.version),
        "last_inference": int(tally.last_at_unix_s * 1000),
        "inference_count": tally.rows,
        "execution_count": tally.runs,
        "inference_stats": {
            "success": _duration(tally.answered),
            "fail": _duration(tally.failed),
            "queue": _duration(tally.queued),
            "compute_input": _unmeasured(tally.ran),
            "compute_infer": _duration(tally.ran),
            "compute_output": _unmeasured(tally.ran),
            "cache_hit": nothing,
            "cache_miss": nothing,
        },
        "batch_stats": [
            {
                "batch_size": rows,
                "compute_input": _unmeasured(count),
                "compute_infer": _duration(count),
                "compute_output": _unmeasured(count),
            }
            for rows, count in sorted(tally.by_rows.items())
        ],
        "memory_usage": [],
        "response_stats": {},
    }


def _duration(count: Count) -> dict[str, int]:
    return {"count": count.times, "ns": int(count.total_s * 1e9)}


def _unmeasured(count: Count) -> dict[str, int]:
    """Return a stage that every run went through, whose time counts among `compute_infer`'s.

    Its count must be that stage's: perf_analyzer gives up if they differ.
    """
    return {"count": count.times, "ns": 0}


def log_settings() -> dict[str, Any]:
    """Return what is logged now."""
    log = logging.getLogger("service")
    return {
        "log_file": "",
        "log_info": log.isEnabledFor(logging.INFO),
        "log_warning": log.isEnabledFor(logging.WARNING),
        "log_error": log.isEnabledFor(logging.ERROR),
        "log_verbose_level": int(log.isEnabledFor(logging.DEBUG)),
        "log_format": "default",
    }
