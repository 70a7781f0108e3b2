"""streams: the streams and consumers that the service uses: lag, what causes it, time to drain, losses, limits."""

from msgspec.structs import replace

from diagmesh.contract.answers.streams import ConsumerState, PoisonMessage, Streams, StreamsQuestion
from diagmesh.declare import agent
from diagmesh.target import Target
from diagmesh_agents._used import with_use

__all__ = ["streams"]


@agent(budget=8.0, concurrency=4)
async def streams(question: StreamsQuestion, target: Target) -> Streams:
    """How far behind the consumers of the service are, what holds them up, and what its streams are about to lose."""
    answer = await target.streams.look(question)
    if not answer.named:
        answer = await with_use(answer, target)
    if not question.head:
        return answer
    return replace(answer, consumers=tuple(map(_redacted, answer.consumers)))


def _redacted(told: ConsumerState) -> ConsumerState:
    return replace(told, poison=tuple(map(_without_secrets, told.poison))) if told.poison else told


def _without_secrets(message: PoisonMessage) -> PoisonMessage:
    from diagmesh_agents._launcher.redact import harmless, redact  # noqa: PLC0415  only when a message was read

    return replace(message, head=redact(harmless(message.head.encode())))
