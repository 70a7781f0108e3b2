"""A connection to the mesh for one command."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from diagmesh.bus.nats import check_usable, exposed, urls_of
from diagmesh.bus.reasons import redact
from diagmesh.client import Mesh
from diagmesh_cli.local import rundir
from diagmesh_cli.options import Common, connection
from diagmesh_cli.output import Output
from diagmesh_cli.trouble import UsageError

__all__ = ["connected", "servers_of"]


def servers_of(common: Common) -> str:
    """The servers that are asked, as people may read them: without user and password."""
    return ", ".join(map(redact, urls_of(connection(common))))


@asynccontextmanager
async def connected(common: Common, output: Output) -> AsyncIterator[Mesh]:
    """Connect as the options say, and close the connection at the end.

    Raises:
        CannotConnect: with the reason.
        SettingsError: it can never work, and why.
        UsageError: an option cannot be.
    """
    if not 0 < common.timeout <= 600:
        raise UsageError(f"--timeout {common.timeout:g}: say seconds above 0 and up to 600")
    settings = connection(common)
    check_usable(settings)
    if not common.nats and (several := len(rundir.living())) > 1:
        output.note(
            f"{several} of your `diagmesh up` are running: {settings.url} is the newest; --nats URL names another"
        )
    for warning in exposed(settings, "options"):
        output.note(f"warning: {warning}")
    async with output.waiting(f"connecting to {servers_of(common)}"):
        mesh = await Mesh.connect(
            name="diag-cli", timeout_s=max(common.timeout, 1.0), **msgspec.structs.asdict(settings)
        )
    mesh.coordinators.on_hedge = output.note
    try:
        yield mesh
    finally:
        await mesh.close()
