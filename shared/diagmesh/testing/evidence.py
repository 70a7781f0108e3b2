"""Evidence without a mesh, and one rule applied to it as in a mesh."""

from collections.abc import Iterable

import msgspec

from diagmesh.contract.codec import encode
from diagmesh.contract.directory import Services
from diagmesh.contract.kinds import kind_of_type
from diagmesh.contract.mesh import Silent
from diagmesh.contract.wire import WIRE_VERSION, Answer, Problem, Reply, Status
from diagmesh.declare import RuleSpec
from diagmesh.diagnose import Diagnosis, Engine
from diagmesh.evidence import Evidence
from diagmesh.packs import RulePack
from diagmesh.pages import page_of
from diagmesh.settings import RuleSettings

__all__ = ["answered", "judged", "refused"]


def answered(answer: Answer, at: str = "orders/i1") -> Reply:
    """The reply in which that instance gave this answer."""
    service, _, instance = at.partition("/")
    raw = msgspec.Raw(encode(answer))
    kind = kind_of_type(type(answer))
    return Reply(v=WIRE_VERSION, service=service, instance=instance, kind=kind, status=Status.ANSWERED, answer=raw)


def refused(answer: type[Answer], why: str = "cannot look now", at: str = "orders/i1") -> Reply:
    """The reply in which that instance could not give an answer of this type."""
    service, _, instance = at.partition("/")
    problem = Problem(code=503, error=why)
    return Reply(
        v=WIRE_VERSION,
        service=service,
        instance=instance,
        kind=kind_of_type(answer),
        status=Status.UNAVAILABLE,
        problem=problem,
    )


def judged(
    rule: RuleSpec,
    *replies: Reply,
    settings: Iterable[RuleSettings] = (),
    silent: Iterable[Silent] = (),
    directory: Services | None = None,
) -> Diagnosis:
    """What one rule says, by the engine that a mesh has; its page must lie beside it, as in a mesh.

    Args:
        rule: the rule.
        replies: what was gathered; see `answered` and `refused`.
        settings: thresholds and suppressions.
        silent: who was expected and not heard.
        directory: who is there, for the rules that ask.

    Raises:
        DiagmeshError: the page is missing or has not the form of a page.
        SettingsError: a setting is wrong.
    """
    pack = RulePack({rule.code: rule}, {rule.code: page_of(rule.module, rule.code)})
    seen = Evidence(replies, silent=silent, directory=directory)
    return Engine(pack, tuple(settings)).diagnose(seen, coordinators=seen)
