"""Discovery (ADR-32): valid by the published schemas, and in form what the Go reference answers."""

import asyncio
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from diagmesh.bus.core import Message
from diagmesh.bus.memory import MemoryBus, MemoryServer
from diagmesh.contract.micro import Ping
from diagmesh.micro import Discovery, Tally

REFERENCE = Path(__file__).parent / "data" / "go_micro_reference"
VERBS = ("ping", "info", "stats")


async def discovery(bus: MemoryBus) -> Discovery:
    made = Discovery(
        bus,
        Ping(name="diag-agent", id="b00t", version="0.1.0", metadata={"service": "orders", "instance": "i1"}),
        service="orders",
        description="diagmesh: ask diag.orders.<kind>",
        tallies=lambda: [
            Tally(kind="health", tells="Is it up?", requests=4, errors=1, last_error="404:x", processing_ns=10),
            Tally(kind="resources"),
        ],
    )
    await made.start()
    return made


async def ask(bus: MemoryBus, subject: str) -> list[dict[str, Any]]:
    heard: list[dict[str, Any]] = []

    def arrived(message: Message) -> None:
        if not message.no_responders:
            heard.append(json.loads(message.data))

    inbox = bus.open_inbox(arrived, lambda _: None)
    await bus.publish(subject, reply=inbox.reply_to(0, subject))
    for _ in range(20):  # turns of the loop, however slow the machine is
        await asyncio.sleep(0.001)
    inbox.close()
    return heard


def form(value: object) -> object:
    """Names and JSON types, without values; a list has the form of its first element."""
    if isinstance(value, dict):
        return {key: form(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [form(value[0])] if value else []
    return type(value).__name__


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("scope", ["", ".diag-agent", ".diag-agent.b00t"])
async def test_each_scope_has_the_form_of_the_go_reference(verb: str, scope: str) -> None:
    bus = MemoryServer().bus()
    await discovery(bus)
    (ours,) = await ask(bus, f"$SRV.{verb.upper()}{scope}")
    reference = json.loads((REFERENCE / f"srv_{verb}.json").read_text())[0]
    for one in (ours, reference):
        one["metadata"] = {}  # free by the ADR
        for endpoint in one.get("endpoints", ()):
            endpoint.pop("data", None)  # optional by the ADR, from a handler of the reference
            endpoint.pop("metadata", None)  # free or null by the ADR
    assert form(ours) == form(reference)
    assert ours["type"] == reference["type"]


@pytest.mark.parametrize("verb", VERBS)
async def test_valid_by_the_published_schema(verb: str, fixtures_root: Path) -> None:
    schema = json.loads((fixtures_root / "nats/schemas/micro/v1" / f"{verb}_response.json").read_text())
    bus = MemoryServer().bus()
    await discovery(bus)
    (ours,) = await ask(bus, f"$SRV.{verb.upper()}")
    jsonschema.Draft7Validator(schema, format_checker=jsonschema.FormatChecker()).validate(ours)


async def test_numbers_are_those_of_the_kind() -> None:
    bus = MemoryServer().bus()
    await discovery(bus)
    (stats,) = await ask(bus, "$SRV.STATS")
    health, resources = stats["endpoints"]
    assert (health["name"], health["subject"], health["queue_group"]) == ("health", "diag.orders.health", "diag")
    assert (health["num_requests"], health["num_errors"], health["last_error"]) == (4, 1, "404:x")
    assert (health["processing_time"], health["average_processing_time"]) == (10, 2)
    assert resources["average_processing_time"] == 0


@pytest.mark.parametrize("subject", ["$SRV.PING.other", "$SRV.PING.diag-agent.other", "$SRV.NONSENSE.diag-agent"])
async def test_not_asked_not_answered(subject: str) -> None:
    bus = MemoryServer().bus()
    await discovery(bus)
    assert await ask(bus, subject) == []


async def test_only_inboxes_are_answered() -> None:
    bus = MemoryServer().bus()
    await discovery(bus)
    heard: list[Message] = []
    await bus.subscribe(">", heard.append)
    await bus.publish("$SRV.PING", reply="diagctl.orders.chaos")
    await asyncio.sleep(0.02)
    assert [message.subject for message in heard] == ["$SRV.PING"]


async def test_a_flood_of_discovery_is_not_answered_beyond_a_bound() -> None:
    server = MemoryServer()
    bus = server.bus()
    made = await discovery(bus)
    sent: list[str] = []

    async def never(subject: str, *_: object, **__: object) -> None:
        sent.append(subject)
        await asyncio.sleep(3600)

    asker = server.bus()
    bus.publish = never  # type: ignore[method-assign]
    inbox = asker.open_inbox(lambda _: None, lambda _: None)
    for _ in range(200):
        await asker.publish("$SRV.PING", reply=inbox.reply_to(0, "$SRV.PING"))
    await asyncio.sleep(0.05)
    assert len(sent) == 64
    for task in made._sending:
        task.cancel()


async def test_stopped_is_not_there() -> None:
    bus = MemoryServer().bus()
    made = await discovery(bus)
    await made.stop()
    assert await ask(bus, "$SRV.PING") == []
