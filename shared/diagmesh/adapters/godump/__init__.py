"""Goroutine dumps of Go 1.21 to 1.27: read line by line, added up by similar stack. Text in, values out; no files."""

from diagmesh.adapters.godump.lines import lines_of
from diagmesh.adapters.godump.origin import Origin, first_own, origin_of, package_of
from diagmesh.adapters.godump.reader import Goroutine, Reader
from diagmesh.adapters.godump.stack import Stack
from diagmesh.adapters.godump.wrapped import wrapped_of

__all__ = ["Goroutine", "Origin", "Reader", "Stack", "first_own", "lines_of", "origin_of", "package_of", "wrapped_of"]
