"""Frozen, typed settings, and where their values come from.

Knows nothing of what the settings are for. Read once, in `service.app`; each room receives only its own class.
"""

from service.config.reading import ConfigError, Location, Value, read
from service.config.secret import Secret
from service.config.settings import (
    Admin,
    Drain,
    Engine,
    Grpc,
    Http,
    Limits,
    Log,
    Metrics,
    Oip,
    Operations,
    Place,
    Policy,
    Repository,
    Settings,
    Tracing,
)
from service.config.url import Url, is_url, without_secrets

__all__ = [
    "Admin",
    "ConfigError",
    "Drain",
    "Engine",
    "Grpc",
    "Http",
    "Limits",
    "Location",
    "Log",
    "Metrics",
    "Oip",
    "Operations",
    "Place",
    "Policy",
    "Repository",
    "Secret",
    "Settings",
    "Tracing",
    "Url",
    "Value",
    "is_url",
    "read",
    "without_secrets",
]
