"""`diagmesh services`: the directory."""

from diagmesh.contract.directory import Services, ServicesQuestion
from diagmesh_cli.exits import Exit
from diagmesh_cli.options import Labelled
from diagmesh_cli.output import Output
from diagmesh_cli.session import connected
from diagmesh_cli.verdict import of_directory
from diagmesh_cli.views.replies import page

__all__ = ["services"]


async def services(
    *service: str,
    common: Labelled = Labelled(),  # noqa: B008  frozen, its defaults are the point
) -> Exit:
    """Who is there, who should be, who is missing and why.

    Args:
        service: only these services. Default: all.
        common: where the mesh is, how to show it.
    """
    output = Output.of(common)
    async with connected(common, output) as mesh:
        async with output.waiting("the directory"):
            question = ServicesQuestion(services=service, labels=common.labels)
            heard = await mesh.one(Services, "mesh", question, timeout_s=common.timeout)
        output.show(heard.reply, page(heard))
        return of_directory(heard.answer) if heard.problem is None else Exit.UNSURE
