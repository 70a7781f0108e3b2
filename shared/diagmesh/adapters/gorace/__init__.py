"""Reports of the race detector of Go: found in any log, taken apart, added up; pure, streaming, bounded."""

from diagmesh.adapters.gorace.collected import Collected, race_id
from diagmesh.adapters.gorace.reader import RaceReader
from diagmesh.adapters.gorace.report import Report

__all__ = ["Collected", "RaceReader", "Report", "race_id"]
