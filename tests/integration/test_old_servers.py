"""The last nats-server of each line since 2.10, where they were fetched: looked at in every way, nothing is missing."""

import os
from pathlib import Path
from typing import Final

import nats
import pytest

from diagmesh import keys
from diagmesh.adapters.monitordoor import monitor_of
from diagmesh.adapters.natsmon.account import SUBJECTS
from diagmesh.adapters.natstrace import followed
from diagmesh.adapters.observer import Observer
from diagmesh.bus.nats import NatsBus
from diagmesh.contract.answers.connection import DoorVerdict
from diagmesh.contract.answers.route import RouteState
from diagmesh.contract.answers.server import Server
from diagmesh.errors import Unavailable
from diagmesh.settings import ConnectionSettings, NatsServerSettings, NatsSettings
from support.linked import linked
from support.natsserver import MakeServer, NatsServer
from support.oldservers import OLD, old_server
from support.ruling import codes, judge
from support.serving import door_to, judged, look
from support.streaming import streaming

_TRACES_SINCE: Final = (2, 11)


@pytest.fixture(params=OLD)
def server(request: pytest.FixtureRequest, make_server: MakeServer, tmp_path: Path) -> NatsServer:
    """One of them, with an account for services and a user of the system account."""
    program = old_server(request.param)
    if program is None:
        pytest.skip(f"nats-server {request.param} was not fetched: PYTHONPATH=tests python -m support.oldservers")
    key = keys.generate()
    keys.write_seed(tmp_path / "monitor.nk", key)
    publish = ", ".join(f'"{subject}"' for subject in SUBJECTS)
    config = f"""
        accounts {{
          SYS {{ users = [ {{ nkey: {key.public}, permissions: {{
            publish: [{publish}], subscribe: ["_INBOX_monitor.>"] }} }} ] }}
          APP {{ users = [ {{ user: app, password: pw }} ], jetstream: enabled }}
        }}
        system_account: SYS
        no_auth_user: app
    """
    options = {"monitoring": True, "jetstream": True, "name": request.param, "program": str(program)}
    return make_server(config=config, **options).start()


async def test_an_older_server_is_seen_whole_and_well(server: NatsServer, tmp_path: Path) -> None:
    by_http = await look(door_to(server))
    by_account = await _by_account(server, tmp_path / "monitor.nk")
    version = by_http.version
    for seen in (by_http, by_account):
        assert (seen.name, seen.version, seen.blind) == (version, version, ())
        assert seen.jetstream is not None
        assert {one.name: one.ok for one in seen.health} == {"ready": True, "jetstream": True}
        assert codes(judged([seen])) == []
    await _streams(server)
    await _connection(server)
    await _route(server, tuple(map(int, version.split(".")[:2])) >= _TRACES_SINCE)


async def _by_account(server: NatsServer, seed: Path) -> Server:
    system = NatsSettings(url=server.url, nkey_file=str(seed), inbox_prefix="_INBOX_monitor")
    bus = await NatsBus.connect(system, "diag-monitor/nats/n1")
    try:
        return await look(monitor_of(NatsServerSettings(system=system), "nats/n1", "nats_server", Observer(bus)))
    finally:
        await bus.close()


async def _streams(server: NatsServer) -> None:
    async with streaming(server.url) as lab:
        await lab.js.add_stream(name="ORDERS", subjects=["orders.>"])
        await lab.js.pull_subscribe("orders.>", "worker")
        await lab.publish(3)
        answer = await lab.look()
        assert answer.blind == ()
        assert [(one.name, one.messages) for one in answer.streams] == [("ORDERS", 3)]
        assert [(one.full_name, one.pending) for one in answer.consumers] == [("ORDERS/worker", 3)]
        assert codes(judge([answer])) == []


async def _connection(server: NatsServer) -> None:
    client = await nats.connect(server.url, name="orders")
    try:
        await client.subscribe("orders.>")
        await client.flush()
        settings = ConnectionSettings(url=server.url, client_name="orders")
        async with linked(pid=os.getpid(), observer=server.url, connection=settings) as lab:
            answer = await lab.answer()
            assert [door.verdict for door in answer.doors] == [DoorVerdict.OPEN]
            assert "orders" in {link.seen.name for link in answer.links or () if link.seen is not None}
            assert codes(await lab.judged()) == []
    finally:
        await client.close()


async def _route(server: NatsServer, traces: bool) -> None:
    bus = await NatsBus.connect(NatsSettings(url=server.url), "eye")
    heard: list[object] = []
    try:
        await bus.subscribe("news.>", heard.append)
        await bus.barrier()
        if traces:
            found = await followed(Observer(bus), "news.today", timeout_s=5.0)
            assert (found.state, found.receivers) == (RouteState.REACHED, 1)
        else:
            with pytest.raises(Unavailable, match=r"2\.11") as caught:
                await followed(Observer(bus), "news.today", timeout_s=5.0)
            assert caught.value.code == 501
        await bus.barrier()
        assert heard == [], "nothing was delivered"
    finally:
        await bus.close()


@pytest.mark.parametrize("version", ["", *OLD])
async def test_no_token_of_a_client_is_told(version: str, make_server: MakeServer) -> None:
    program = old_server(version) if version else None
    if version and program is None:
        pytest.skip(f"nats-server {version} was not fetched: PYTHONPATH=tests python -m support.oldservers")
    options = {"program": str(program)} if program is not None else {}
    server = make_server(config='authorization { token: "s3cr3t" }', **options).start()
    with_token = server.url.replace("://", "://s3cr3t@")
    async with await nats.connect(with_token, name="orders"), linked(observer=with_token) as it:
        answer = await it.answer()
    assert "orders" in [link.seen.name for link in answer.links or () if link.seen is not None]
    assert "s3cr3t" not in str(answer)
