"""The test server does what tests rely on: same address over restarts, freezing, and nothing left behind."""

import socket
from pathlib import Path

import pytest

from support.natsserver import MakeServer, NatsServer
from support.procs import alive


def greeting(server: NatsServer, timeout_s: float) -> bytes:
    with socket.create_connection((server.host, server.port), timeout=timeout_s) as connection:
        return connection.recv(5)


def test_same_address_after_restart(nats_server: NatsServer) -> None:
    before, url = nats_server.pid, nats_server.url
    nats_server.restart()
    assert nats_server.pid != before
    assert nats_server.url == url
    assert greeting(nats_server, 2.0) == b"INFO "


def test_frozen_is_deaf_until_thawed(nats_server: NatsServer) -> None:
    nats_server.freeze()
    with pytest.raises(TimeoutError):
        greeting(nats_server, 0.3)
    nats_server.thaw()
    assert greeting(nats_server, 5.0) == b"INFO "


def test_close_ends_also_a_frozen_server(make_server: MakeServer) -> None:
    server = make_server().start()
    pid = server.pid
    server.freeze()
    server.close()
    assert not server.running
    assert not alive(pid)


def test_bad_config_is_reported_with_the_servers_words(tmp_path: Path) -> None:
    server = NatsServer(tmp_path, config="max_payload: many")
    with pytest.raises(RuntimeError, match="ended at its start"):
        server.start()
    assert not server.running
