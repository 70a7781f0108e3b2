"""Reports of the race detector of a running service: followed where it writes them, added up, told."""

from diagmesh.adapters.racewatch.log import RaceLog
from diagmesh.adapters.racewatch.source import News, Source
from diagmesh.adapters.racewatch.watch import RaceWatch

__all__ = ["News", "RaceLog", "RaceWatch", "Source"]
