"""How a coordinator is that is well; vary it with `msgspec.structs.replace`."""

from datetime import UTC, datetime
from typing import Final

from diagmesh.contract.answers.coordinator import (
    Coordinator,
    CoordinatorState,
    DirectoryPart,
    Link,
    LoopLag,
    OwnProcess,
    Work,
)
from diagmesh.contract.directory import Registry, RegistryState

__all__ = ["WELL"]

WELL: Final = Coordinator(
    state=CoordinatorState.UP,
    reason="it is connected and knows who is there",
    version="0.1.0",
    uptime_s=7200.0,
    settings="5e771n65",
    work=Work(in_work=1, limit=64, sending=0, refused_busy=0, unsent=0, asked=4711),
    loop_lag=LoopLag(over_s=60.0, p50_s=0.001, p99_s=0.004, max_s=0.02),
    process=OwnProcess(
        pid=17,
        cores_used=0.031,
        rss_bytes=48_000_000,
        descriptors=14,
        descriptors_limit=1024,
        threads=3,
        tasks=9,
    ),
    directory=DirectoryPart(instances=12, live=11, coordinators=2),
    link=Link(
        state="connected",
        server="nats-1",
        reconnects=1,
        dropped=0,
        subscriptions=14,
        inboxes=0,
    ),
    registry=Registry(state=RegistryState.KEPT, since=datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)),
)
