"""What a classifier of texts looked at, on both wires."""

from pb import tasks_pb2
from service.domain import ClassifyAnswer, LabelScore, ModelId, TokenWeight
from service.protocols.tasks import messages
from service.protocols.tasks.replies import ClassifyReply

TELLING = ClassifyAnswer(
    ModelId("fake", 3),
    (LabelScore("yes", 0.75),),
    attention=(TokenWeight("not", 0.25), TokenWeight("bad", 0.75)),
)
SILENT = ClassifyAnswer(ModelId("fake", 3), (LabelScore("yes", 0.75),))


def test_tokens_and_weights_come_in_their_order() -> None:
    reply = ClassifyReply.of(TELLING).model_dump(exclude_none=True)
    assert reply["attention"] == [{"token": "not", "weight": 0.25}, {"token": "bad", "weight": 0.75}]
    message = tasks_pb2.ClassifyReply.FromString(messages.encode_classify(TELLING))
    assert [(each.token, each.weight) for each in message.attention] == [("not", 0.25), ("bad", 0.75)]


def test_a_model_that_tells_none_has_no_such_field() -> None:
    assert "attention" not in ClassifyReply.of(SILENT).model_dump(exclude_none=True)
    assert not tasks_pb2.ClassifyReply.FromString(messages.encode_classify(SILENT)).attention
