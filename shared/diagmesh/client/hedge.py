"""A question to any coordinator, so that one that is frozen, killed or not ready costs no more than `HEDGE_S`.

The question goes to whichever coordinator the server picks. While no answer has come, all are asked who works on it
(`diag.mesh.coordinator.all`, a look of a millisecond). Whoever does is waited for, so a long question is not asked
twice; if nobody does, another one that is alive is asked by name. The first real answer wins, a late one counts too,
and all of it ends within one budget. A reply that cannot be read counts against its sender only. Control requests never
come this way: they are never asked twice.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from diagmesh.bus.core import Bus, Message
from diagmesh.client.asked_once import AskedOnce, new_ask_id
from diagmesh.client.who_works import Alive, who_works
from diagmesh.contract import subjects
from diagmesh.errors import NoAnswer, NoResponders, NotPermitted

__all__ = ["HEDGE_S", "Answered", "Coordinators"]

log = logging.getLogger("diagmesh.client")

HEDGE_S: Final = 0.5
"""A coordinator that has not answered for so long, and does not say that it works on it, is not waited for alone."""
_WHO_S: Final = 0.1
"""So much of that is for the question who works on it."""
_PREFER_S: Final = 30.0
"""Whoever helped is asked first for so long: a frozen one stays in the queue group until the server finds it stale."""
_LEAST_S: Final = 0.4
"""A sum that is given less cannot say why somebody is silent; whoever helps late has it, if the timeout leaves it."""
_WAY_S: Final = 0.1
_THERE_S: Final = 30.0
"""If a coordinator answered so lately, and none is there now, they may just have been cut off by one server's end."""
_AGAIN_S: Final = 0.1
_NOBODY_ALIVE: Final = "whoever listens there is frozen, overloaded or has just ended"

Body = Callable[[float], bytes]
"""The body of a question that may take so many seconds."""


class Answered(NamedTuple):
    """The reply, and in words who did not give it; empty when the first one did."""

    message: Message
    hedged: str = ""


class Coordinators:
    """Asks coordinators over one connection; remembers for a while who helped.

    Args:
        bus: the connection.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._preferred = ""
        self._prefer_until = float("-inf")
        self._answered_at = float("-inf")
        self.on_hedge: Callable[[str], None] = log.info
        """Hears, in words, whenever another coordinator had to be asked; of questions side by side once."""

    async def ask(self, kind: str, body: Body, timeout_s: float, budget_s: float) -> Answered:
        """Ask any of them, and others where that is needed.

        Args:
            kind: the question.
            body: its body, made for the time that is left.
            timeout_s: the longest to wait for a reply.
            budget_s: the time that is given to the first who is asked; the next one has what is left of it.

        Raises:
            BusError: as `diagmesh.bus.core.Bus.request`; `NoResponders` at once when there is no coordinator; half a
                second later where one has answered lately, which may be back by then.
            Unreadable: nobody answered but one whose reply cannot be read.
        """
        began, spent_s = time.monotonic(), 0.0
        while True:
            try:
                return await self._ask(kind, body, timeout_s - spent_s, budget_s - spent_s)
            except NoResponders:
                now = time.monotonic()
                if now - self._answered_at > _THERE_S or now + _AGAIN_S - began > min(HEDGE_S, timeout_s):
                    self._answered_at = float("-inf")  # the next question need not hope again
                    raise
            await asyncio.sleep(_AGAIN_S)
            spent_s = time.monotonic() - began

    async def _ask(self, kind: str, body: Body, timeout_s: float, budget_s: float) -> Answered:
        first = self._preferred if time.monotonic() < self._prefer_until else ""
        asking = _Asking(self._bus, kind, body, timeout_s, budget_s)
        try:
            best = await asking.run(first)
        finally:
            asking.close()
        self._answered_at = time.monotonic()
        hedged = asking.words(best)
        if hedged:
            # Questions that were under way side by side met the same one; that is told once.
            news = best.to != self._preferred or time.monotonic() >= self._prefer_until
            self._preferred, self._prefer_until = best.to, time.monotonic() + _PREFER_S
            if news:
                self.on_hedge(hedged)
        assert best.message is not None  # noqa: S101  the best has an answer
        return Answered(best.message, hedged)


class _Asking:
    """One question under way, to one coordinator after the other."""

    def __init__(self, bus: Bus, kind: str, body: Body, timeout_s: float, budget_s: float) -> None:
        self._bus = bus
        self._kind = kind
        self._body = body
        self._began = time.monotonic()
        self._timeout_s = timeout_s
        self._budget_s = budget_s
        self._id = new_ask_id()
        self._news = asyncio.Event()
        self._sent: list[AskedOnce] = []
        self._works = ""

    def close(self) -> None:
        """Whatever comes now is dropped."""
        for one in self._sent:
            one.close()

    async def run(self, first: str) -> AskedOnce:
        """The one that gave the best answer; bounded by the timeout."""
        await self._send(first)
        pause_s = HEDGE_S - _WHO_S
        while True:
            await self._wait(pause_s)
            if first and self._sent[0].nobody:
                first = ""
                await self._send("")  # the one that helped before has gone
                continue
            if self._is_over():
                return self._best()
            alive = await who_works(self._bus, self._id, min(_WHO_S, self._left_s()), self._news, self._enough)
            if self._is_over():
                return self._best()
            pause_s = HEDGE_S
            self._works = next((one.instance for one in alive if one.works), "")
            if not (self._works and self._pending) and (other := self._other(alive)):
                await self._send(other)
            if not self._pending:
                return self._best()

    async def _send(self, to: str) -> None:
        left_s = self._budget_s  # the first has all of the time, to the millisecond
        if self._sent:
            spent_s = time.monotonic() - self._began
            left_s = max(_WAY_S, self._budget_s - spent_s, min(_LEAST_S, self._timeout_s - spent_s - _WAY_S))
        one = AskedOnce(self._bus, to, self._news)
        self._sent.append(one)
        await one.send(subjects.ask_mesh(self._kind, to), self._body(left_s), self._id)

    async def _wait(self, pause_s: float) -> None:
        """Until it is over, nothing is pending any more, or the pause has passed."""
        try:
            async with asyncio.timeout(max(0.0, min(pause_s, self._left_s()))):
                while self._pending and not self._is_over():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            pass

    @property
    def _pending(self) -> bool:
        return any(one.pending for one in self._sent)

    def _left_s(self) -> float:
        return self._timeout_s - (time.monotonic() - self._began)

    def _is_over(self) -> bool:
        """Whether there is a real answer, or nothing can come any more."""
        return self._left_s() <= 0 or any(one.real or _ends_all(one) for one in self._sent)

    def _enough(self, alive: Sequence[Alive]) -> bool:
        """Whether it is known what to do next: nothing, wait for who works on it, or ask the next one at once."""
        if self._is_over() or any(one.works for one in alive):
            return True
        return not self._pending and bool(self._other(alive))

    def _other(self, alive: Sequence[Alive]) -> str:
        """Somebody alive who was not asked yet; the quickest to say so is the least busy."""
        tried = {one.to for one in self._sent} | {one.instance for one in self._sent}
        return next((one.instance for one in alive if one.instance not in tried and not one.works), "")

    def _best(self) -> AskedOnce:
        """The real answer, else the least poor one.

        Raises:
            BusError: there is none.
            Unreadable: there is none, and this is why.
        """
        told = [one for one in self._sent if one.message is not None]
        if told:
            return min(told, key=lambda one: one.poverty)
        if not any(_ends_all(one) for one in self._sent):
            self._raise_broken()
        if failed := [one.error for one in self._sent if one.error is not None]:
            raise failed[0]
        subject = subjects.ask_mesh(self._kind)
        if not self._pending:
            raise NoResponders(f"nobody listens on {subject}")
        why = f"coordinator {self._works} is alive and still works on it" if self._works else _NOBODY_ALIVE
        why = next((one.missing for one in self._sent if one.missing), why)
        raise NoAnswer(f"no answer on {subject} within {self._timeout_s:g} s: {why}")

    def _raise_broken(self) -> None:
        """Say whose reply cannot be read, and what is wrong with it; one that is known by name is told first."""
        for one in sorted(self._sent, key=lambda one: not one.instance):
            if one.broken is not None:
                raise one.broken

    def words(self, best: AskedOnce) -> str:
        """Who did not answer and who did, where more than one was asked; empty else."""
        others = [one for one in self._sent if one is not best and not one.nobody and one.error is None]
        if not others:
            return ""
        within = f"within {HEDGE_S * 1000:.0f} ms"
        if best is self._sent[0]:
            return f"{best.name} did not answer {within}; {others[0].to} was asked as well, and the first one answered"
        said = next((one.fault for one in others if one.fault), "") or f"did not answer {within}"
        return f"{others[0].name} {said}; {best.instance or best.to} answered"


def _ends_all(one: AskedOnce) -> bool:
    """That nobody listens at all, or that our own connection broke, no other coordinator can mend."""
    if one.nobody:
        return not one.to
    return one.error is not None and not (one.to and isinstance(one.error, NotPermitted))
