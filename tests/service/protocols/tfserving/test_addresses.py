import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain import ModelRef
from service.errors import Invalid
from service.protocols.tfserving.addresses import Address, claims, parse


@pytest.mark.parametrize(
    ("method", "path", "address"),
    [
        ("POST", "/v1/models/m:predict", Address("predict", ModelRef("m"))),
        ("POST", "/v1/models/m/versions/7:classify", Address("classify", ModelRef("m", 7))),
        ("POST", "/v1/models/m/labels/stable:regress", Address("regress", ModelRef("m", None, "stable"))),
        ("POST", "/V1/MODELS/m/Versions/007:Predict", Address("predict", ModelRef("m", 7))),
        ("POST", "/v1/models/half%5Fplus%2fx:predict", Address("predict", ModelRef("half_plus/x"))),
        ("GET", "/V1/models/m", Address("status", ModelRef("m"))),
        ("GET", "/v1/models/m/versions/1", Address("status", ModelRef("m", 1))),
        ("GET", "/v1/models/m/labels/a%20b", Address("status", ModelRef("m", None, "a b"))),
        ("GET", "/v1/models/m/metadata", Address("metadata", ModelRef("m"))),
        ("GET", "/v1/models/m/versions/1/METADATA", Address("metadata", ModelRef("m", 1))),
    ],
)
def test_a_path_is_understood(method: str, path: str, address: Address) -> None:
    assert parse(method, path) == address
    assert claims(method, path)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/models/m:predict"),
        ("POST", "/v1/models/m"),
        ("POST", "/v1/models/m:explain"),
        ("POST", "/v1/models/m/versions/x:predict"),
        ("POST", "/v1/models/m/versions/1/labels/a:predict"),
        ("POST", "/v1/models/m:predict\n"),
        ("DELETE", "/v1/models/m/versions/1"),
        ("GET", "/v1/models/m/versions/"),
    ],
)
def test_another_path_is_malformed(method: str, path: str) -> None:
    assert claims(method, path)
    with pytest.raises(Invalid) as caught:
        parse(method, path)
    assert caught.value.message == f"Malformed request: {method} {path}"


def test_a_version_beyond_63_bits_and_a_list_in_capitals_have_their_own_texts() -> None:
    assert parse("GET", f"/v1/models/m/versions/{2**63 - 1}").ref.version == 2**63 - 1
    with pytest.raises(Invalid, match="Failed to convert version: 9223372036854775808 to numeric"):
        parse("GET", f"/v1/models/m/versions/{2**63}")
    with pytest.raises(Invalid, match="Failed to convert version"):
        parse("GET", "/v1/models/m/versions/" + "9" * 10_000)
    with pytest.raises(Invalid, match="Missing model name in request"):
        parse("GET", "/V1/models")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/models"),
        ("GET", "/v1/models/m"),
        ("HEAD", "/v1/models/m"),
        ("POST", "/v1/predict"),
        ("GET", "/v1/modelsx"),
        ("GET", "/v2/models/m/versions/1"),
    ],
)
def test_what_is_everyones_or_another_protocols_is_not_claimed(method: str, path: str) -> None:
    assert not claims(method, path)


@given(st.sampled_from(["GET", "POST", "PUT"]), st.text())
def test_any_path_is_understood_or_malformed(method: str, rest: str) -> None:
    try:
        address = parse(method, "/v1/models/" + rest)
    except Invalid:
        return
    assert address.ref.name is not None
