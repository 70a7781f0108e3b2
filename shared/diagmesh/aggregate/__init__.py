"""Replies added up: counts, extremes, whom to look at first. Silence is counted as silence, never as health."""

from diagmesh.aggregate.fields import Measured, Value, measured
from diagmesh.aggregate.total import add_up

__all__ = ["Measured", "Value", "add_up", "measured"]
