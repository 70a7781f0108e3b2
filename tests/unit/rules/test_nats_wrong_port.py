"""NATS-004: HTTP, websocket, leafnodes, routes or another program where the client port should be."""

import pytest

from diagmesh.contract.answers.connection import PortKind
from diagmesh.settings import ConnectionSettings
from support.doors import scripted
from support.linked import linked
from support.natsserver import MakeServer
from support.ports import free_port
from support.ruling import codes, found


@pytest.mark.parametrize(
    ("block", "kind", "words"),
    [
        ("leafnodes {{ listen: '127.0.0.1:{port}' }}", PortKind.LEAFNODE, "this is the port for leafnodes"),
        ("cluster {{ name: c, listen: '127.0.0.1:{port}' }}", PortKind.ROUTE, "this is the port for routes"),
        ("gateway {{ name: c, listen: '127.0.0.1:{port}' }}", PortKind.GATEWAY, "this is the port for gateways"),
        ("websocket {{ listen: '127.0.0.1:{port}', no_tls: true }}", PortKind.WEBSOCKET, "this is the websocket port"),
        ("http: '127.0.0.1:{port}'", PortKind.HTTP, "this port speaks HTTP"),
    ],
)
async def test_each_other_port_of_a_server_is_known(
    make_server: MakeServer, block: str, kind: PortKind, words: str
) -> None:
    port = free_port()
    with make_server(config=block.format(port=port)):
        async with linked(connection=ConnectionSettings(url=f"nats://127.0.0.1:{port}")) as it:
            (door,) = (await it.answer()).doors
            diagnosis = await it.judged()
    assert door.port is kind
    assert codes(diagnosis) == ["NATS-004"]
    assert words in found(diagnosis, "NATS-004").title


async def test_another_program_is_no_nats() -> None:
    with scripted(lambda plug: plug.sendall(b"220 mail.example ESMTP\r\n")) as door:
        async with linked(connection=ConnectionSettings(url=f"nats://{door.address}")) as it:
            diagnosis = await it.judged()
    assert codes(diagnosis) == ["NATS-004"]
    assert "does not speak the NATS protocol" in found(diagnosis, "NATS-004").title
