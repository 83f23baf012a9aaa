"""Settings: where they come from, who wins, and what a mistake says."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from service.config import ConfigError, Policy, Settings, read
from service.config.reading import leaves


def test_without_anything_the_defaults_hold() -> None:
    settings = read([], {})
    assert settings == Settings()
    assert (settings.http.port, settings.grpc.port, settings.operations.port) == (8000, 8001, 8002)
    assert settings.limits.request_timeout_s == 30.0


def test_every_port_listens_on_this_machine_only_unless_told() -> None:
    settings = Settings()
    assert {settings.http.host, settings.grpc.host, settings.operations.host} == {"127.0.0.1"}


def test_flags_win_over_the_environment_and_the_environment_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "sluice.toml"
    file.write_text("models = 'of-the-file'\n[http]\nport = 1\nkeep_alive_s = 1\n[engine]\nslots = 1\n")
    environment = {"SLUICE_HTTP__PORT": "2", "SLUICE_HTTP__KEEP_ALIVE_S": "2", "PATH": "/bin"}
    settings = read(["--config", str(file), "--http-port", "3"], environment)
    assert settings.http.port == 3
    assert settings.http.keep_alive_s == 2.0
    assert settings.engine.slots == 1
    assert settings.models == Path("of-the-file")
    assert settings.engine.max_queued == Settings().engine.max_queued


def test_the_file_may_be_named_by_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "sluice.toml"
    file.write_text("[log]\nformat = 'json'\n")
    assert read([], {"SLUICE_CONFIG": str(file)}).log.format == "json"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--http-prot", "1"], "unknown flag '--http-prot'; did you mean '--http-port'?"),
        (["--http-prot=1"], "unknown flag '--http-prot'; did you mean '--http-port'?"),
        (["--http-por", "1"], "unknown flag '--http-por'; did you mean '--http-port'?"),
        (["models"], "unknown flag 'models'"),
        (["--http-port"], "--http-port: expected one argument"),
        (["--http-port", "x"], "flag --http-port: .* valid integer.* got 'x'"),
        (["--http-port", "70000"], "flag --http-port: .* 65535, got '70000'"),
        (["--log-level", "loud"], "flag --log-level: .*'debug'.* got 'loud'"),
        (["--repository-policy", "newest"], "flag --repository-policy: expected 'latest:N'"),
        (["--repository-labels", "stable"], "flag --repository-labels: expected a JSON object"),
        (["--repository-labels", '{"m": {"stable": 0}}'], "--repository-labels, 'm', 'stable': .* got 0"),
    ],
)
def test_a_wrong_flag_stops_the_start_up_and_is_named(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(arguments, {})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("SLUICE_HTTP__PROT", "1", "'SLUICE_HTTP__PROT'; did you mean 'SLUICE_HTTP__PORT'?"),
        ("SLUICE_HTTP_PORT", "8000", "'SLUICE_HTTP_PORT'; did you mean 'SLUICE_HTTP__PORT'?"),
        ("sluice_http__port", "1", "unknown environment variable 'sluice_http__port'"),
        ("SLUICE_ENGINE__THREADS", "-1", "environment variable SLUICE_ENGINE__THREADS: .* got '-1'"),
    ],
)
def test_a_wrong_variable_stops_the_start_up_and_is_named(name: str, value: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("?", r"\?")):
        read([], {name: value})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[http]\nprot = 1\n", "unknown key 'http.prot' in .*; did you mean 'http.port'"),
        ("[htpp]\nport = 1\n", "unknown key 'htpp' in"),
        ("model = 'x'\n", "unknown key 'model' in .*; did you mean 'models'"),
        ("http = 3\n", "unknown key 'http' in"),
        ("[http]\nport = 'x'\n", "key 'http.port' in .*: .*integer"),
        ("[http\n", "is not TOML"),
    ],
)
def test_a_wrong_key_stops_the_start_up_and_is_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "sluice.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read(["--config", str(file)], {})


def test_a_configuration_file_that_is_not_there_stops_the_start_up() -> None:
    with pytest.raises(ConfigError, match=r"'nowhere.toml' cannot be read"):
        read(["--config", "nowhere.toml"], {})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SLUICE_SERVICE_HOST", "10.0.0.1"),
        ("SLUICE_SERVICE_PORT_HTTP", "8000"),
        ("SLUICE_PORT", "tcp://10.0.0.1:8000"),
        ("SLUICE_PORT_8000_TCP_ADDR", "10.0.0.1"),
        ("SLUICE_CANARY_PORT", "tcp://10.0.0.1:8000"),
    ],
)
def test_what_kubernetes_sets_beside_a_service_of_our_name_is_no_mistake(name: str, value: str) -> None:
    assert read([], {name: value}) == Settings()


def test_two_ports_of_one_number_are_refused() -> None:
    with pytest.raises(ConfigError, match="must differ"):
        read(["--http-port", "8001"], {})


def test_free_ports_may_be_asked_for_all_at_once() -> None:
    settings = read(["--http-port", "0", "--grpc-port", "0", "--operations-port", "0"], {})
    assert settings.http.port == settings.grpc.port == 0


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("latest:2", Policy(kind="latest", count=2)),
        ("all", Policy(kind="all")),
        ("specific:3,1", Policy(kind="specific", versions=frozenset({1, 3}))),
    ],
)
def test_a_policy_is_written_as_text_and_read_back(text: str, policy: Policy) -> None:
    assert read(["--repository-policy", text], {}).repository.policy == policy
    assert Policy.model_validate(str(policy)) == policy


@pytest.mark.parametrize("text", ["latest:0", "latest", "latest:1,2", "specific:", "specific:0", "ALL", ""])
def test_a_policy_that_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--repository-policy"):
        read(["--repository-policy", text], {})


def test_mappings_are_given_as_json_or_as_tables(tmp_path: Path) -> None:
    file = tmp_path / "sluice.toml"
    file.write_text('[repository.labels.digits]\nstable = 3\n[repository.policies]\ndigits = "all"\n')
    of_the_file = read(["--config", str(file)], {}).repository
    of_flags = read(
        ["--repository-labels", '{"digits": {"stable": 3}}', "--repository-policies", '{"digits": "all"}'], {}
    ).repository
    assert of_the_file == of_flags
    assert of_flags.labels == {"digits": {"stable": 3}}
    assert of_flags.policies == {"digits": Policy(kind="all")}
    assert of_flags.policy == Policy()


def test_a_default_deadline_beyond_the_latest_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"request_timeout_s is beyond"):
        read(["--limits-request-timeout-s", "700"], {})


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().http.port = 1  # type: ignore[misc]


def test_help_names_every_flag_and_says_what_it_is_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        read(["--help"], {})
    text = capsys.readouterr().out
    for location, field in leaves():
        assert "--" + "-".join(location).replace("_", "-") in text
        assert field.description, location


def test_variables_of_opentelemetry_name_the_collector_and_the_service() -> None:
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317",
        "OTEL_SERVICE_NAME": "theirs",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "",
    }
    tracing = read([], environment).tracing
    assert (tracing.endpoint, tracing.service_name) == ("http://collector:4317", "theirs")
    environment["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] = "https://traces:4317"
    assert read([], environment).tracing.endpoint == "https://traces:4317"


def test_our_own_settings_win_over_a_standards_variables(tmp_path: Path) -> None:
    file = tmp_path / "sluice.toml"
    file.write_text("[tracing]\nservice_name = 'of-the-file'\n")
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://theirs:4317",
        "OTEL_SERVICE_NAME": "theirs",
        "SLUICE_TRACING__ENDPOINT": "http://ours:4317",
    }
    tracing = read(["--config", str(file)], environment).tracing
    assert (tracing.endpoint, tracing.service_name) == ("http://ours:4317", "of-the-file")


@pytest.mark.parametrize(
    "endpoint", ["localhost:4317", "ftp://a:1", "http://a:4318/v1/traces", "http://u:p@a:1", "http://"]
)
def test_an_endpoint_that_cannot_be_one_is_named(endpoint: str) -> None:
    with pytest.raises(ConfigError, match="environment variable OTEL_EXPORTER_OTLP_ENDPOINT: expected http"):
        read([], {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint})
