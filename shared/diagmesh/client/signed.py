"""One control request to one member, signed by an operator; the outcome is a reply, also where none came."""

import secrets
import time
from typing import NamedTuple, TypeVar

from diagmesh.bus.core import Bus
from diagmesh.client.heard import Heard, heard
from diagmesh.contract import subjects
from diagmesh.contract.codec import encode
from diagmesh.contract.control import AUTH_HEADER
from diagmesh.contract.wire import WIRE_VERSION, Answer, Problem, Question, Reply, Status
from diagmesh.control import sign
from diagmesh.errors import BusError, NotPermitted, Unreadable

__all__ = ["Member", "signed"]

A = TypeVar("A", bound=Answer)


class Member(NamedTuple):
    """Who is to act: the signature holds for this start (boot id) of it only."""

    service: str
    instance: str
    boot: str


async def signed(
    bus: Bus, to: Member, kind: str, question: Question, answer_type: type[A], *, seed: bytes, timeout_s: float
) -> Heard[A]:
    """Sign, send, wait.

    Args:
        bus: our connection; its role must be allowed to publish ``diagctl.<service>.>``.
        to: who is to act.
        kind: what is to be done.
        question: and how.
        answer_type: what comes back.
        seed: of the operator's user nkey.
        timeout_s: the longest to wait.
    """
    subject, body = subjects.control(to.service, kind, to.instance), encode(question)
    signature = sign(
        seed=seed, subject=subject, body=body, boot=to.boot, now=time.time(), nonce=secrets.token_urlsafe(18)
    )
    try:
        message = await bus.request(subject, body, timeout_s=timeout_s, headers={AUTH_HEADER: signature})
        return heard(message.data, to.service, to.instance, kind, answer_type)
    except NotPermitted as error:
        status, problem = (
            Status.DECLINED,
            Problem(code=403, error="not permitted", detail=str(error).removeprefix("not permitted: ")),
        )
    except (BusError, Unreadable) as error:
        status, problem = Status.SILENT, Problem(code=503, error="not heard", detail=str(error))
    unheard = Reply(
        v=WIRE_VERSION,
        service=to.service,
        instance=to.instance,
        boot=to.boot,
        kind=kind,
        status=status,
        problem=problem,
    )
    return Heard(unheard, answer_type)
