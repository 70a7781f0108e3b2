"""``python -m diagmesh_agents``: the sidecar, also reached as ``diagmesh sidecar``."""

import asyncio
import sys

from diagmesh.process import log_to_stderr, run
from diagmesh_agents._arguments import parse
from diagmesh_agents._sidecar import serve


def main() -> int:
    """Run the sidecar until it is told to stop; returns the exit code."""

    async def started(stop: asyncio.Event) -> int:
        settings = parse(sys.argv[1:])
        log_to_stderr(settings.log_level)
        return await serve(settings, stop)

    return run(started)


if __name__ == "__main__":
    raise SystemExit(main())
