"""Fixtures for all tests: real servers, recorded fixtures, the Go toolchain."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, settings

from support.natsserver import MakeServer, NatsServer

# Machines are noisy: how long an example takes says nothing about the code.
settings.register_profile("calm", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("calm")

pytest_plugins = ["support.buses", "support.golang"]

LONG: Final = ("test_faults.py", "test_soak_chaos.py", "test_soak.py", "test_crashes.py", "test_up.py")
"""What takes minutes: begun first, so that no process of the tests is left alone with it at the end."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long files come first, in their order here; the rest stays in the order that chance gave it."""
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


@pytest.fixture
def make_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeServer]:
    """Makes real nats-servers (not started; `NatsServer` says with which options); each is ended with the test."""
    with ExitStack() as stack:

        def make(**options: Any) -> NatsServer:
            server = NatsServer(tmp_path_factory.mktemp("nats"), **options)
            stack.callback(server.close)
            return server

        yield make


@pytest.fixture
def nats_server(make_server: MakeServer) -> NatsServer:
    """A real nats-server, fresh for this test and running, with monitoring."""
    return make_server(monitoring=True).start()


@pytest.fixture(scope="session")
def fixtures_root() -> Path:
    """The recorded fixtures named by ``DIAGMESH_FIXTURES``; skips where there are none."""
    named = os.environ.get("DIAGMESH_FIXTURES", "")
    if not named:
        pytest.skip("DIAGMESH_FIXTURES is not set: no recorded fixtures here")
    root = Path(named)
    if not root.is_dir():
        pytest.fail(f"DIAGMESH_FIXTURES={named} is no folder")
    return root
