"""All targets by name, and the modules that decode but have none, with the reason."""

from typing import Final

from fuzz import asked, doors, gopages, local, monitoring, ours, profiles, races, stacks, streams, traces, wire
from fuzz.target import Target

__all__ = ["NOT_FUZZED", "TARGETS"]

_PARTS: Final = (
    asked,
    doors,
    wire,
    local,
    gopages,
    ours,
    races,
    stacks,
    profiles,
    monitoring,
    streams,
    traces,
)
TARGETS: Final[dict[str, Target]] = {one.name: one for part in _PARTS for one in part.TARGETS}
NOT_FUZZED: Final[dict[str, str]] = {
    "diagmesh.adapters.pprof.__main__": "a job that our own other half has just written",
    "diagmesh.adapters.pprof.apart": "what our own other half says; the files themselves are the target profile",
    "diagmesh_cli.sampling": "an option of the command itself, and replies that were decoded before",
    "diagmesh.contract.schema": "docstrings of our own types",
    "diagmesh.adapters.godump.apart": "what a process of ours writes; the dump that it reads is goroutine-dump",
    "diagmesh.declare.rules": "codes that stand in the source of a rule; a wrong one is a programming error",
    "diagmesh.gather.large": "the question that we have just encoded ourselves",
    "diagmesh.gather.plan": "whether that question asks for chunks",
    "diagmesh_agents._goprocs": "the version in a look of go-birth and go-metrics: a pattern of two short numbers",
    "diagmesh_agents._launcher.service": "our own /proc/self/status",
    "diagmesh_agents._launcher.children": "the kernel's line on a child of ours; proc-stat has the general reader",
    "diagmesh_cli.racerun.toolchain": "what the `go` that we start says of itself",
    "diagmesh_cli.output": "what we have just encoded ourselves",
    "diagmesh_cli.local.mesh": "a file that a process of ours wrote into our own folder (0700)",
    "diagmesh_cli.local.replacing": "a list of our own, in a folder (0700) of a change that we began",
    "diagmesh_cli.local.rundir": "files of our own, in a folder that only we may enter",
    "diagmesh_cli.local.server_text": "patterns for what we write",
    "diagmesh_cli.local.settings_file": "a pattern for keys that we write",
    "diagmesh_cli.local.embedded": "the ports file of the nats-server that we started, in our own folder",
}
