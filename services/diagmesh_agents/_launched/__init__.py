"""A sidecar whose service was launched: what the launcher knows of it, and the exits that the mesh must hear of."""

from diagmesh_agents._launched.exits import tell_exits
from diagmesh_agents._launched.launch import Launch
from diagmesh_agents._launched.neighbour import LaunchedNeighbour

__all__ = ["Launch", "LaunchedNeighbour", "tell_exits"]
