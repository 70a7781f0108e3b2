"""`diagmesh read monitoring`: what saved replies of nats-servers say, by the same rules as in the mesh."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Final

import msgspec
from cyclopts import Parameter
from msgspec.structs import replace
from rich.console import Group, RenderableType
from rich.text import Text

from diagmesh.contract.answers.server import Server
from diagmesh.contract.codec import encode
from diagmesh.contract.findings import Advice, Finding
from diagmesh.contract.kinds import kind_of_type
from diagmesh.contract.verdicts import Check
from diagmesh.contract.wire import Answer, Problem, Reply, Status
from diagmesh.diagnose import Engine
from diagmesh.evidence import Evidence
from diagmesh.packs import load_rules
from diagmesh.settings import RuleSettings
from diagmesh_cli.exits import Exit
from diagmesh_cli.moments import Moment, moments_in, pictures_of
from diagmesh_cli.options import Shown
from diagmesh_cli.output import Output, sentence
from diagmesh_cli.trouble import UsageError
from diagmesh_cli.verdict import of_findings
from diagmesh_cli.views.check import check_view
from diagmesh_cli.views.server import VIEW

__all__ = ["MonitoringRead", "Read", "Unread", "monitoring"]

_SAVED: Final = (RuleSettings(code="JS-001", limits={"never_s": 0.0}),)
"""Of a consumer that never acknowledged any, a saved moment holds no time to judge it by, and there is no second look:
with all that it may hold, and more behind, it is told at once. Others are judged by their last acknowledgement."""
_SERVICE: Final = "nats"


class Read(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One moment: of one server, or of several that were looked at together.

    Args:
        files: that it stands in.
        servers: what they show.
        check: what the rules say.
    """

    files: tuple[str, ...]
    servers: tuple[Server, ...]
    check: Check


class Unread(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file that could not be read, and why."""

    file: str
    problem: Problem


class MonitoringRead(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What stands in the folders, the earliest moment first."""

    moments: tuple[Read, ...]
    unread: tuple[Unread, ...] = ()


def monitoring(
    *folders: Annotated[str, Parameter(metavar="FOLDER", show_default=False)],
    window: Annotated[float, Parameter(show_default=False)] = 300.0,
    compare: bool = False,
    shown: Shown = Shown(),  # noqa: B008  frozen, and its defaults are the point
) -> Exit:
    """What saved monitoring replies, server log and client errors of nats-servers say: the findings of the mesh.

    A folder holds the replies of one moment (varz.json, connz.json, connz_closed.json, jsz.json, healthz.json …,
    server.log, client_errors.txt), or a JSON file per moment with all of these in it. Connections that ended longer
    before the moment than clients wait until they try again (2 s, or as the saved replies show of one that has tried
    again and again) belong to an earlier one: they are told as information. Ends with 1 when there are findings of
    warning or worse, with 2 when something could not be read.

    Args:
        folders: any number of them, or of files with a moment each; packed files (gz) are fine.
        window: connections that ended so many seconds before a moment are told (300).
        compare: several moments of one server are looks one after the other: what is new counts, and rates are told.
        shown: how to show it.
    """
    if not folders:
        raise UsageError("name a folder: diagmesh read monitoring FOLDER…")
    output = Output.of(shown)
    found = [one for folder in dict.fromkeys(folders) for one in moments_in(folder)]
    moments = [one for one in found if isinstance(one, Moment)]
    unread = tuple(
        Unread(file=one[0], problem=Problem(code=422, error="cannot be read", detail=f"{one[0]}: {one[1]}"))
        for one in found
        if not isinstance(one, Moment)
    )
    pack = load_rules()
    of_servers, of_streams = (Engine(pack, _SAVED, (family,)) for family in ("SRV", "JS"))
    rounds = pictures_of(moments, window, compare=compare)
    read = tuple(_judged(one, of_servers, of_streams) for one in rounds)
    output.show(MonitoringRead(moments=read, unread=unread), Group(*_parts(read, unread)))
    if unread or not read:
        return Exit.UNSURE
    return max(of_findings(finding for one in read for finding in one.check.findings), Exit.WELL)


def _judged(ones: Sequence[tuple[Moment, Server]], of_servers: Engine, of_streams: Engine) -> Read:
    servers = tuple(server for _, server in ones)
    told = [of_servers.diagnose(Evidence([_reply(_SERVICE, one, one) for one in servers]))]
    streams = [_reply(account, server, one) for moment, server in ones for account, one in moment.streams]
    if streams:
        told.append(of_streams.diagnose(Evidence(streams)))
    findings = [_offline(finding) for one in told for finding in one.findings]
    check = Check(
        findings=tuple(sorted(findings, key=lambda one: (-one.severity.rank, one.code))),
        verdicts=tuple(verdict for one in told for verdict in one.verdicts),
        suppressed=tuple(quiet for one in told for quiet in one.suppressed),
        asked=("server", "streams") if streams else ("server",),
        expected=len(servers),
    )
    return Read(files=tuple(one.file for one, _ in ones), servers=servers, check=check)


def _offline(finding: Finding) -> Finding:
    """Without advice to ask the instance, which is one of a mesh only in the eyes of the rules."""
    told = finding.advice
    now, soon, later = (
        tuple(line for line in part if not _asks_somebody(line)) for part in (told.now, told.soon, told.later)
    )
    return replace(finding, advice=Advice(now=now, soon=soon, later=later))


def _asks_somebody(line: str) -> bool:
    """Whether it has the command ``diagmesh ask KIND TARGET``."""
    commands = [command.split() for command in line.split("`")[1::2]]
    return any(words[:2] == ["diagmesh", "ask"] and len(words) > 3 for words in commands)


def _reply(service: str, server: Server, answer: Answer) -> Reply:
    """As an instance would: a server of the service ``nats``, streams of their account at that server."""
    raw: Any = msgspec.Raw(encode(answer))
    return Reply(
        v=1,
        service=service,
        instance=server.name,
        kind=kind_of_type(type(answer)),
        status=Status.ANSWERED,
        observed_at=server.at,
        answer=raw,
    )


def _parts(read: Iterable[Read], unread: Iterable[Unread]) -> Iterable[RenderableType]:
    for number, one in enumerate(read):
        if number:
            yield Text()
        yield Text(", ".join(one.files), "bold")
        yield check_view(one.check, "")
        for server in one.servers:
            yield Text()
            yield VIEW.page(server)
    for other in unread:
        yield Text(sentence(other.problem), "red")
