"""What an operator may have a sidecar do: the level of its own log, for a while."""

import asyncio
import logging
from collections.abc import Iterator

import pytest

from diagmesh.contract.control import LogLevel, LogLevelQuestion
from diagmesh.errors import SettingsError
from diagmesh.keys import generate
from diagmesh.own_log import OwnLog
from diagmesh.settings import SidecarSettings, TargetSettings
from diagmesh_agents._arguments import parse
from diagmesh_agents._sidecar import serve

OURS = logging.getLogger("diagmesh")
KEY = generate().public


@pytest.fixture
def own_log() -> Iterator[OwnLog]:
    made = OwnLog()
    yield made
    made.restore()


async def until_back() -> None:
    async with asyncio.timeout(20):
        while OURS.level != logging.NOTSET:
            await asyncio.sleep(0.005)


async def test_another_level_for_a_while_then_that_of_the_settings(own_log: OwnLog) -> None:
    done = await own_log.set(LogLevelQuestion(level="debug", for_s=0.05))
    assert logging.getLogger("diagmesh.serve").isEnabledFor(logging.DEBUG)
    answer = done.answer
    assert isinstance(answer, LogLevel)
    assert (answer.level, answer.for_s) == ("debug", 0.05)
    assert answer.then == logging.getLevelName(logging.getLogger().level).lower()
    await until_back()


async def test_a_later_request_takes_the_place_of_an_earlier_one(own_log: OwnLog) -> None:
    await own_log.set(LogLevelQuestion(level="debug", for_s=0.01))
    await own_log.set(LogLevelQuestion(level="error", for_s=3600))
    await asyncio.sleep(0.1)
    assert OURS.level == logging.ERROR, "the end of the first one is no longer waited for"
    own_log.restore()
    assert OURS.level == logging.NOTSET


async def test_other_loggers_keep_their_level(own_log: OwnLog) -> None:
    before = {name: logging.getLogger(name).getEffectiveLevel() for name in ("", "asyncio", "nats")}
    await own_log.set(LogLevelQuestion(level="debug", for_s=60))
    assert {name: logging.getLogger(name).getEffectiveLevel() for name in before} == before


@pytest.mark.parametrize(
    ("operators", "control", "says"),
    [
        ((KEY,), ("chaos",), "control: no such kind: chaos; there is: log-level"),
        ((), ("log-level",), "control: nobody may use it"),
        (("nonsense",), ("log-level",), "operators: 'nonsense' is no public user nkey"),
    ],
)
async def test_a_door_that_cannot_be_is_refused_at_the_start(
    operators: tuple[str, ...], control: tuple[str, ...], says: str
) -> None:
    settings = SidecarSettings(targets=(TargetSettings(service="orders"),), operators=operators, control=control)
    with pytest.raises(SettingsError, match=says):
        await asyncio.wait_for(serve(settings, asyncio.Event()), 20)


def test_flags_open_it_and_nothing_else_does() -> None:
    given = parse(["--service", "orders", "--operator", KEY, "--control", "log-level"]).settings
    assert (given.operators, given.control) == ((KEY,), ("log-level",))
    closed = parse(["--service", "orders"]).settings
    assert (closed.operators, closed.control) == ((), ())
