"""The real agent of streams beside a real JetStream, which a client of nats-py hurts; all rules over what it says."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import nats
from nats.aio.client import Client
from nats.js import JetStreamContext

from diagmesh.adapters.observer import Observer
from diagmesh.adapters.streams import view_of
from diagmesh.bus.nats import NatsBus
from diagmesh.contract.answers.streams import Cause, Streams, StreamsQuestion
from diagmesh.diagnose import Diagnosis
from diagmesh.settings import NatsSettings, RuleSettings, StreamsSettings
from diagmesh.target import StreamsView
from diagmesh.testing import FakeTarget
from diagmesh_agents.streams import streams as streams_agent
from support.buses import is_connected, until
from support.ruling import codes, judge

__all__ = ["SOON", "StreamsLab", "streaming"]

SOON: Final = (
    RuleSettings(code="JS-001", limits={"still_s": 1.0}),
    RuleSettings(code="JS-002", limits={"pending_count": 200}),
    RuleSettings(code="JS-003", limits={"idle_s": 1.0}),
    RuleSettings(code="JS-004", limits={"unheard_s": 1.0}),
)
"""Less patience than in life."""
_WITHIN_S: Final = 40.0


class StreamsLab:
    """An observer and an application on one server.

    Args:
        view: of the observer.
        app: a client of the application.
    """

    def __init__(self, view: StreamsView, app: Client) -> None:
        self.view, self.app = view, app
        self.js: JetStreamContext = app.jetstream()
        self._target = FakeTarget(streams=view)

    async def look(self, **question: Any) -> Streams:
        """What the agent says."""
        answer = await streams_agent.look(StreamsQuestion(**question), self._target)
        assert isinstance(answer, Streams)
        return answer

    async def judged(self, *settings: RuleSettings) -> Diagnosis:
        """What all rules say of it."""
        return judge([await self.look()], *SOON, *settings)

    async def until(
        self, *wanted: str, settings: tuple[RuleSettings, ...] = (), also: Callable[[Streams], bool] = lambda _: True
    ) -> tuple[Streams, Diagnosis]:
        """Look until exactly these codes are found."""
        deadline = asyncio.get_running_loop().time() + _WITHIN_S
        while True:
            answer = await self.look()
            diagnosis = judge([answer], *SOON, *settings)
            if codes(diagnosis) == list(wanted) and also(answer):
                return answer, diagnosis
            assert asyncio.get_running_loop().time() < deadline, f"never {wanted}: {diagnosis.findings} {answer}"
            await asyncio.sleep(0.2)

    async def cause(self, wanted: Cause) -> Streams:
        """Look until this is the worst cause."""
        deadline = asyncio.get_running_loop().time() + _WITHIN_S
        while (answer := await self.look()).worst is not wanted:
            assert asyncio.get_running_loop().time() < deadline, f"never {wanted}: {answer}"
            await asyncio.sleep(0.2)
        return answer

    async def publish(self, count: int, subject: str = "orders.new", body: bytes = b"{}") -> None:
        """So many messages, each acknowledged by the stream."""
        for _ in range(count):
            await self.js.publish(subject, body)


@asynccontextmanager
async def streaming(
    url: str, settings: StreamsSettings | None = None, observer: NatsSettings | None = None, **app: Any
) -> AsyncIterator[StreamsLab]:
    """A lab on a server; ``observer`` and ``app`` say how to connect, where that takes more than the URL."""
    bus = NatsBus(observer or NatsSettings(url=url), "observer")
    bus.start()
    client = await nats.connect(url, **app)
    try:
        await until(is_connected(bus))
        view = view_of(Observer(bus), settings)
        watching = asyncio.create_task(view.watch())
        try:
            await asyncio.sleep(0)
            await bus.barrier()
            yield StreamsLab(view, client)
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
    finally:
        await client.close()
        await bus.close()
