"""Every flag of `tensorflow_model_server`, and what becomes of it here: one table of data.

Knows names, kinds and sentences. What the served ones mean is in `command_line`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["bool", "number", "text"]

SERVED: Mapping[str, Kind] = {
    "port": "number",
    "grpc_socket_path": "text",
    "grpc_channel_arguments": "text",
    "rest_api_port": "number",
    "rest_api_timeout_in_ms": "number",
    "batching_parameters_file": "text",
    "enable_batching": "bool",
    "model_config_file": "text",
    "model_config_file_poll_wait_seconds": "number",
    "model_name": "text",
    "model_base_path": "text",
    "file_system_poll_wait_seconds": "number",
    "monitoring_config_file": "text",
    "tensorflow_session_parallelism": "number",
    "tensorflow_intra_op_parallelism": "number",
    "version": "bool",
}
"""Flags that do here what they do there."""


@dataclass(frozen=True, slots=True)
class Told:
    """A flag that does nothing, or must not be given, and why.

    Values in `harmless` say what is so anyway, and are passed over in silence.
    """

    kind: Kind
    why: str
    harmless: frozenset[str] = frozenset()


_OFF = frozenset({"false"})
_ON = frozenset({"true"})
_ZERO = frozenset({"0", "0.0"})
_NONE = frozenset({""})

WITHOUT_EFFECT: Mapping[str, Told] = {
    "rest_api_num_threads": Told("number", "REST is answered on one event loop"),
    "grpc_max_threads": Told("number", "gRPC is answered on one event loop"),
    "allow_version_labels_for_unavailable_models": Told(
        "bool", "a label may always point to a version that is not there yet", _ON
    ),
    "enable_per_model_batching_parameters": Told(
        "bool", "each manifest has its model's batch size; batching_params.pbtxt is not read", _OFF
    ),
    "num_load_threads": Told("number", "versions are loaded one at a time, beside the requests"),
    "num_unload_threads": Told("number", "versions are unloaded beside the requests"),
    "max_num_load_retries": Told("number", "a version that failed is tried again when its files change"),
    "load_retry_interval_micros": Told("number", "a version that failed is tried again when its files change"),
    "flush_filesystem_caches": Told("bool", "the system's caches are left alone"),
    "tensorflow_inter_op_parallelism": Told(
        "number", "the operators of a graph run one after the other", _ZERO
    ),
    "per_process_gpu_memory_fraction": Told(
        "number", "GPU memory is taken as it is needed, and not reserved", _ZERO
    ),
    "saved_model_tags": Told("text", "ONNX graphs have no tags", frozenset({"serve"})),
    "enable_model_warmup": Told(
        "bool", "the golden requests of a bundle warm it up; tf_serving_warmup_requests is not read"
    ),
    "num_request_iterations_for_warmup": Told("number", "the golden requests of a bundle warm it up"),
    "remove_unused_fields_from_bundle_metagraph": Told("bool", "there is no metagraph in memory"),
    "num_tflite_pools": Told("number", "there is no TensorFlow Lite here"),
    "num_tflite_interpreters_per_pool": Told("number", "there is no TensorFlow Lite here"),
    "enable_signature_method_name_check": Told("bool", "the manifest says which signatures classify or regress"),
    "xla_cpu_compilation_enabled": Told("bool", "ONNX Runtime runs the graphs", _OFF),
    "xla_gpu_compilation_enabled": Told("bool", "ONNX Runtime runs the graphs", _OFF),
    "enable_profiler": Told("bool", "there is no profiler service", _OFF),
    "thread_pool_factory_config_file": Told("text", "threads are set with --engine-threads", _NONE),
    "skip_initialize_tpu": Told("bool", "there are no TPUs here"),
    "enable_grpc_healthcheck_service": Told("bool", "health is always served", _ON),
    "enable_serialization_as_tensor_content": Told(
        "bool", "answers have their elements in the field of the dtype, which every client reads", _OFF
    ),
}  # fmt: skip
"""Flags that change nothing that a caller could notice but time; each is one line in the log."""

REFUSED: Mapping[str, Told] = {
    "ssl_config_file": Told("text", "TLS is not served: put a proxy that ends it in front", _NONE),
    "use_alts_credentials": Told("bool", "ALTS is not served: put a proxy in front", _OFF),
    "rest_api_enable_cors_support": Told(
        "bool", "CORS headers are not sent: put a proxy that adds them in front", _OFF
    ),
    "platform_config_file": Told("text", "there is one platform, ONNX Runtime; see the settings of engine", _NONE),
    "tensorflow_session_config_file": Told(
        "text", "there is no TensorFlow session; see --engine-threads and --engine-device", _NONE
    ),
    "prefer_tflite_model": Told("bool", "TensorFlow Lite models are not run", _OFF),
    "mixed_precision": Told("text", "a graph runs in the precision that it was exported with", _NONE),
}  # fmt: skip
"""Flags that cannot be obeyed, where going on as if they could be would mislead."""


def kind_of(name: str) -> Kind | None:
    """Return the kind of a flag by its name, None if TensorFlow Serving has no such flag."""
    told = WITHOUT_EFFECT.get(name) or REFUSED.get(name)
    return told.kind if told is not None else SERVED.get(name)
