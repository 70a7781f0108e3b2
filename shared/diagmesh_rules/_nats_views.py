"""What the servers tell of the connections of an instance, for rules that judge these."""

from diagmesh.contract.answers.connection import Connection, ServerView
from diagmesh.declare import Unjudged
from diagmesh.expected import Key

__all__ = ["views_of"]


def views_of(where: Key, answer: Connection) -> list[ServerView] | Unjudged:
    """Each connection as its server sees it; none where the instance surely has none, and then nothing is wrong."""
    views = [link.seen for link in answer.links or () if link.seen is not None]
    if views or (answer.links == () and not answer.blind):
        return views
    return Unjudged(where=where, why="no server told of a connection of the instance")
