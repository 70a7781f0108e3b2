"""Follow a subject by a trace-only message: first the versions of the servers, then the trace, never a delivery."""

from collections.abc import Iterator, Sequence
from typing import Final

from diagmesh.adapters.natsmon import BadReply, ServerHead, plain
from diagmesh.adapters.natsmon.door import Part, is_before
from diagmesh.adapters.natstrace.events import Told, event_of
from diagmesh.adapters.natstrace.path import denied, missing_hops, path_of
from diagmesh.appnats import AppNats, AppReply
from diagmesh.contract.answers.route import LONGEST_SUBJECT, Route
from diagmesh.errors import BusError, Declined, NoAnswer, NoResponders, NotPermitted, Unavailable

__all__ = ["check_subject", "followed", "too_old"]

_VERSIONS: Final = "$SYS.REQ.ACCOUNT.PING.CONNZ"
_UNKNOWN: Final = "the versions of the servers are not known"
_OTHER_INBOX: Final = "each role has an inbox of its own: give that of this one (inbox_prefix, --inbox-prefix)"
_LEAST: Final = (2, 11)
_HEADERS: Final = {"Nats-Trace-Only": "true"}
_DEST: Final = "Nats-Trace-Dest"
_MOST_SERVERS: Final = 256
_MOST_EVENTS: Final = 64
_BRIEF_S: Final = 0.1
_QUICK_S: Final = 0.2
_PATIENT_S: Final = 1.0
_OF_SERVERS: Final = "$"
_STORES: Final = ("$KV.", "$O.", "$SRV.")


class _Head(Part, frozen=True, kw_only=True, gc=False):
    server: ServerHead = ServerHead()


async def followed(nats: AppNats, subject: str, *, timeout_s: float = 1.5) -> Route:
    """The path that a message on this subject would take now.

    Nothing is delivered: a server of 2.11 or newer tells what it would do, and sends the message on only to servers
    that say when they connect that they can do so as well. One that is older would deliver it, so all are asked first.

    Args:
        nats: a connection in the account where the subject is published.
        subject: without wildcards.
        timeout_s: for each of the two questions; either is put again where servers did not tell in time.

    Raises:
        Declined: it is no subject to follow (400), or this role may not publish there or on its own inbox (403).
        Unavailable: an older server could take part, there is no observer (501), or nobody tells (503).
    """
    check_subject(subject)
    await _check_versions(nats, timeout_s)
    told = await _traced(nats, subject, timeout_s, _QUICK_S)
    if told and missing_hops(told):
        told = await _traced(nats, subject, timeout_s, _PATIENT_S) or told
    if not told:
        hint = "ask again; if that lasts, see whether the server is overloaded"
        raise Unavailable("no server told anything of the trace", hint=hint)
    if why := denied(told):
        raise _may_not(subject, why)
    return path_of(subject, told)


def check_subject(subject: str) -> None:
    """Whether a message on this subject can be followed without harm.

    Raises:
        Declined: it is none, has wildcards, or is one of the servers' own (``$JS.API``, ``$SYS``).
    """
    if not subject or len(subject) > LONGEST_SUBJECT or "" in subject.split("."):
        raise Declined("a route is asked for one subject", hint="for example orders.new (--set subject=orders.new)")
    if not all(letter.isprintable() and not letter.isspace() for letter in subject):
        raise Declined("a subject has no blanks and no control characters")
    if any(token in ("*", ">") for token in subject.split(".")):
        raise Declined(f"{subject} stands for many subjects", hint="name one that is published on: orders.new")
    if subject.startswith(_OF_SERVERS) and not subject.startswith(_STORES):
        raise Declined(
            f"{subject} is a subject of the servers themselves, who act on what they get there",
            hint="follow subjects of the application, or those below $KV., $O. and $SRV.",
        )


def too_old(version: str) -> bool:
    """Whether a server of this version would deliver what is only to be traced; an unknown one may."""
    return is_before(version, _LEAST)


async def _check_versions(nats: AppNats, timeout_s: float) -> None:
    try:
        heads = await _told_versions(nats, timeout_s, _BRIEF_S)
        if nats.server and nats.server not in {head.name for head in heads}:
            heads += await _told_versions(nats, timeout_s, _PATIENT_S)  # the one that counts was not as quick as others
    except NotPermitted as error:
        hint = f"allow the role of this connection to publish on {_VERSIONS}"
        hint = hint if error.subject == _VERSIONS else _OTHER_INBOX
        raise Declined(f"{_UNKNOWN}: {error}", code=403, error="not allowed", hint=hint) from None
    except (NoResponders, NoAnswer) as error:
        raise Unavailable(f"{_UNKNOWN}: {error}", hint=f"they tell them on {_VERSIONS}") from None
    except BusError as error:
        raise _no_connection(error) from None
    versions = {head.name: head.ver for head in heads}
    if old := [f"{name} ({version or 'unknown'})" for name, version in sorted(versions.items()) if too_old(version)]:
        raise Unavailable(
            f"a server would deliver the message for real: {', '.join(old[:5])}; tracing needs 2.11 on all of them",
            code=501,
            error="not on this instance",
            hint="upgrade it; until then see who subscribes: diagmesh ask connection",
        )
    if not nats.server or nats.server not in versions:
        raise Unavailable(f"{nats.server or 'the server'}, which would get the message, did not tell its version")


async def _told_versions(nats: AppNats, timeout_s: float, quiet_s: float) -> list[ServerHead]:
    replies = await nats.gather(
        _VERSIONS, b'{"limit":1}', timeout_s=max(timeout_s, quiet_s), quiet_s=quiet_s, most=_MOST_SERVERS
    )
    return list(_heads(replies))


def _heads(replies: Sequence[AppReply]) -> Iterator[ServerHead]:
    for one in replies:
        try:
            yield plain(one.data, _Head).server
        except BadReply:
            yield ServerHead(name="one that is not understood")


async def _traced(nats: AppNats, subject: str, timeout_s: float, quiet_s: float) -> list[Told]:
    try:
        replies = await nats.gather(
            subject,
            timeout_s=max(timeout_s, quiet_s),
            quiet_s=quiet_s,
            most=_MOST_EVENTS,
            headers=_HEADERS,
            reply_header=_DEST,
        )
    except NotPermitted as error:
        raise (_may_not(subject, str(error)) if error.subject == subject else _no_inbox(error)) from None
    except BusError as error:
        raise _no_connection(error) from None
    told = []
    for one in replies:
        try:
            told.append(event_of(one.data))
        except BadReply:
            continue
    return told


def _may_not(subject: str, why: str) -> Declined:
    return Declined(
        f"{subject} is followed by publishing on it, which this role may not: {why}",
        code=403,
        error="not allowed",
        hint=f"allow the role of this connection to publish on {subject}; what is traced is never delivered",
    )


def _no_inbox(error: NotPermitted) -> Declined:
    prefix = error.subject.partition(".")[0]
    return Declined(
        f"traces arrive in the inbox of this role, on which it may not publish: {error}",
        code=403,
        error="not allowed",
        hint=f"allow the role of this connection to publish on {prefix}.>",
    )


def _no_connection(error: BusError) -> Unavailable:
    return Unavailable(f"the connection to the application's account: {str(error) or type(error).__name__}")
