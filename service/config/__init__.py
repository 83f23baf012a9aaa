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
    Policy,
    Repository,
    Settings,
    Tracing,
)

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
    "Policy",
    "Repository",
    "Secret",
    "Settings",
    "Tracing",
    "Value",
    "read",
]
