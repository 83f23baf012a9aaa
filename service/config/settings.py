"""Every setting of the gateway: its type, its default and what it is for.

Knows nothing of flags, environment or files (`reading` does), and has no effect by itself.

All hosts default to 127.0.0.1: requests for answers need no key, so that being reachable from other machines is
a decision that somebody makes (the container image makes it).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from service.config.secret import Secret
from service.config.url import Url, is_url
from service.domain import NAME_PATTERN

Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
PositiveSeconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
_CLAIMED = frozenset({"v1", "v2", "docs", "openapi.json"})


def _unclaimed(path: str) -> str:
    """Raise ValueError for a path that a wire answers."""
    if path.split("/")[1].lower() in _CLAIMED:
        raise ValueError("expected a path that no wire has")
    return path


PublicPath = Annotated[str, StringConstraints(pattern=r"^(/[A-Za-z0-9._~-]+)+$"), AfterValidator(_unclaimed)]
VersionNumber = Annotated[int, Field(ge=1, lt=2**63)]

_MIB = 2**20
_POLICY = re.compile(r"(?P<kind>latest|specific):(?P<numbers>[0-9]+(?:,[0-9]+)*)")
_ENDPOINT = re.compile(r"https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?/?")


def _read_key(given: Any) -> Secret:
    if isinstance(given, Secret):
        return given
    if not isinstance(given, str | Path):
        raise ValueError("expected the path of a file")  # noqa: TRY004  # pydantic tells of ValueErrors only
    return Secret.read(Path(given))


KeyFile = Annotated[Secret, BeforeValidator(_read_key)]
"""Written as the path of a file, which is read at once."""


def _read_place(given: Any) -> Any:
    if isinstance(given, str) and is_url(given):
        return Url.read(given)
    return Path(given) if isinstance(given, str) else given


Place = Annotated[Path | Url, BeforeValidator(_read_place)]
"""A directory, or a URL of a store."""


def _check_endpoint(given: str) -> str:
    if _ENDPOINT.fullmatch(given) is None:
        raise ValueError("expected http://HOST:PORT, or https://HOST:PORT for TLS")
    return given


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Policy(_Group):
    """Which versions on disk are to be live, written `latest:2`, `all` or `specific:3,5`.

    `latest` counts those that are not known to be bad, so that a bad newest version does not take the place
    of a good one. A version that a label points to is live in addition.
    """

    kind: Literal["latest", "all", "specific"] = "latest"
    count: Count = 1
    versions: frozenset[VersionNumber] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if value == "all":
            return {"kind": "all"}
        match = _POLICY.fullmatch(value)
        if match is None:
            raise ValueError("expected 'latest:N', 'all' or 'specific:V,V'")
        numbers = [int(number) for number in match["numbers"].split(",")]
        if match["kind"] == "specific":
            return {"kind": "specific", "versions": numbers}
        if len(numbers) != 1:
            raise ValueError("'latest' takes one number")
        return {"kind": "latest", "count": numbers[0]}

    def __str__(self) -> str:
        if self.kind == "latest":
            return f"latest:{self.count}"
        return "all" if self.kind == "all" else "specific:" + ",".join(map(str, sorted(self.versions)))


class Repository(_Group):
    """Which models and versions are served, and how changes are noticed."""

    poll_interval_s: PositiveSeconds = Field(1.0, description="seconds between two looks at the directory")
    policy: Policy = Field(
        Policy(), description="versions to serve: latest:N, all or specific:V,V", validate_default=True
    )
    policies: dict[Name, Policy] = Field({}, description="policy by model name, where it differs")
    labels: dict[Name, dict[Name, VersionNumber]] = Field(
        {}, description="version labels by model name; they win over the model's labels.json"
    )
    base_paths: dict[Name, Place] = Field(
        {},
        description="directories or URLs of models that do not lie below the models directory, by model name",
    )
    remote_poll_s: PositiveSeconds = Field(30.0, description="seconds between two looks at a URL")
    remote_timeout_s: PositiveSeconds = Field(
        20.0, description="how long a store may take to connect, and to send more"
    )
    model_config_file: Path | None = Field(
        None, description="TensorFlow Serving's model.config: models with base paths, policies and labels"
    )
    model_config_poll_s: Seconds = Field(
        0.0, description="seconds between two looks at that file; 0 looks at the start only"
    )
    golden: bool = Field(True, description="refuse a version whose golden requests answer differently")
    variant: Name = Field(
        "base", description="graphs that models answer with, where they have them: int8, fp16"
    )
    variants: dict[Name, Name] = Field({}, description="such graphs by model name, where it differs")
    offer_variants: bool = Field(
        False, description="load a model's other variants too, for requests that name one (x-sluice-variant)"
    )


class Http(_Group):
    """The public REST port."""

    host: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0 for all")
    port: Port = Field(8000, description="port; 0 takes a free one")
    max_body_bytes: Count = Field(64 * _MIB, description="largest request body")
    timeout_s: PositiveSeconds | None = Field(
        None, description="time for a REST request that names no deadline; unset: limits.request_timeout_s"
    )
    metrics_path: PublicPath | None = Field(
        None, description="path at which this port has the metrics too; unset: it has not"
    )
    keep_alive_s: PositiveSeconds = Field(75.0, description="how long an idle connection stays open")


class Grpc(_Group):
    """The public gRPC port."""

    host: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0 for all")
    port: Port = Field(8001, description="port; 0 takes a free one")
    max_message_bytes: Count = Field(64 * _MIB, description="largest message, in and out")
    reflection: bool = Field(True, description="offer server reflection")
    socket_path: Path | None = Field(None, description="Unix socket to listen on as well")
    channel_arguments: dict[str, str | int] = Field({}, description="further arguments of gRPC's server")


class Operations(_Group):
    """The port for those who run the gateway: metrics, health, readiness."""

    host: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0 for all")
    port: Port = Field(8002, description="port; 0 takes a free one")


class Oip(_Group):
    """What clients of the Open Inference Protocol may do beyond asking."""

    shared_memory: bool = Field(
        False, description="let every client pass tensors in system shared memory of this machine"
    )
    shared_memory_prefix: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{0,64}$")] = Field(
        "sluice_", description="what the keys of shared memory must begin with; nothing allows them all"
    )
    shared_memory_regions: Count = Field(64, description="regions that may be registered at one time")


class Admin(_Group):
    """Calls that change what is served: load, unload, reload, labels. Off unless switched on with a key."""

    enabled: bool = Field(
        False, description="answer admin calls that show the key; without this all are refused"
    )
    key_file: KeyFile | None = Field(
        None, description="file with the key, which callers show as 'authorization: Bearer KEY'"
    )

    @model_validator(mode="after")
    def _has_a_key(self) -> Self:
        if self.enabled and self.key_file is None:
            raise ValueError("admin.enabled needs a key: admin.key_file is not set")
        return self


class Metrics(_Group):
    """What `/metrics` has."""

    aliases: bool = Field(True, description="also tell metrics by the names that other servers give them")


class Engine(_Group):
    """How graphs are run."""

    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where graphs run; auto prefers CUDA")
    threads: Annotated[int, Field(ge=0)] = Field(
        0,
        description="CPU threads of a run; 0 leaves one usable core to the event loop. Steps of generation are made in "
        "pieces side by side where usable cores are at least twice that, so by default only on two",
    )
    max_rows: Count | None = Field(None, description="rows in a run; unset takes the model's own figure")
    max_delay_s: Seconds = Field(0.0, description="how long a request may wait for company while idle")
    max_queued: Count = Field(1024, description="requests that may wait for one graph")
    max_queued_bytes: Count = Field(256 * _MIB, description="bytes that may wait for one graph")
    inline_bound_s: Seconds = Field(0.001, description="runs expected to be shorter are made on the loop")
    step_inline_bound_s: Seconds = Field(
        0.002, description="the same for the steps of generation, of which one follows another"
    )
    slots: Count = Field(
        32,
        description="sequences of a generator that step together; half as many more may have read their prompts ahead, "
        "unless cache_bytes is set",
    )
    cache_bytes: Count | None = Field(
        None, description="state memory of a generator's running rows; unset bounds it by slots alone"
    )
    cuda_graphs: bool = Field(
        False, description="record the steps of generation as CUDA graphs; not tried on a GPU yet"
    )
    stall_s: PositiveSeconds = Field(
        30.0, description="how long a stream that is not read keeps its slot before it is ended"
    )


class Limits(_Group):
    """What the door lets in."""

    max_in_flight: Count = Field(4096, description="requests being answered at one time")
    request_timeout_s: PositiveSeconds = Field(30.0, description="time for a request that names no deadline")
    max_timeout_s: PositiveSeconds = Field(600.0, description="latest deadline that a request may name")

    @model_validator(mode="after")
    def _default_is_allowed(self) -> Self:
        if self.request_timeout_s > self.max_timeout_s:
            raise ValueError("limits.request_timeout_s is beyond limits.max_timeout_s")
        return self


class Drain(_Group):
    """How the gateway goes down."""

    delay_s: Seconds = Field(0.0, description="unready but still accepting, for load balancers to notice")
    grace_s: Seconds = Field(30.0, description="how long requests in flight may take to finish")


class Log(_Group):
    """What is written to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="lowest level written")
    format: Literal["json", "console"] = Field("console", description="one JSON object a line, or for eyes")
    access: bool = Field(False, description="also write a line for each request that succeeds")


class Tracing(_Group):
    """Traces of requests, sent to an OpenTelemetry collector. Off unless an endpoint is named.

    Where a field names `variables`, these of OpenTelemetry's own are read too; whatever else is told wins.
    """

    endpoint: Annotated[str, AfterValidator(_check_endpoint)] | None = Field(
        None,
        description="collector for OTLP over gRPC, such as http://localhost:4317; https:// for TLS",
        json_schema_extra={
            "variables": ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"]
        },
    )
    sample_ratio: Annotated[float, Field(ge=0, le=1)] = Field(
        1.0,
        description="share of requests whose trace is kept, of those that bring no trace of their own",
    )
    parent_based: bool = Field(
        True, description="keep what the caller keeps; false decides for every request by sample_ratio"
    )
    service_name: Annotated[str, StringConstraints(min_length=1, max_length=255)] = Field(
        "sluice",
        description="what spans call this gateway",
        json_schema_extra={"variables": ["OTEL_SERVICE_NAME"]},
    )


class Settings(_Group):
    """The whole configuration."""

    models: Place | None = Field(
        Path("models"),
        description="directory with <name>/<version>/ below it, or a URL: s3://, gs://, az://, http(s)://",
    )
    models_cache: Path | None = Field(
        None, description="directory for what is fetched from URLs; unset: sluice/models in the user's cache"
    )
    models_cache_bytes: Count = Field(
        10 * 2**30, description="size of that directory; what was not served for longest goes first"
    )
    repository: Repository = Repository()
    http: Http = Http()
    grpc: Grpc = Grpc()
    operations: Operations = Operations()
    oip: Oip = Oip()
    admin: Admin = Admin()
    metrics: Metrics = Metrics()
    engine: Engine = Engine()
    limits: Limits = Limits()
    drain: Drain = Drain()
    log: Log = Log()
    tracing: Tracing = Tracing()

    @model_validator(mode="after")
    def _default_time_is_allowed(self) -> Self:
        if self.http.timeout_s is not None and self.http.timeout_s > self.limits.max_timeout_s:
            raise ValueError("http.timeout_s is beyond limits.max_timeout_s")
        return self

    @model_validator(mode="after")
    def _public_ports_differ(self) -> Self:
        taken = [(group.host, group.port) for group in (self.http, self.grpc, self.operations) if group.port]
        if len(set(taken)) < len(taken):
            raise ValueError("http.port, grpc.port and operations.port must differ")
        return self
