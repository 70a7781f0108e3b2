"""Crashes of Go programs, taken apart from what their runtime wrote: text in, values out; no files."""

from diagmesh.adapters.gocrash.reader import CrashReader, crashes_of

__all__ = ["CrashReader", "crashes_of"]
