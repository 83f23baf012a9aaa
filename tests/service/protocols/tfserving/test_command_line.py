from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service import config
from service.config import ConfigError, Policy, Settings, Url
from service.protocols.tfserving import command_line, flags
from service.protocols.tfserving.config_files import with_model_config

COMPATIBILITY = Path(__file__).parents[4] / "docs" / "compatibility.md"
FLAGS = [*flags.SERVED, *flags.WITHOUT_EFFECT, *flags.REFUSED]
EVERYWHERE = "0.0.0.0"  # noqa: S104  # what is expected
HERE = "127.0.0.1"


def settings(*arguments: str, **environment: str) -> tuple[Settings, list[str]]:
    """Return what `__main__` makes of a command line: settings, and notes for the log."""
    told = command_line.understand(arguments, environment)
    found, notes = with_model_config(config.read(told.arguments, environment, told.values, told.implied))
    return found, [*told.notes, *notes]


def written(directory: Path, text: str) -> str:
    path = directory / "file.txt"
    path.write_text(text)
    return str(path)


def addresses(found: Settings) -> tuple[tuple[str, int], tuple[str, int]]:
    return (found.grpc.host, found.grpc.port), (found.http.host, found.http.port)


def test_the_usual_command_line_serves_one_model_where_it_would() -> None:
    found, notes = settings(
        "--port=9500", "--rest_api_port=9501", "--model_name=m", "--model_base_path=/models/m"
    )
    assert addresses(found) == ((EVERYWHERE, 9500), (EVERYWHERE, 9501))
    assert (found.models, found.repository.base_paths) == (None, {"m": Path("/models/m")})
    assert (found.operations.host, notes) == (HERE, [])


def test_a_command_line_of_ours_means_what_it_meant() -> None:
    arguments = ("--models", "x", "--http-port", "1", "--log-format=json", "--enable_batching")
    found, _ = settings(*arguments)
    assert found == config.read(arguments[:-1], {})
    assert settings()[0] == Settings()


def test_the_environment_of_the_image_is_understood() -> None:
    found, _ = settings(MODEL_NAME="m")
    assert addresses(found) == ((EVERYWHERE, 8500), (EVERYWHERE, 8501))
    assert (found.models, found.repository.base_paths) == (None, {"m": Path("/models/m")})
    found, _ = settings(MODEL_BASE_PATH="/srv")
    assert found.repository.base_paths == {"model": Path("/srv/model")}
    found, _ = settings("--model_base_path=/a/b", MODEL_NAME="m", MODEL_BASE_PATH="/srv")
    assert found.repository.base_paths == {"m": Path("/a/b")}
    found, _ = settings(MODEL_NAME="m", MODEL_BASE_PATH="gs://models")
    assert found.repository.base_paths == {"m": Url("gs", "models/m")}
    with pytest.raises(ConfigError, match=r"environment variable MODEL_NAME: .* got 'ftp://models/m'"):
        settings(MODEL_NAME="m", MODEL_BASE_PATH="ftp://user:geheim@models")
    found, _ = settings(MODEL_NAME="", MODEL_BASE_PATH="")
    assert found == Settings()


def test_what_is_said_in_our_way_wins_over_what_theirs_implies(tmp_path: Path) -> None:
    found, _ = settings("--grpc-host=127.0.0.1", SLUICE_HTTP__PORT="9", MODEL_NAME="m")
    assert addresses(found) == ((HERE, 8500), (EVERYWHERE, 9))
    found, notes = settings("--models", "mine", MODEL_NAME="m")
    assert (found.models, found.repository.base_paths, addresses(found)[0]) == (
        Path("mine"),
        {},
        (HERE, 8001),
    )
    assert notes == ["MODEL_NAME and MODEL_BASE_PATH have no effect beside --models"]
    found, _ = settings("--models=mine", "--model_name=m", "--model_base_path=/m")
    assert (found.models, found.repository.base_paths) == (Path("mine"), {"m": Path("/m")})


@pytest.mark.parametrize(
    "form",
    ["--port=7", "-port=7", "--port 7", "-port 7", "--port=6 --port=7", "--port=6 --log-level=info -port 7"],
)
def test_a_flag_is_written_in_several_ways_and_the_last_counts(form: str) -> None:
    assert settings(*form.split(" "))[0].grpc.port == 7


@pytest.mark.parametrize(
    ("form", "noted"),
    [
        ("--use_alts_credentials=false", False),
        ("--enable_batching", False),
        ("--enable_batching=FALSE", True),
        ("--enable_batching false", True),
        ("--enable_batching true", False),
        ("--enable_batching=0", True),
    ],
)
def test_a_switch_is_written_in_several_ways(form: str, *, noted: bool) -> None:
    assert bool(settings(*form.split(" "))[1]) is noted


def test_files_are_read(tmp_path: Path) -> None:
    batching = written(tmp_path, "max_batch_size { value: 9 } num_batch_threads { value: 2 }")
    found, notes = settings("--enable_batching", f"--batching_parameters_file={batching}")
    assert found.engine.max_rows == 9
    assert [note.split(":")[0] for note in notes] == [
        "in --batching_parameters_file, num_batch_threads and thread_pool_name"
    ]
    for text, path in (("path: '/m/x'", "/m/x"), ("", "/monitoring/prometheus/metrics")):
        monitoring = written(tmp_path, f"prometheus_config {{ enable: true, {text} }}")
        assert settings(f"--monitoring_config_file={monitoring}")[0].http.metrics_path == path
    off = written(tmp_path, "prometheus_config { path: '/x' }")
    assert settings(f"--monitoring_config_file={off}")[0].http.metrics_path is None


def test_a_model_config_file_says_which_models_to_serve(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "model_config_list { config { name: 'a' base_path: '/x/a' model_platform: 'tensorflow' "
        "model_version_policy { all {} } version_labels { key: 'stable' value: 2 } logging_config {} } }",
    )
    found, notes = settings(
        f"--model_config_file={path}",
        "--model_config_file_poll_wait_seconds=60",
        "--model_name=b",
        MODEL_NAME="c",
    )
    repository = found.repository
    assert (found.models, repository.base_paths, repository.model_config_poll_s) == (
        None,
        {"a": Path("/x/a")},
        60,
    )
    assert (repository.policies, repository.labels) == ({"a": Policy(kind="all")}, {"a": {"stable": 2}})
    assert addresses(found)[1] == (EVERYWHERE, 8501)
    assert notes[0].startswith("--model_name and --model_base_path are ignored")
    assert notes[1].startswith("logging_config of model 'a'")
    with pytest.raises(ConfigError, match=r"repository.policies and .*--model_config_file.* model 'a'"):
        settings(f"--model_config_file={path}", "--repository-policies", '{"a": "latest:2"}')


def test_further_flags_have_their_counterparts() -> None:
    found, notes = settings(
        "--grpc_socket_path=/tmp/s", "--grpc_channel_arguments=grpc.max_connection_age_ms=2000,a=b",
        "--rest_api_timeout_in_ms=900000", "--file_system_poll_wait_seconds=5",
        "--tensorflow_session_parallelism=3", "--tensorflow_intra_op_parallelism=0",
    )  # fmt: skip
    assert found.grpc.socket_path == Path("/tmp/s")  # noqa: S108  # only a name
    assert found.grpc.channel_arguments == {"grpc.max_connection_age_ms": "2000", "a": "b"}
    assert (found.http.timeout_s, found.limits.max_timeout_s, found.limits.request_timeout_s) == (
        900,
        900,
        30,
    )
    assert (found.repository.poll_interval_s, found.engine.threads, notes) == (5, 3, [])
    assert settings("--file_system_poll_wait_seconds=0")[0].repository.poll_interval_s > 10**8


def test_a_port_of_0_is_not_open_to_others() -> None:
    found, notes = settings("--rest_api_port=0", "--model_base_path=/m")
    assert addresses(found) == ((EVERYWHERE, 8500), (HERE, 0))
    assert "listens on this machine only" in notes[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--port=9", "--grpc-port=9"], "flag --grpc-port and flag --port both set 'grpc.port': leave one out"),
        (["--tensorflow_session_parallelism=2", "--tensorflow_intra_op_parallelism=2"], "flag --tensorflow_session_parallelism and flag --tensorflow_intra_op_parallelism both set 'engine.threads'"),
        (["--port"], "flag --port: expected a value"),
        (["--port=x"], "flag --port: expected a number, got 'x'"),
        (["--port=70000"], "flag --port: .* 65535"),
        (["--enable_batching=maybe"], "flag --enable_batching: expected true or false, got 'maybe'"),
        (["--prot=1"], "unknown flag '--prot'"),
        (["--model_base_path=s3://k:s@models/m"], "flag --model_base_path: .* got 's3://models/m'"),
        (["---port=1"], "unknown flag '---port'"),
        (["port=1"], "unknown flag 'port'"),
        (["--model_name=m"], "flag --model_name: expected --model_base_path"),
        (["--model_name=a b", "--model_base_path=/m"], "flag --model_base_path, 'a b'"),
        (["--enable_batching", "--batching_parameters_file=/none"], "flag --batching_parameters_file: the file '/none' cannot be read: No such"),
        (["--batching_parameters_file=/dev/null"], "is set without setting --enable_batching to true"),
        (["--monitoring_config_file=/none"], "flag --monitoring_config_file: the file '/none' cannot be read"),
        (["--model_config_file=/none"], "--model_config_file.*: the file '/none' cannot be read"),
        (["--model_config_file=/dev/zero"], "is larger than"),
        (["--grpc_channel_arguments=a"], "flag --grpc_channel_arguments: expected name=value"),
        (["--rest_api_timeout_in_ms=0"], "flag --rest_api_timeout_in_ms: .* greater than 0"),
        (["--file_system_poll_wait_seconds=-1"], "flag --file_system_poll_wait_seconds: .* greater than 0"),
        (["--ssl_config_file=/x"], "flag --ssl_config_file: TLS is not served: put a proxy"),
        (["--use_alts_credentials"], "flag --use_alts_credentials: ALTS is not served"),
    ],
)  # fmt: skip
def test_what_is_wrong_or_cannot_be_obeyed_stops_the_start_up_and_is_named(
    arguments: list[str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        settings(*arguments)


@pytest.mark.parametrize("path", ["/v1/metrics", "/V2", "/docs", "metrics", "/a//b", "/a b", "/"])
def test_metrics_do_not_take_a_path_of_a_wire(tmp_path: Path, path: str) -> None:
    file = written(tmp_path, f"prometheus_config {{ enable: true, path: '{path}' }}")
    with pytest.raises(ConfigError, match="flag --monitoring_config_file"):
        settings(f"--monitoring_config_file={file}")


@pytest.mark.parametrize("name", [*flags.WITHOUT_EFFECT, *flags.REFUSED])
def test_every_other_flag_is_noted_or_refused_and_said_why(name: str) -> None:
    told = flags.WITHOUT_EFFECT.get(name) or flags.REFUSED[name]
    value = {"bool": "false" if "true" in told.harmless else "true", "number": "3", "text": "x"}[told.kind]
    if name in flags.REFUSED:
        with pytest.raises(ConfigError, match=f"flag --{name}: "):
            settings(f"--{name}={value}")
    else:
        found, notes = settings(f"--{name}={value}")
        assert (found, notes) == (Settings(), [f"--{name} has no effect: {told.why}"])
    for harmless in told.harmless:
        assert settings(f"--{name}={harmless}") == (Settings(), [])


def test_the_compatibility_page_has_every_flag() -> None:
    text = COMPATIBILITY.read_text()
    assert [name for name in FLAGS if f"`--{name}`" not in text] == []


VALUES = st.sampled_from(["", "0", "1", "true", "x", "-1", "1e9", "/none"]) | st.text(max_size=5)


@given(st.lists(st.tuples(st.sampled_from(FLAGS), VALUES, st.booleans(), st.booleans()), max_size=4))
def test_any_flags_are_settings_or_refused(given: list[tuple[str, Any, bool, bool]]) -> None:
    arguments = []
    for name, value, apart, single in given:
        flag = f"{'-' if single else '--'}{name}"
        arguments += [flag, value] if apart else [f"{flag}={value}"]
    with suppress(ConfigError):
        assert settings(*arguments)[0].grpc.port != 0
