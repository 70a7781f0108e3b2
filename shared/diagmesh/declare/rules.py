"""`rule`: a pure function from evidence to hits becomes a value that the engine can apply."""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec

from diagmesh.contract.answers.coordinator import Coordinator
from diagmesh.contract.findings import Fact, FindingClass, Severity
from diagmesh.contract.kinds import kind_of_type
from diagmesh.contract.wire import Answer
from diagmesh.evidence import Evidence
from diagmesh.expected import Key

__all__ = ["Hit", "Limits", "RuleSpec", "Scope", "Unjudged", "rule"]

_CODE: Final = re.compile(r"(MESH|PROC|RES|GO|PROF|RACE|NATS|JS|SRV|LOG|REQ|DEP|CHG|CFG)-[0-9]{3}\Z")


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Thresholds of a rule, each with its unit in the name and a default; the settings may change them per target."""


_NO_LIMITS: Final = Limits()


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """The condition holds there.

    Args:
        where: at which instance.
        title: what is the matter, with the numbers.
        evidence: what was seen.
        severity: where it differs from that of the rule.
        now: what to do at once, where that depends on what was seen; before the advice of the rule.
        about: which stream, consumer or server it concerns.
        same: what tells that thing from all others, where several instances may see the same one.
        instead_of: codes of milder rules that keep quiet about this instance, so that one event has one code.
        names: what the examples in the commands of the page are here (``ORDERS``: ``INVOICES``); ``orders`` and
            ``orders/i1`` become the service and the instance by themselves.
    """

    where: Key
    title: str
    evidence: tuple[Fact, ...] = ()
    severity: Severity | None = None
    now: tuple[str, ...] = ()
    about: str = ""
    same: str = ""
    instead_of: tuple[str, ...] = ()
    names: Mapping[str, str] = {}


class Unjudged(msgspec.Struct, frozen=True, kw_only=True):
    """The rule could not judge there, although there was an answer.

    Args:
        where: at which instance.
        why: what is missing, without numbers that differ from instance to instance.
        again_in_s: when nothing but time is missing: what was begun to be watched a moment ago can be judged then.
        not_here: there is nothing of the kind at that instance, and need not be.
    """

    where: Key
    why: str
    again_in_s: float | None = None
    not_here: bool = False


class Scope(StrEnum):
    """Where a rule can run: on one answer, or only where many were gathered."""

    ANSWER = "answer"
    MESH = "mesh"


class RuleSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A declared rule.

    Args:
        code: stable code; file name and page are named for the function.
        title: the condition in a few words.
        severity: unless a hit says otherwise.
        issue: the issue class.
        reads: the answer types that it needs; instances without them are not judged.
        scope: whether one answer is enough.
        limits: the thresholds with their defaults.
        name: of the function, its file and its page.
        module: beside which its page lies.
        tells: the first line of its docstring: what should hold.
        costly: whether looking for it costs the service something; a check applies it only where it is asked for.
        judge: the function itself.
    """

    code: str
    title: str
    severity: Severity
    issue: FindingClass
    reads: tuple[type[Answer], ...]
    scope: Scope
    limits: Limits
    name: str
    module: str
    tells: str
    costly: bool = False
    judge: Callable[[Evidence, Any], Iterator[Hit | Unjudged]]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that must be asked for it."""
        return tuple(kind_of_type(one) for one in self.reads)

    @property
    def of_coordinators(self) -> bool:
        """Whether it judges the coordinators, not the instances."""
        return self.reads == (Coordinator,)


def rule(  # noqa: PLR0913  what a rule declares
    code: str,
    title: str,
    *,
    severity: Severity,
    issue: FindingClass,
    reads: tuple[type[Answer], ...],
    limits: Limits = _NO_LIMITS,
    over_many: bool = False,
    costly: bool = False,
) -> Callable[[Callable[[Evidence, Any], Iterator[Hit | Unjudged]]], RuleSpec]:
    """Declare a rule: ``def name(seen: Evidence, limits: Limits) -> Iterator[Hit | Unjudged]`` with a docstring.

    Args:
        code: family and number (``RES-004``).
        title: the condition in a few words.
        severity: unless a hit says otherwise.
        issue: the issue class.
        reads: answer types; none for a rule over the directory alone.
        limits: thresholds with defaults.
        over_many: it compares instances, judges silence or joins kinds, so one answer is not enough.
        costly: what it reads costs the service something (seconds of sampling), so that a check asks for it only where
            the code or its family is named; answers that were asked for anyway are judged by it.

    Raises:
        TypeError: the declaration is incomplete; the message says what is missing.
    """
    if not _CODE.match(code):
        raise TypeError(f"rule code {code!r}: write it as FAMILY-NNN with a family of the product's list")
    if not title:
        raise TypeError(f"rule {code} needs a title")

    def declare(judge: Callable[[Evidence, Any], Iterator[Hit | Unjudged]]) -> RuleSpec:
        name = getattr(judge, "__name__", "?")
        doc = inspect.getdoc(judge)
        if not inspect.isgeneratorfunction(judge):
            raise TypeError(f"rule {code} ({name}) must yield its hits")
        if len(inspect.signature(judge).parameters) != 2:
            raise TypeError(f"rule {code} ({name}) takes (seen, limits)")
        if not doc:
            raise TypeError(f"rule {code} ({name}) needs a docstring: its first line says what should hold")
        return RuleSpec(
            code=code,
            title=title,
            severity=severity,
            issue=issue,
            reads=reads,
            scope=Scope.MESH if over_many or len(reads) != 1 else Scope.ANSWER,
            limits=limits,
            name=name,
            module=judge.__module__,
            tells=doc.splitlines()[0],
            costly=costly,
            judge=judge,
        )

    return declare
