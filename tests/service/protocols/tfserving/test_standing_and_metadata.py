import pytest

from pb import tfserving_pb2 as pb
from service.domain import ModelId, ModelRef, VersionStatus
from service.errors import Invalid, NotFound
from service.protocols.tfserving import metadata, standing
from tests.service.protocols.tfserving import manifests
from tests.service.protocols.tfserving.manifests import ONE, TEXT

STATUSES = (
    VersionStatus(ModelId("m", 1), "available", labels=("stable",)),
    VersionStatus(ModelId("m", 2), "failed", reason="checksum"),
    VersionStatus(ModelId("m", 3), "loading"),
    VersionStatus(ModelId("other", 1), "draining"),
)


def versions(ref: ModelRef) -> list[int]:
    return [status.model.version for status in standing.meant(STATUSES, ref)]


def test_a_model_stands_with_all_its_versions_a_version_or_label_with_one() -> None:
    assert versions(ModelRef("m")) == [3, 2, 1]
    assert versions(ModelRef("m", 2)) == [2]
    assert versions(ModelRef("m", None, "stable")) == [1]


def test_what_is_not_known_is_told_in_their_words() -> None:
    with pytest.raises(NotFound, match="Could not find any versions of model none"):
        versions(ModelRef("none"))
    with pytest.raises(NotFound, match="Could not find version 9 of model m"):
        versions(ModelRef("m", 9))
    with pytest.raises(Invalid, match="Unrecognized servable version label: new"):
        versions(ModelRef("m", None, "new"))


def test_the_message_has_states_and_reasons() -> None:
    third, second, _ = standing.message(standing.meant(STATUSES, ModelRef("m"))).model_version_status
    assert (third.version, third.state) == (3, pb.ModelVersionStatus.LOADING)
    assert (second.status.error_code, second.status.error_message) == (2, "checksum")


MANIFEST = manifests.of({"own": ONE, "text": TEXT})


def test_the_document_has_the_shape_of_the_golden_file() -> None:
    document = metadata.document(ModelId("m", 123), MANIFEST)
    assert document["model_spec"] == {"name": "m", "signature_name": "", "version": "123"}
    known = document["metadata"]["signature_def"]["signature_def"]
    assert set(known) == {"serving_default", "own", "text"}
    assert known["serving_default"] == known["own"]
    assert known["own"]["inputs"] == {
        "x": {
            "dtype": "DT_FLOAT",
            "tensor_shape": {"dim": [{"size": "-1", "name": ""}, {"size": "2", "name": ""}], "unknown_rank": False},
            "name": "x:0",
        }
    }  # fmt: skip
    assert known["own"]["method_name"] == "tensorflow/serving/predict"


def test_the_message_says_the_same() -> None:
    reply = metadata.message(ModelId("m", 123), MANIFEST)
    assert (reply.model_spec.name, reply.model_spec.version.value) == ("m", 123)
    assert (
        reply.metadata["signature_def"].type_url == "type.googleapis.com/tensorflow.serving.SignatureDefMap"
    )
    known = pb.SignatureDefMap.FromString(reply.metadata["signature_def"].value).signature_def
    assert set(known) == {"serving_default", "own", "text"}
    assert [dim.size for dim in known["own"].outputs["y"].tensor_shape.dim] == [-1, 2]
    assert known["text"].inputs["text"].dtype == 7


def test_only_signatures_may_be_asked_for() -> None:
    metadata.check_fields(["signature_def"])
    with pytest.raises(Invalid, match="must specify at least one metadata_field"):
        metadata.check_fields([])
    with pytest.raises(Invalid, match="Metadata field x is not supported"):
        metadata.check_fields(["signature_def", "x"])
