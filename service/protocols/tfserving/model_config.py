"""`ModelServerConfig`, from a `model.config` file or a reload, to what is to be served.

Pure. Knows the messages and their text form; knows neither files nor gRPC.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from google.protobuf import text_format

from pb import tfserving_pb2
from service.config import Place, Policy, Url, is_url, without_secrets
from service.domain import NAME_PATTERN
from service.errors import Invalid
from service.protocols.tfserving.faults import quoted
from service.repository.rules import Places, Rules

_PLATFORMS = frozenset({"tensorflow", "onnx", "onnxruntime", ""})
_NAME = re.compile(NAME_PATTERN)
_LARGEST_VERSION = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Served:
    """What a configuration lists, by model name; `without_effect` has the parts that mean nothing here."""

    base_paths: Mapping[str, Place]
    policies: Mapping[str, Policy]
    labels: Mapping[str, Mapping[str, int]]
    without_effect: tuple[str, ...] = ()

    def rules(self, before: Rules, *, shelf: bool) -> Rules:
        """Return the rules that serve exactly this and, with `shelf`, what is in the models directory."""
        return replace(
            before,
            policies=self.policies,
            labels=self.labels,
            unloaded=frozenset(),
            places=Places(self.base_paths, shelf=shelf),
        )


def parse(text: str, kind: Any) -> Any:
    """Return a message of type `kind` from its text form; raises Invalid with line and column."""
    try:
        return text_format.Parse(text, kind())
    except text_format.ParseError as error:
        raise Invalid(f"expected a {kind.DESCRIPTOR.name} as text: {error}") from error


def read(text: str) -> Served:
    """Return what a `model.config` file lists; the list may be empty. Raises Invalid."""
    config = parse(text, tfserving_pb2.ModelServerConfig)
    if config.WhichOneof("config") is None:
        # A file that is being written is empty for a moment: no order to unload.
        raise Invalid("expected a model_config_list, got nothing", field="config")
    return served(config)


def served(config: Any) -> Served:
    """Return what a ModelServerConfig lists; raises Invalid, with TensorFlow Serving's texts where it has one."""
    if config.WhichOneof("config") != "model_config_list":
        raise Invalid(
            "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is "
            "currently supported",
            field="config",
        )
    models: dict[str, Any] = {}
    for model in config.model_config_list.config:
        _check_model(model)
        if model.name in models:
            raise Invalid(
                f"Illegal to list model {model.name} multiple times in config list", field=_where(model)
            )
        models[model.name] = model
    return Served(
        {name: _place(model) for name, model in models.items()},
        {
            name: _policy(model)
            for name, model in models.items()
            if model.model_version_policy.WhichOneof("policy_choice")
        },
        {name: _labels(model) for name, model in models.items() if model.version_labels},
        tuple(
            f"logging_config of model '{name}': requests are not logged to files"
            for name, model in models.items()
            if model.HasField("logging_config")
        ),
    )


def _where(model: Any) -> str:
    return f"config.{quoted(model.name)}"


def _check_model(model: Any) -> None:
    if not _NAME.fullmatch(model.name):
        raise Invalid(
            f"model name '{quoted(model.name)}': expected up to 128 letters, digits, '.', '_' and '-'",
            field="config.name",
        )
    if model.model_type != tfserving_pb2.MODEL_TYPE_UNSPECIFIED and model.model_platform:
        raise Invalid(
            "Illegal setting both ModelServerConfig::model_type (deprecated) and "
            "ModelServerConfig::model_platform.",
            field=_where(model),
        )
    if model.model_type == tfserving_pb2.OTHER or model.model_platform not in _PLATFORMS:
        raise Invalid(
            f"model {model.name}: expected model_platform 'tensorflow', got "
            f"'{quoted(model.model_platform or 'OTHER')}'",
            field=_where(model),
        )


def _place(model: Any) -> Place:
    if is_url(model.base_path):
        try:
            return Url.read(model.base_path)
        except ValueError as error:
            shown = quoted(without_secrets(model.base_path))
            raise Invalid(
                f"base_path of model {model.name}: {error}, got '{shown}'", field=_where(model)
            ) from error
    if not model.base_path.startswith("/") or "\0" in model.base_path:
        raise Invalid(
            f"Expected model {model.name} to have an absolute path or URI; got base_path()="
            f"{quoted(model.base_path)}",
            field=_where(model),
        )
    return Path(model.base_path)


def _policy(model: Any) -> Policy:
    policy = model.model_version_policy
    choice = policy.WhichOneof("policy_choice")
    if choice == "all":
        return Policy(kind="all")
    if choice == "latest":
        return Policy(kind="latest", count=policy.latest.num_versions or 1)
    versions = frozenset(policy.specific.versions)
    if any(version < 1 for version in versions):
        raise Invalid(f"model {model.name}: versions are 1 or more", field=_where(model))
    return Policy(kind="specific", versions=versions)


def _labels(model: Any) -> dict[str, int]:
    labels = dict(model.version_labels)
    for label, version in labels.items():
        if not _NAME.fullmatch(label) or not 1 <= version <= _LARGEST_VERSION:
            raise Invalid(
                f"model {model.name}: expected a label like a name and a version of 1 or more, got "
                f"'{quoted(label)}': {version}",
                field=_where(model),
            )
    return labels
