"""What a coordinator has gathered is gone when the reply is: nothing of it waits for the collector of garbage.

The collector of a coordinator runs rarely (it would double the slowest answers), and does not count replies at all: one
cycle of references keeps all replies of a gather, and thousands of gathers pass until it is looked for.
"""

import asyncio
import gc
from collections import Counter
from collections.abc import AsyncIterator, Iterator

import pytest

from support.lab import Lab

QUESTIONS = 3


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    made = Lab()
    await made.start()
    for number in range(4):
        await made.join("orders", f"i{number}")
    yield made
    await made.coordinator.stop()


@pytest.fixture
def no_collector() -> Iterator[None]:
    yield
    gc.set_debug(0)
    gc.garbage.clear()
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize(
    ("kind", "body", "silent"),
    [
        ("health", {}, False),
        ("health", {"each": True}, True),
        ("health", {"batch": 2, "timeout_ms": 2000}, False),
        ("services", {}, True),
        ("check", {}, True),
        ("coordinator", {}, False),
        ("coordinator.c1", {}, False),
    ],
)
async def test_a_question_leaves_no_garbage(lab: Lab, kind: str, body: dict[str, object], silent: bool) -> None:
    if silent:  # then the connections are looked up, too
        await lab.join("payments", "p1", answers=False)

    async def ask() -> None:
        await lab.ask(f"diag.mesh.{kind}", {"timeout_ms": 500, **body})
        await asyncio.sleep(0)

    await ask()  # what is made on first use
    await asyncio.sleep(0.05)
    gc.collect()
    gc.disable()
    for _ in range(QUESTIONS):
        await ask()
    await asyncio.sleep(0.05)
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    found = Counter(f"{type(one).__module__}.{type(one).__qualname__}" for one in gc.garbage)
    assert not [name for name in found if name.startswith("diagmesh")], found
