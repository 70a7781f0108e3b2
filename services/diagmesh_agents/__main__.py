"""``python -m diagmesh_agents``: the sidecar, also reached as ``diagmesh sidecar``."""

import asyncio
import sys

from diagmesh.process import checked_first, log_to_stderr, run
from diagmesh_agents._arguments import parse, split
from diagmesh_agents._launch import become_launcher
from diagmesh_agents._launched import Launch
from diagmesh_agents._sidecar import serve


def main() -> int:
    """Run the sidecar until it is told to stop; returns the exit code. With ``-- COMMAND`` become its launcher."""
    arguments = sys.argv[1:]
    if split(arguments)[1] is not None:
        return checked_first(lambda: become_launcher(parse(arguments), arguments))

    async def started(stop: asyncio.Event) -> int:
        given = parse(arguments)
        log_to_stderr(given.settings.log_level)
        return await serve(given.settings, stop, Launch.of(given.launched))

    return run(started)


if __name__ == "__main__":
    raise SystemExit(main())
