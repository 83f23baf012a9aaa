"""Build the Serve application from its arguments: `deploy.ray.application:build` in a Serve configuration.

Knows which deployments there are and how they scale. Knows nothing of what they do.
"""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from ray import serve

from deploy.ray.ingress import Ingress
from deploy.ray.model import Model
from deploy.ray.wiring import names_on_disk
from service.config import Settings, Url

MAX_ONGOING_REQUESTS = 1024
"""Requests that Serve hands to one ingress at a time; the gateway's own limits hold inside."""


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Scaling(_Group):
    """How many replicas a deployment has, by the requests that are queued or running at each.

    `max_ongoing_requests` are let into a replica, where they share batches; the others wait at the ingress.
    """

    min_replicas: int = Field(1, ge=1)
    max_replicas: int = Field(4, ge=1)
    target_ongoing_requests: float = Field(16.0, gt=0)
    max_ongoing_requests: int = Field(64, ge=1)
    max_queued_requests: int = Field(1024, ge=-1)
    upscale_delay_s: float = Field(5.0, ge=0)
    downscale_delay_s: float = Field(120.0, ge=0)
    metrics_interval_s: float = Field(2.0, gt=0)
    look_back_period_s: float = Field(6.0, gt=0)
    num_cpus: float = Field(1.0, ge=0)
    num_gpus: float = Field(0.0, ge=0)
    max_replicas_per_node: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.max_replicas < self.min_replicas:
            raise ValueError("max_replicas is below min_replicas")
        return self


class Arguments(_Group):
    """What `args` of the application says. `settings` are the gateway's; ports and hosts are Serve's.

    `scaling` holds for every model that is not in `models`.
    """

    settings: Settings = Settings()
    ingress: Scaling = Scaling(
        target_ongoing_requests=256, max_ongoing_requests=MAX_ONGOING_REQUESTS, num_cpus=0.5
    )
    scaling: Scaling = Scaling()
    models: dict[str, Scaling] = {}

    @model_validator(mode="after")
    def _only_what_works(self) -> Self:
        if self.settings.admin.enabled:
            raise ValueError("settings.admin.enabled: admin calls would change one ingress only")
        if self.settings.oip.shared_memory:
            raise ValueError("settings.oip.shared_memory: models run in other processes")
        if self.settings.repository.model_config_file is not None:
            raise ValueError("settings.repository.model_config_file: write base_paths instead")
        places = (self.settings.models, *self.settings.repository.base_paths.values())
        if any(isinstance(place, Url) for place in places):
            raise ValueError("settings.models: URLs are not read here: mount the directory")
        return self


def build(args: dict[str, Any]) -> serve.Application:
    """Return the application: a deployment for each model that is on disk now, behind the ingress.

    `args` are those of `Arguments`, as they stand in the configuration; raises ValidationError.
    """
    return _application(Arguments.model_validate(args))


def _application(args: Arguments) -> serve.Application:
    models = {
        name: serve.deployment(Model)
        .options(**options(f"model-{name}", scaling := args.models.get(name, args.scaling), args.settings))
        .bind(name, _with_threads(args.settings, scaling))
        for name in names_on_disk(args.settings)
    }
    ingress = serve.deployment(serve.ingress()(Ingress)).options(
        **options("ingress", args.ingress, args.settings)
    )
    return ingress.bind(args.settings, models)


def options(name: str, scaling: Scaling, settings: Settings) -> dict[str, Any]:
    """Return the options of a deployment, in Serve's words."""
    return {
        "name": name,
        "max_ongoing_requests": scaling.max_ongoing_requests,
        "max_queued_requests": scaling.max_queued_requests,
        "graceful_shutdown_timeout_s": settings.drain.grace_s,
        "graceful_shutdown_wait_loop_s": 0.5,
        "max_replicas_per_node": scaling.max_replicas_per_node,
        "ray_actor_options": {"num_cpus": scaling.num_cpus, "num_gpus": scaling.num_gpus},
        "autoscaling_config": scaling.model_dump(
            include={
                "min_replicas",
                "max_replicas",
                "target_ongoing_requests",
                "upscale_delay_s",
                "downscale_delay_s",
                "metrics_interval_s",
                "look_back_period_s",
            }
        ),
    }


def _with_threads(settings: Settings, scaling: Scaling) -> Settings:
    """Return settings whose graphs use the cores that the replica has been given, unless they say how many."""
    if settings.engine.threads:
        return settings
    threads = max(1, round(scaling.num_cpus))
    return settings.model_copy(update={"engine": settings.engine.model_copy(update={"threads": threads})})
