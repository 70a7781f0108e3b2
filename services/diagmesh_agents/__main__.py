"""``python -m diagmesh_agents``: the sidecar, also reached as ``diagmesh sidecar``."""

import asyncio
import sys
from typing import TYPE_CHECKING

from diagmesh.process import checked_first, log_to_stderr, run
from diagmesh_agents._arguments import parse, split
from diagmesh_agents._sidecar import serve

if TYPE_CHECKING:
    from diagmesh_agents._launched import Launch


def main() -> int:
    """Run the sidecar until it is told to stop; returns the exit code. With ``-- COMMAND`` become its launcher."""
    arguments = sys.argv[1:]
    if split(arguments)[1] is not None:
        from diagmesh_agents._launch import become_launcher  # noqa: PLC0415  a MiB that no other sidecar needs

        return checked_first(lambda: become_launcher(parse(arguments), arguments))

    async def started(stop: asyncio.Event) -> int:
        given = parse(arguments)
        log_to_stderr(given.settings.log_level)
        return await serve(given.settings, stop, _launch_of(given.launched))

    return run(started)


def _launch_of(launched: str) -> "Launch | None":
    if not launched:
        return None
    from diagmesh_agents._launched import Launch  # noqa: PLC0415  as above

    return Launch.of(launched)


if __name__ == "__main__":
    raise SystemExit(main())
