"""What follows from the settings for the public ports."""

from __future__ import annotations

from pathlib import Path

from service.app import offering
from service.config import Settings, Url


def test_rest_may_have_a_time_of_its_own() -> None:
    settings = Settings.model_validate({"limits": {"request_timeout_s": 7}, "http": {"timeout_s": 3}})
    assert offering.http_limits(settings).default_timeout_s == 3
    assert offering.grpc_limits(settings).default_timeout_s == 7
    settings = Settings.model_validate({"limits": {"request_timeout_s": 7}})
    assert offering.http_limits(settings).default_timeout_s == 7


def test_numbers_among_arguments_of_grpc_are_numbers() -> None:
    arguments = {"grpc.max_connection_age_ms": "2000", "grpc.primary_user_agent": "x", "y": "-1"}
    offer = offering.grpc_offer(Settings.model_validate({"grpc": {"channel_arguments": arguments}}))
    assert offer.arguments == {"grpc.max_connection_age_ms": 2000, "grpc.primary_user_agent": "x", "y": -1}


def test_a_reload_may_look_where_there_are_models_already() -> None:
    paths = {"a": "/srv/models/a", "b": "/models", "c": "/srv/models/c"}
    settings = Settings.model_validate({"models": "/shelf", "repository": {"base_paths": paths}})
    assert offering.model_roots(settings) == tuple(
        map(Path, ("/models", "/shelf", "/srv/models", "/srv/models/a", "/srv/models/c"))
    )
    assert offering.model_roots(Settings.model_validate({"models": None})) == ()


def test_a_reload_may_look_at_urls_that_are_read_already() -> None:
    paths = {"a": "/srv/models/a", "b": "gs://bucket/b"}
    settings = Settings.model_validate({"models": "s3://bucket/m", "repository": {"base_paths": paths}})
    assert offering.model_roots(settings) == (
        Path("/srv/models"),
        Path("/srv/models/a"),
        Url("gs", "bucket/b"),
        Url("s3", "bucket/m"),
    )
