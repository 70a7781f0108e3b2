"""Knock at a NATS server as a client does, layer by layer, and say which layer it was that failed."""

from diagmesh.adapters.natsdoor.doors import NatsDoors, doors_of

__all__ = ["NatsDoors", "doors_of"]
