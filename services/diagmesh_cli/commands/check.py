"""`diagmesh check`: what is the matter in the mesh, by all rules; a gate for CI."""

from datetime import UTC, datetime
from typing import Annotated, Final, Literal

import msgspec
from cyclopts import Parameter

from diagmesh import __version__
from diagmesh.client import Heard
from diagmesh.contract.codec import encode
from diagmesh.contract.findings import Severity
from diagmesh.contract.names import check_token
from diagmesh.contract.selector import Labels
from diagmesh.contract.verdicts import Check, CheckQuestion
from diagmesh.contract.wire import WIRE_VERSION, Reply, Status
from diagmesh.diagnose import chosen
from diagmesh.packs import load_rules
from diagmesh_cli.direct_check import check_directly
from diagmesh_cli.exits import Exit
from diagmesh_cli.options import Batched, Common
from diagmesh_cli.output import Output
from diagmesh_cli.report.context import Made
from diagmesh_cli.reports import Reports
from diagmesh_cli.session import connected, servers_of
from diagmesh_cli.targets import target_of
from diagmesh_cli.trouble import UsageError
from diagmesh_cli.verdict import of_check
from diagmesh_cli.views.check import check_view
from diagmesh_cli.views.replies import page

__all__ = ["check", "question_of"]

_USUAL_S: Final = 5.0
"""Whoever has no door to knock at answers in milliseconds, but a busy host may need a second for its connections."""
_SAMPLING_S: Final = 8.0
_SEVERITY = Literal["info", "warning", "error", "critical"]


async def check(
    target: str = "",
    /,
    *,
    code: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    direct: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    fail_on: _SEVERITY = "warning",
    strict: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    reports: Reports = Reports(),  # noqa: B008  likewise
    common: Batched = Batched(),  # noqa: B008  frozen, and its defaults are the point
) -> Exit:
    """Judge the mesh by all rules: what is the matter, worst first, and what could not be judged.

    Args:
        target: a service, SERVICE/INSTANCE, or nothing for the whole mesh.
        code: only this rule (RES-004) or family (RES); may be given several times. Rules that cost the services
            something (PROF: a second of sampling) are applied only if they are named.
        direct: ask the instances from here and judge here, for when there is no coordinator.
        fail_on: the mildest severity that ends with 1.
        strict: end with 2 also where an instance is only too young to be judged by a rule.
        reports: which files to write.
        common: where the mesh is, how to show it.
    """
    output, worst_allowed = Output.of(common), Severity(fail_on)
    question = msgspec.structs.replace(question_of(target, code, common.labels), **common.care)
    if direct and common.batch is not None:
        raise UsageError("--batch needs a coordinator here: leave out --direct")
    reports.ready()
    patience_s = _patience_s(question.codes, common.timeout)
    async with connected(common, output) as mesh:
        async with output.waiting(f"the check of {target or 'the mesh'}"):
            if direct:
                heard = _as_heard(await check_directly(mesh, question, patience_s))
            else:
                heard = await mesh.one(Check, "mesh", question, timeout_s=patience_s)
        if heard.problem is not None:
            output.show(heard.reply, page(heard))
            return Exit.UNSURE
        found = heard.answer
        reports.write(found, _made(common, target, question, heard.reply), worst_allowed)
        output.show(heard.reply, check_view(found, heard.reply.instance))
        return of_check(found, worst_allowed, strict=strict)


def _patience_s(codes: tuple[str, ...], timeout_s: float) -> float:
    """The time for the check; more than the usual where rules are named whose looks take seconds."""
    if timeout_s != Common.timeout:
        return timeout_s
    costly = codes and any(one.costly for one in chosen(load_rules().rules.values(), codes))
    return _SAMPLING_S if costly else _USUAL_S


def _as_heard(check: Check) -> Heard[Check]:
    """A check of our own as a coordinator would have sent it."""
    reply = Reply(
        v=WIRE_VERSION,
        service="mesh",
        instance="",
        kind="check",
        status=Status.ANSWERED,
        answer=msgspec.Raw(encode(check)),
    )
    return Heard(reply, Check)


def _made(common: Common, target: str, question: CheckQuestion, reply: Reply) -> Made:
    """What a report tells about the check itself."""
    return Made(
        at=reply.observed_at or datetime.now(UTC),
        mesh=servers_of(common),
        target=target,
        codes=question.codes,
        coordinator=reply.instance,
        took_ms=reply.took_ms or None,
        version=__version__,
    )


def question_of(target: str, codes: tuple[str, ...], labels: Labels = "") -> CheckQuestion:
    """The question for a target as it is typed.

    Raises:
        BadName: it is no name.
    """
    service, instance = target_of(target)
    for token, what in ((service, "service"), (instance, "instance")):
        if token:
            check_token(token, what)
    return CheckQuestion(
        services=(service,) if service else (),
        instances=(target,) if instance else (),
        labels=labels or {},
        codes=tuple(one.upper() for one in codes),
    )
