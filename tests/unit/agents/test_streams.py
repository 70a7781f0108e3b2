"""The agent of streams without a server: who has no connection, what an answer holds, secrets in messages."""

import pytest

from diagmesh.contract.answers.streams import (
    Cause,
    ConsumerState,
    PoisonMessage,
    Streams,
    StreamsQuestion,
)
from diagmesh.errors import Unavailable
from diagmesh.testing import FakeTarget
from diagmesh_agents.streams import streams


class Shown:
    """A view that shows what the test gives it."""

    def __init__(self, answer: Streams) -> None:
        self._answer = answer

    async def look(self, _: StreamsQuestion) -> Streams:
        return self._answer

    async def watch(self) -> None:
        """Nothing."""


async def test_without_an_observer_it_is_not_offered_and_says_how_to() -> None:
    with pytest.raises(Unavailable) as refusal:
        await streams.look(StreamsQuestion(), FakeTarget())
    assert refusal.value.code == 501
    assert "[targets.nats]" in refusal.value.hint


async def test_secrets_in_the_head_of_a_message_are_taken_out() -> None:
    bad = PoisonMessage(seq=7, head='{"order": 7, "password": "hunter2"}\x1b[31m')
    told = ConsumerState(stream="ORDERS", name="worker", cause=Cause.POISON, poison=(bad,))
    answer = await streams.look(StreamsQuestion(head=True), FakeTarget(streams=Shown(Streams(consumers=(told,)))))
    assert isinstance(answer, Streams)
    (message,) = answer.consumers[0].poison
    assert "hunter2" not in message.head
    assert message.head.startswith('{"order": 7')
    assert "\x1b" not in message.head


async def test_without_heads_it_is_passed_on_as_it_is() -> None:
    answer = Streams(consumers=(ConsumerState(stream="ORDERS", name="worker"),))
    assert await streams.look(StreamsQuestion(), FakeTarget(streams=Shown(answer))) is answer
