"""What an instance tells without being asked: heartbeats and events."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

__all__ = ["Event", "Heartbeat"]


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """``diagev.hb.<service>.<instance>``: I am here. Service and instance are in the subject, which the server checks.

    Args:
        v: version of the wire.
        boot: random id of this start of the sidecar; two live boots under one name are a misconfiguration.
        n: count since the boot.
        interval_s: when to expect the next one; three missed mean *lost*.
        server: name of the NATS server that the sidecar is connected to.
        host: where it runs.
        kinds: what it answers.
        version: of diagmesh.
        labels: of the instance: 32 at most, keys and values as in Kubernetes and of 63 characters at most.
        bye: a last word: the instance leaves on purpose and is no longer expected.
    """

    v: int
    boot: str
    n: int = 0
    interval_s: Annotated[float, Meta(gt=0, le=3600)] = 5.0
    server: str = ""
    host: str = ""
    kinds: tuple[str, ...] = ()
    version: str = ""
    labels: dict[str, str] = {}
    bye: bool = False


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """``diagev.ev.<service>.<kind>``: something happened here."""

    v: int
    service: str
    instance: str
    boot: str
    kind: str
    at: datetime
    what: str
    count: int = 1
    detail: dict[str, Any] = {}
