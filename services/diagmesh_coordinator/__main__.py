"""``python -m diagmesh_coordinator``: the coordinator, also reached as ``diagmesh coordinator``."""

import asyncio
import sys

from diagmesh.process import log_to_stderr, run
from diagmesh_coordinator.arguments import parse
from diagmesh_coordinator.program import serve


def main() -> int:
    """Run the coordinator until it is told to stop; returns the exit code."""

    async def started(stop: asyncio.Event) -> int:
        settings = parse(sys.argv[1:])
        log_to_stderr(settings.log_level)
        return await serve(settings, stop)

    return run(started)


if __name__ == "__main__":
    raise SystemExit(main())
