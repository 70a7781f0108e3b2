import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import nats
import nats.micro
import pytest

from diagmesh.adapters.probes import make, make_all
from diagmesh.bus.core import Bus, Message
from diagmesh.bus.memory import MemoryServer
from diagmesh.bus.nats import NatsBus
from diagmesh.errors import SettingsError
from diagmesh.settings import NatsSettings, ProbeSettings
from diagmesh.target import ProbeResult
from support.natsserver import MakeServer, NatsServer
from support.procs import freeze, thaw

OBSERVER = """
authorization {
  users = [
    { user: app, password: app }
    { user: observer, password: observer, permissions: {
        publish: ["orders.ping"], subscribe: ["_INBOX.>"] } }
  ]
}
"""


@pytest.fixture(params=["memory", "nats"])
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Bus, Bus]]:
    """The observer's connection, and that of the application."""
    if request.param == "memory":
        server = MemoryServer()
        yield server.bus(), server.bus()
        return
    url = request.getfixturevalue("nats_server").url
    observer = await NatsBus.connect(NatsSettings(url=url), "observer")
    application = await NatsBus.connect(NatsSettings(url=url), "application")
    yield observer, application
    await observer.close()
    await application.close()


async def ask(bus: Bus | None, subject: str, timeout_s: float = 2.0) -> ProbeResult:
    return await make(ProbeSettings(nats=subject, timeout_s=timeout_s), bus).look()


async def serve(bus: Bus, subject: str, data: bytes, headers: dict[str, str] | None = None) -> None:
    tasks = set()

    def reply(message: Message) -> None:
        if message.reply:
            task = asyncio.create_task(bus.publish(message.reply, data, headers=headers))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    await bus.subscribe(subject, reply)
    await bus.barrier()


async def test_an_answer_passes_with_its_round_trip(pair: tuple[Bus, Bus]) -> None:
    observer, application = pair
    await serve(application, "orders.ping", b"pong")
    result = await ask(observer, "orders.ping")
    assert (result.ok, result.reason, result.kind, result.target) == (True, "", "nats", "orders.ping")
    assert result.took_ms is not None
    assert 0 < result.phases_ms["reply"] <= result.took_ms


async def test_nobody_there_is_no_responders_at_once(pair: tuple[Bus, Bus]) -> None:
    started = time.monotonic()
    result = await ask(pair[0], "orders.ping", timeout_s=20)
    assert time.monotonic() - started < 10
    assert (result.ok, result.reason) == (False, "no responders: nobody listens on orders.ping")


async def test_somebody_silent_is_told_apart_from_nobody(pair: tuple[Bus, Bus]) -> None:
    observer, application = pair
    await application.subscribe("orders.ping", lambda _message: None)
    await application.barrier()
    result = await ask(observer, "orders.ping", timeout_s=0.3)
    assert result.ok is False
    assert result.reason == "neither an answer came nor the word that nobody listens within 0.3 s"


@pytest.mark.parametrize(
    ("headers", "code", "reason"),
    [
        (
            {"Nats-Service-Error": "no database", "Nats-Service-Error-Code": "503"},
            503,
            "answers with the service error 503 no database",
        ),
        ({"Nats-Service-Error-Code": "x"}, None, "answers with the service error x no description"),
        ({"nats-service-error": "lower case"}, None, "answers with the service error lower case"),
    ],
)
async def test_a_service_error_fails_with_its_code(
    pair: tuple[Bus, Bus], headers: dict[str, str], code: int | None, reason: str
) -> None:
    observer, application = pair
    await serve(application, "orders.ping", b"", headers)
    result = await ask(observer, "orders.ping")
    assert (result.ok, result.status_code, result.reason) == (False, code, reason)


async def test_a_service_that_answers_its_ping_with_an_error_fails_with_its_code(pair: tuple[Bus, Bus]) -> None:
    observer, application = pair
    headers = {"Nats-Service-Error": "draining", "Nats-Service-Error-Code": "503"}
    await serve(application, "$SRV.PING.orders", b"", headers)
    result = await make(ProbeSettings(srv="orders"), observer).look()
    assert (result.ok, result.status_code) == (False, 503)
    assert result.reason == "answers with the service error 503 draining"


@pytest.mark.parametrize("settings", [ProbeSettings(nats="orders.ping"), ProbeSettings(srv="orders")])
async def test_without_the_observer_connection_nothing_is_known(settings: ProbeSettings) -> None:
    result = await make(settings, None).look()
    assert result.ok is None
    assert result.reason == "needs target.nats in the settings"
    assert "[targets.nats]" in result.fix


async def test_a_lost_connection_is_no_verdict_about_the_door() -> None:
    server = MemoryServer()
    bus = server.bus()
    server.cut()
    for settings in (ProbeSettings(nats="orders.ping"), ProbeSettings(srv="orders")):
        result = await make(settings, bus).look()
        assert result.ok is None
        assert result.reason.startswith("our connection to the application's account")


async def test_a_frozen_server_is_never_waited_for_longer_than_the_time_out(nats_server: NatsServer) -> None:
    bus = await NatsBus.connect(NatsSettings(url=nats_server.url), "observer")
    freeze(nats_server.pid)
    try:
        started = time.monotonic()
        results = [await make(settings, bus).look() for settings in both(timeout_s=0.4)]
        took_s = time.monotonic() - started
    finally:
        thaw(nats_server.pid)
        await bus.close()
    assert took_s < 5
    assert [result.ok for result in results] == [False, False]


async def test_a_subject_that_is_not_permitted_is_no_verdict(make_server: MakeServer) -> None:
    server = make_server(config=OBSERVER).start()
    url = f"nats://observer:observer@{server.host}:{server.port}"
    bus = await NatsBus.connect(NatsSettings(url=url), "observer")
    results = [await make(settings, bus).look() for settings in both(subject="orders.secret", timeout_s=2)]
    await bus.close()
    for result in results:
        assert result.ok is None
        assert result.reason == f"the server does not let us ask {result.target}"
        assert result.fix == f"allow the role of target.nats to publish on {result.target}"


def both(subject: str = "orders.ping", timeout_s: float = 1.0) -> tuple[ProbeSettings, ProbeSettings]:
    return ProbeSettings(nats=subject, timeout_s=timeout_s), ProbeSettings(srv="orders", timeout_s=timeout_s)


# nats-py's services note their start with utcnow(), of which Python 3.12 and later warn; the code is theirs, not ours.
@pytest.mark.filterwarnings(
    r"ignore:datetime\.datetime\.utcnow\(\) is deprecated:DeprecationWarning:nats\.micro\.service"
)
async def test_instances_of_a_real_service_are_counted(nats_server: NatsServer) -> None:
    bus = await NatsBus.connect(NatsSettings(url=nats_server.url), "observer")
    client = await nats.connect(nats_server.url)
    services = [await nats.micro.add_service(client, name="orders", version="1.0.0") for _ in range(3)]
    await client.flush()
    started = time.monotonic()
    result = await make(ProbeSettings(srv="orders", timeout_s=20), bus).look()
    assert time.monotonic() - started < 10  # it does not wait for the time-out
    for service in services:
        await service.stop()
    await client.flush()
    gone = await make(ProbeSettings(srv="orders"), bus).look()
    await client.close()
    await bus.close()
    assert (result.ok, result.instances, result.target) == (True, 3, "$SRV.PING.orders")
    assert (gone.ok, gone.reason) == (False, "no responders: nobody listens on $SRV.PING.orders")


def ping(number: int, **metadata: str) -> bytes:
    told = ",".join(f'"{key}":"{value}"' for key, value in metadata.items())
    kind = "io.nats.micro.v1.ping_response"
    return f'{{"type":"{kind}","name":"orders","id":"id{number}","version":"1.0.0","metadata":{{{told}}}}}'.encode()


async def test_this_instance_is_judged_once_it_was_recognised(pair: tuple[Bus, Bus]) -> None:
    observer, application = pair
    answers = [ping(1, instance="i1"), ping(2, instance="i2")]

    async def reply(to: str) -> None:
        for answer in answers:
            await application.publish(to, answer)

    tasks: set[asyncio.Task[None]] = set()
    handler: Callable[[Message], None] = lambda message: tasks.add(asyncio.create_task(reply(message.reply)))  # noqa: E731
    await application.subscribe("$SRV.PING.orders", handler)
    await application.barrier()

    async def look(probe: Any) -> ProbeResult:
        await asyncio.sleep(0.3)  # older than what is told again
        result: ProbeResult = await probe.look()
        return result

    probe = make(ProbeSettings(srv="orders"), observer, instance="i1")
    assert (await look(probe)).ok is True
    del answers[0]
    result = await look(probe)
    assert (result.ok, result.instances) == (False, 1)
    assert result.reason == "1 answer to the ping, but this instance does not any more"
    stranger = make(ProbeSettings(srv="orders"), observer, instance="i1")
    assert (await look(stranger)).ok is True  # never recognised: cannot be told from its siblings
    await asyncio.gather(*tasks)


@pytest.mark.parametrize("data", [b"", b"no json", b"[]", b'{"type":"other","id":"x"}', b'{"id":5}', b"\xff\xfe"])
async def test_what_is_no_ping_response_counts_as_nobody(pair: tuple[Bus, Bus], data: bytes) -> None:
    observer, application = pair
    await serve(application, "$SRV.PING.orders", data)
    result = await make(ProbeSettings(srv="orders"), observer).look()
    assert (result.ok, result.instances) == (False, 0)
    assert result.reason == "answers on $SRV.PING.orders, but with no ping response"


@pytest.mark.parametrize("subject", ["a.*", "a.>", "a..b", ".a", "a b", "a\r\nPUB x", " "])
def test_what_is_no_subject_is_refused_when_loaded(subject: str) -> None:
    with pytest.raises(SettingsError, match=r"targets\[0\]\.probes\[2\]\.nats"):
        make(ProbeSettings(nats=subject), where="targets[0].probes[2]")


@pytest.mark.parametrize("name", ["a.b", "a b", "*", "ä"])
def test_what_is_no_service_name_is_refused_when_loaded(name: str) -> None:
    with pytest.raises(SettingsError, match=r"probe\.srv"):
        make(ProbeSettings(srv=name))


def test_two_probes_of_one_name_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"probes\[1\]\.name: a second probe named 'h:1'"):
        make_all([ProbeSettings(tcp="h:1"), ProbeSettings(tcp="h:2", name="h:1")])
    assert [probe.name for probe in make_all([ProbeSettings(tcp="h:1"), ProbeSettings(tcp="h:2")])] == ["h:1", "h:2"]
