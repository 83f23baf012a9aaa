"""Which URLs may say where models lie, and that a secret in one is repeated nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.config import ConfigError, Url, read, without_secrets


@pytest.mark.parametrize(
    ("text", "scheme", "place"),
    [
        ("s3://bucket", "s3", "bucket"),
        ("s3://bucket/a/models/", "s3", "bucket/a/models"),
        ("gs://bucket/models", "gs", "bucket/models"),
        ("az://container/models", "az", "container/models"),
        ("https://models.example.org:8443/a%20b", "https", "models.example.org:8443/a%20b"),
        ("http://[::1]:9000/m", "http", "[::1]:9000/m"),
        ("S3://bucket/m@2", "s3", "bucket/m@2"),
    ],
)
def test_a_url_of_a_known_store_is_one(text: str, scheme: str, place: str) -> None:
    assert Url.read(text) == Url(scheme, place)
    assert str(Url.read(text)) == f"{scheme}://{place}"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("s3://key:geheim@bucket/models", "credentials belong in the environment"),
        ("https://geheim@host/models", "credentials belong in the environment"),
        ("https://host/models?sig=geheim", "credentials belong in the environment"),
        ("https://host/models?", "credentials belong in the environment"),
        ("https://host/models#geheim", "credentials belong in the environment"),
        ("ftp://user:geheim@host/models", "expected a directory, or a URL of s3://, gs://"),
        ("file:///models", "expected a directory, or a URL of s3://, gs://"),
        ("s3:///models", "expected s3://BUCKET-OR-HOST/PATH"),
        ("s3://bucket//models", "expected s3://BUCKET-OR-HOST/PATH"),
        ("s3://bucket/a b", "expected s3://BUCKET-OR-HOST/PATH"),
        ("s3://bucket/../other", "without '.' and '..'"),
        ("http://host/models/%2e%2e/other", "without '.' and '..'"),
        ("http://host/models/..%2Fother", "without '.' and '..'"),
        ("http://[::1/models", "expected a URL"),
    ],
)
def test_what_is_none_is_refused_without_repeating_a_secret(text: str, why: str) -> None:
    for arguments, environment in ((["--models", text], {}), ([], {"SLUICE_MODELS": text})):
        with pytest.raises(ConfigError) as caught:
            read(arguments, environment)
        assert why in str(caught.value)
        assert "geheim" not in str(caught.value)


def test_a_secret_in_a_base_path_is_not_repeated_either() -> None:
    with pytest.raises(ConfigError) as caught:
        read(["--repository-base-paths", '{"m": "s3://key:geheim@bucket/m"}'], {})
    assert "flag --repository-base-paths, 'm': expected a URL without user" in str(caught.value)
    assert "geheim" not in str(caught.value)


def test_models_and_base_paths_may_be_directories_or_urls() -> None:
    settings = read(["--models=s3://b/m", "--repository-base-paths", '{"a": "/a", "b": "gs://b/x"}'], {})
    assert settings.models == Url("s3", "b/m")
    assert settings.repository.base_paths == {"a": Path("/a"), "b": Url("gs", "b/x")}
    assert read(["--models", "models"], {}).models == Path("models")


def test_a_url_is_below_another_by_whole_parts_of_its_path() -> None:
    models = Url.read("s3://bucket/models")
    assert Url.read("s3://bucket/models").is_below(models)
    assert Url.read("s3://bucket/models/m").is_below(models)
    assert not Url.read("s3://bucket/models-of-others").is_below(models)
    assert not Url.read("gs://bucket/models/m").is_below(models)


def test_what_could_be_a_key_is_left_out_of_what_is_shown() -> None:
    assert without_secrets("s3://key:word@b/m?token=t#f") == "s3://b/m"
    assert without_secrets("/a/directory@2?x") == "/a/directory@2?x"
