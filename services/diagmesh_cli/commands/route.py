"""`diagmesh route`: the path of a subject, seen by a sidecar or with one's own credentials, drawn as a tree."""

import socket
import time
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from cyclopts import Parameter

from diagmesh.adapters.natstrace import followed
from diagmesh.adapters.observer import Observer
from diagmesh.client import Heard, Mesh
from diagmesh.contract.answers.route import Route, RouteQuestion
from diagmesh.contract.codec import encode, problem_of
from diagmesh.contract.names import check_token
from diagmesh.contract.wire import WIRE_VERSION, Reply, Status
from diagmesh.diagnose import Engine
from diagmesh.errors import Declined, Refusal
from diagmesh.evidence import Evidence
from diagmesh.packs import load_rules
from diagmesh_cli.exits import Exit
from diagmesh_cli.options import Common
from diagmesh_cli.output import Output
from diagmesh_cli.session import connected
from diagmesh_cli.targets import target_of
from diagmesh_cli.verdict import of_reply
from diagmesh_cli.views.replies import page

__all__ = ["route"]

_WHO = ("own", "credentials")


async def route(
    subject: str,
    /,
    *,
    through: Annotated[str, Parameter(metavar="TARGET", show_default=False)] = "",
    common: Common = Common(),  # noqa: B008  frozen, and its defaults are the point
) -> Exit:
    """Which way a message on a subject takes through the servers, and who gets it; nothing is delivered.

    Args:
        subject: that is published on, without wildcards: orders.new.
        through: a service or SERVICE/INSTANCE whose sidecar looks, in the account of the application. Default: from
            here, with your own credentials, in their account.
        common: where the mesh is, how to show it.
    """
    output = Output.of(common)
    service, instance = target_of(through)
    if through:
        check_token(service, "service")
    async with connected(common, output) as mesh:
        async with output.waiting(f"the route of {subject}"):
            if through:
                question = RouteQuestion(subject=subject)
                heard = await mesh.one(Route, service, question, instance=instance, timeout_s=max(common.timeout, 5.0))
            else:
                heard = Heard(await _from_here(mesh, subject, common.timeout), Route)
        output.show(heard.reply, page(heard))
        return of_reply(heard.reply)


async def _from_here(mesh: Mesh, subject: str, timeout_s: float) -> Reply:
    """The same reply as that of a sidecar, by one's own connection."""
    began, now = time.perf_counter(), datetime.now(UTC)
    service, instance = _WHO
    reply = Reply(
        v=WIRE_VERSION,
        service=service,
        instance=instance,
        host=socket.gethostname(),
        kind="route",
        status=Status.ANSWERED,
        observed_at=now,
    )
    replace = msgspec.structs.replace
    try:
        answer = await followed(Observer(mesh.bus), subject, timeout_s=timeout_s)
    except Refusal as refusal:
        status = Status.DECLINED if isinstance(refusal, Declined) else Status.UNAVAILABLE
        return replace(reply, status=status, problem=problem_of(refusal))
    took_ms = round(1000 * (time.perf_counter() - began), 3)
    reply = replace(reply, took_ms=took_ms, answer=msgspec.Raw(encode(answer)))
    findings = Engine(load_rules()).of_answer(Evidence([reply]), "route", {})
    return replace(reply, findings=findings)
