"""What the sidecar refuses before it serves, and what it does not do on its event loop."""

import asyncio
import logging
import threading
from uuid import uuid4

import pytest

from diagmesh.adapters import tracked
from diagmesh.adapters.find import Found, find
from diagmesh.adapters.ways import Way
from diagmesh.errors import SettingsError
from diagmesh.settings import NatsSettings, SidecarSettings, TargetSettings
from diagmesh_agents._sidecar import serve
from support.ports import free_port


async def test_a_kind_that_nobody_has_cannot_be_disabled() -> None:
    settings = SidecarSettings(targets=(TargetSettings(service="orders"),), disable=("health", "nope", "none"))
    with pytest.raises(SettingsError, match="disable: no such kind: none, nope"):
        await asyncio.wait_for(serve(settings, asyncio.Event()), 20)


async def test_the_machine_is_not_searched_on_the_event_loop(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    searchers: list[threading.Thread] = []

    def noting(way: Way, root: str) -> Found:
        searchers.append(threading.current_thread())
        return find(way, root)

    monkeypatch.setattr(tracked, "find", noting)
    mark = uuid4().hex
    target = TargetSettings(service="orders", instance=mark, command=f"*{mark}*")
    settings = SidecarSettings(nats=NatsSettings(url=f"nats://127.0.0.1:{free_port()}"), targets=(target,))
    stop = asyncio.Event()
    with caplog.at_level(logging.INFO, "diagmesh.sidecar"):
        serving = asyncio.create_task(serve(settings, stop))
        async with asyncio.timeout(20):
            while not (searchers and f"serving orders/{mark}: command" in caplog.text):
                await asyncio.sleep(0.02)
        stop.set()
        assert await asyncio.wait_for(serving, 20) == 0
    assert threading.main_thread() not in searchers
