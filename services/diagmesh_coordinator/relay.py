"""What an operator had one coordinator forget, the others forget too: the signed request is handed on as it came.

It travels as the event ``diagev.ev.mesh.forget``. Whoever hears it believes the operator's signature, not the sender:
it was made for the start (boot id) of the coordinator that was asked, which is known by its heartbeats.
"""

import asyncio
import logging
import time
from collections.abc import Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec

from diagmesh.accept import FORGET
from diagmesh.bus.core import Bus, Message, Subscription
from diagmesh.contract import subjects
from diagmesh.contract.codec import decode_question, encode
from diagmesh.contract.control import AUTH_HEADER, ForgetQuestion
from diagmesh.contract.presence import Event
from diagmesh.contract.wire import WIRE_VERSION
from diagmesh.errors import BusError, Declined
from diagmesh.expected import Key
from diagmesh.serve import Asked, Identity
from diagmesh_coordinator.directory import Directory

if TYPE_CHECKING:
    from diagmesh.control import Guard

__all__ = ["Relay"]

log = logging.getLogger("diagmesh.coordinator")

_LARGEST_BYTES: Final = 4096
_AT_A_TIME: Final = 8


class _Detail(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The request as it came: its body and the header with the signature."""

    body: str
    auth: str


class _Handed(msgspec.Struct, frozen=True, kw_only=True):
    """As much of the event as is needed."""

    instance: str
    boot: str
    detail: _Detail


_handed: Final = msgspec.json.Decoder(_Handed)


class Relay:
    """Hands on what we were asked to forget, and does what others hand on.

    Args:
        bus: our connection.
        directory: ours.
        us: who we are.
        operators: whose signatures we believe; with none, nothing is handed on and nothing is done.
    """

    def __init__(self, bus: Bus, directory: Directory, us: Identity, operators: Collection[str]) -> None:
        self._bus = bus
        self._directory = directory
        self._us = us
        self._guard = _guard(operators, us.boot)
        self._subscription: Subscription | None = None
        self._doing: set[asyncio.Task[None]] = set()
        self._passed_over = 0

    async def start(self) -> None:
        """Listen, where anybody is believed at all."""
        if self._guard is not None:
            self._subscription = await self._bus.subscribe(subjects.event("mesh", FORGET), self._heard)

    async def stop(self) -> None:
        """Listen no more, and end what is being done."""
        if self._subscription is not None:
            await self._subscription.unsubscribe()
        for task in self._doing:
            task.cancel()
        if self._doing:
            await asyncio.wait(self._doing)

    async def tell(self, asked: Asked) -> None:
        """Hand on a request that was believed and done here."""
        event = Event(
            v=WIRE_VERSION,
            service=self._us.service,
            instance=self._us.instance,
            boot=self._us.boot,
            kind=FORGET,
            at=datetime.now(UTC),
            what="handed on: what an operator signed for this coordinator holds for the others too",
            detail={"body": asked.body.decode(), "auth": (asked.headers or {}).get(AUTH_HEADER, "")},
        )
        try:
            await self._bus.publish(subjects.event("mesh", FORGET), encode(event))
        except BusError as error:
            log.warning("the other coordinators could not be told what to forget: %s", error)

    def _heard(self, message: Message) -> None:
        if len(message.data) > _LARGEST_BYTES or len(self._doing) >= _AT_A_TIME:
            self._pass_over()
            return
        try:
            handed = _handed.decode(message.data)
            if handed.boot == self._us.boot:
                return
            question, by = self._believed(handed)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, Declined) as error:
            log.warning("a request to forget that was handed on is not believed: %s", error)
            return
        task = asyncio.get_running_loop().create_task(self._do(question, by, handed.instance), name="relayed forget")
        self._doing.add(task)
        task.add_done_callback(self._doing.discard)

    def _pass_over(self) -> None:
        self._passed_over += 1
        if self._passed_over & (self._passed_over - 1) == 0:  # the 1st, 2nd, 4th …: a flood must not fill the log
            log.warning(
                "passed over what was handed on to be forgotten (%d so far): larger than %d bytes, or more than %d at"
                " a time; diagmesh forget tells this coordinator itself",
                self._passed_over,
                _LARGEST_BYTES,
                _AT_A_TIME,
            )

    def _believed(self, handed: _Handed) -> tuple[ForgetQuestion, str]:
        known = self._directory.coordinators.instances("mesh")
        boots = {boot.boot for one in known if one.key == Key("mesh", handed.instance) for boot in one.boots}
        if handed.boot not in boots or self._guard is None:
            raise Declined("its sender is no coordinator that is known here")
        subject, body = subjects.control("mesh", FORGET, handed.instance), handed.detail.body.encode()
        by = self._guard.check({AUTH_HEADER: handed.detail.auth}, subject, body, time.time(), boot=handed.boot)
        return decode_question(body, ForgetQuestion), by

    async def _do(self, question: ForgetQuestion, by: str, from_whom: str) -> None:
        gone, _ = await self._directory.forget(question.service, question.instance, by)
        if gone:
            log.warning("%d forgotten, as an operator had %s do", len(gone), from_whom)


def _guard(operators: Collection[str], boot: str) -> "Guard | None":
    if not operators:
        return None
    from diagmesh.control import Guard  # noqa: PLC0415  the signing library only where keys are used

    return Guard(operators, boot)
