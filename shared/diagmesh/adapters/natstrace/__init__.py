"""Message tracing of nats-server: trace events taken apart, joined into a path, and asked for without delivering."""

from diagmesh.adapters.natstrace.ask import followed
from diagmesh.adapters.natstrace.path import path_of

__all__ = ["followed", "path_of"]
