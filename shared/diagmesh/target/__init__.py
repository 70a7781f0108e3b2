"""What an agent may see of its neighbour: protocols only, so that agents can be tested without a process."""

from diagmesh.target.connections import MetConnections, NatsDoors
from diagmesh.target.looks import Aged, Depth, Disk, Look, TcpLink
from diagmesh.target.neighbour import Target
from diagmesh.target.past import Ring, Sample, Trends
from diagmesh.target.probes import Probe, ProbeResult
from diagmesh.target.process import ProcessView
from diagmesh.target.races import RaceLooks
from diagmesh.target.sighting import Sighting
from diagmesh.target.streams import StreamsView

__all__ = [
    "Aged",
    "Depth",
    "Disk",
    "Look",
    "MetConnections",
    "NatsDoors",
    "Probe",
    "ProbeResult",
    "ProcessView",
    "RaceLooks",
    "Ring",
    "Sample",
    "Sighting",
    "StreamsView",
    "Target",
    "TcpLink",
    "Trends",
]
