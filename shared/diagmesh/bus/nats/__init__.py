"""The bus on NATS: `link` is one connection with the traps of nats-py guarded, `bus` keeps one link after the other."""

from diagmesh.bus.nats.bus import NatsBus
from diagmesh.bus.nats.exposed import exposed
from diagmesh.bus.nats.usable import check_usable, urls_of

__all__ = ["NatsBus", "check_usable", "exposed", "urls_of"]
