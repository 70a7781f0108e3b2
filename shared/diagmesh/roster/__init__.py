"""Who is there, who should be, and who was lost: heartbeats in, the expected out. Pure; time is passed in."""

from diagmesh.roster.known import Known
from diagmesh.roster.roster import Roster

__all__ = ["Known", "Roster"]
