"""`diagmesh status`: the whole mesh at a look."""

import asyncio

from diagmesh.client import Mesh
from diagmesh.contract.answers.health import Health, HealthQuestion
from diagmesh.contract.directory import Services
from diagmesh.contract.selector import Labels
from diagmesh.contract.wire import Detail
from diagmesh.errors import NoResponders
from diagmesh_cli.commands.ask import mesh_reply
from diagmesh_cli.exits import Exit
from diagmesh_cli.options import Labelled
from diagmesh_cli.output import Output
from diagmesh_cli.session import connected
from diagmesh_cli.verdict import of_directory, of_sum
from diagmesh_cli.views.status import MeshStatus, status_view

__all__ = ["code_of", "look", "status"]


async def status(common: Labelled = Labelled()) -> Exit:  # noqa: B008  frozen, its defaults are the point
    """The whole mesh at a look: per service how many are live and well, whom to look at, who is silent and why.

    Args:
        common: where the mesh is, how to show it.
    """
    output = Output.of(common)
    async with connected(common, output) as mesh:
        async with output.waiting("health of the mesh"):
            seen = await look(mesh, common.timeout, common.labels)
        output.show({"services": seen.services, "health": mesh_reply(seen.health)}, status_view(seen))
        return code_of(seen)


async def look(mesh: Mesh, timeout_s: float, labels: Labels = "") -> MeshStatus:
    """Directory and health, asked side by side; of those with these labels only.

    Raises:
        BusError: as `Mesh.mesh`; that there is no coordinator is no error.
        Refusal: the coordinator cannot tell.
    """
    directory, health = await asyncio.gather(
        _directory(mesh, timeout_s, labels),
        mesh.all(Health, HealthQuestion(detail=Detail.BRIEF), timeout_s=timeout_s, labels=labels or {}),
    )
    return MeshStatus(services=directory, health=health)


def code_of(seen: MeshStatus) -> Exit:
    """What a look means for the exit code; without a coordinator nobody knows who is missing, so all is never well."""
    code = of_sum(seen.health.answer)
    if code is Exit.NOBODY:
        return code
    return max(code, Exit.UNSURE if seen.services is None else of_directory(seen.services))


async def _directory(mesh: Mesh, timeout_s: float, labels: Labels) -> Services | None:
    try:
        return await mesh.services(labels=labels, timeout_s=timeout_s)
    except NoResponders:
        return None
