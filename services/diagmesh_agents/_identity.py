"""Which process a look was at, so that what is remembered of one is not taken for another's."""

from diagmesh.target import Target

__all__ = ["process_of"]


def process_of(target: Target) -> object:
    """The process that fits now; equal to no other one's. Called from the event loop."""
    sighting = target.sighting()
    return sighting.pid, sighting.started_at, sighting.restarts_seen
