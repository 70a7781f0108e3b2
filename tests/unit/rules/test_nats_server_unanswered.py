"""NATS-002: a connection attempt gets no answer at all, as behind a firewall that drops."""

from diagmesh.settings import ConnectionSettings
from support.doors import listens_only
from support.linked import linked
from support.ruling import codes, found


async def test_swallowed_attempts_are_told_apart_from_a_frozen_server() -> None:
    with listens_only() as door:
        async with linked(connection=ConnectionSettings(url=f"nats://{door.address}")) as it:
            diagnosis = await it.judged()
    assert codes(diagnosis) == ["NATS-002"]
    assert "packets are dropped on the way: no answer to the connection attempt" in found(diagnosis, "NATS-002").title
