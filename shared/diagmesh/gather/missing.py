"""Who is missing in a round, and why: looked up while it lasts, asked once more where that helps, told at its end."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from typing import Final

from diagmesh.bus.core import Bus, Inbox
from diagmesh.contract.directory import InstanceState
from diagmesh.errors import BusError
from diagmesh.expected import Absence, Expected, Key
from diagmesh.gather.outcome import unheard, with_unread
from diagmesh.gather.plan import Ask, Plan
from diagmesh.gather.tally import Tally

__all__ = ["LOOK_AFTER_S", "Absences", "Missing"]

_log = logging.getLogger("diagmesh.gather")

LOOK_AFTER_S: Final = 0.2
"""How long the connections are not asked for: nearly everybody answers sooner."""
_LOOK_AGAIN_S: Final = 0.25
_EARLIER_LOOK_S: Final = 2.0
"""A look this old still explains who was lost earlier."""
_LAST_LOOK_S: Final = 0.6
"""The longest that the end of a gather waits for the reason why somebody is missing."""
_COMING_S: Final = 0.5
"""So long before the question a connection may have begun whose subscriptions came too late for it."""
_CAME_BACK: Final = (
    "it could be reached again only when the question had been asked, and has not answered since; the service itself"
    " was not seen"
)

Absences = Callable[[Collection[Expected], float], Awaitable[Mapping[Key, Absence]]]
"""Why these are silent, by a look taken not before that moment (`diagmesh.membership.Membership.absences`)."""


class Missing:
    """The missing of one round.

    Args:
        bus: our connection.
        plan: what is asked whom.
        tally: what came.
        absences: how to find out why somebody is silent; None leaves it unknown.
        clock: monotonic seconds.
    """

    def __init__(
        self, bus: Bus, plan: Plan, tally: Tally, absences: Absences | None, clock: Callable[[], float]
    ) -> None:
        self.why: dict[Key, Absence] = {}
        self._bus = bus
        self._plan = plan
        self._tally = tally
        self._absences = absences
        self._clock = clock
        self._started = clock()
        self._repeated: dict[int, Key] = {}
        self._failed: list[Exception] = []

    def begin(self, now: float) -> None:
        """The first question is about to be asked."""
        self._started = now

    async def look(
        self,
        inbox: Inbox,
        done: asyncio.Event,
        waiting: Callable[[], Collection[Key]],
        gone: Callable[[Collection[Key]], None],
    ) -> None:
        """Look again and again for those who are waited for, until the round is done.

        Args:
            inbox: where the replies of those arrive who are asked once more.
            done: set when the round is over.
            waiting: who is waited for now.
            gone: hears who need not be waited for any longer.
        """
        if self._absences is None:
            return
        with self._survived():
            await self._look_for_the_lost()
        await asyncio.sleep(self._started + LOOK_AFTER_S - self._clock())
        while not done.is_set():
            with self._survived():
                missing = [self._tally.known[key] for key in waiting() if key in self._tally.known]
                why = await self._absences(missing, self._clock())
                self.why |= why
                gone({key for key, absence in why.items() if absence.state is InstanceState.NOT_CONNECTED})
                await self._repeat([key for key in why if key in waiting()], why, inbox)
            await asyncio.sleep(_LOOK_AGAIN_S)

    def notes(self) -> tuple[str, ...]:
        """That looks failed: then somebody may be silent for another reason than the one that is told."""
        if not self._failed:
            return ()
        count, last = len(self._failed), self._failed[-1]
        looks = "a look" if count == 1 else f"{count} looks"
        return (f"{looks} for why somebody is silent failed: {type(last).__name__}: {last}; see our log",)

    def nobody_heard_again(self, token: int) -> bool:
        """Whether this question was one that repeats another; then its 503 says nothing, it is asked again."""
        return self._repeated.pop(token, None) is not None

    def is_repetition(self, subject: str) -> bool:
        """Whether somebody was asked once more there."""
        kind = self._plan.kind
        return subject in {_ask_of(key).subject(kind) for key in self._repeated.values()}

    async def explain(self, waiting: Collection[Key], *, complete: bool) -> None:
        """Find the reason for everybody who is still missing.

        Args:
            waiting: who was waited for up to the end.
            complete: whether the round came to its end.
        """
        for key, reason in self._tally.unread().items():
            self.why[key] = with_unread(self.why.get(key), reason)
        open_ = [self._tally.known[key] for key in unheard(self._tally) - self.why.keys() - {*waiting}]
        if complete:
            await self._explain_the_open(open_)
        late = {key for key, absence in self.why.items() if self._came_late(absence)}
        self.why |= dict.fromkeys(late, Absence(InstanceState.UNKNOWN, _CAME_BACK))

    async def _explain_the_open(self, open_: Collection[Expected]) -> None:
        """Find the reason for those that were not waited for: lost earlier, or nobody listened."""
        left_s = min(_LAST_LOOK_S, self._started + self._plan.timeout_s - self._clock())
        if self._absences is None or not open_ or left_s <= 0:
            return
        with self._survived(), contextlib.suppress(TimeoutError):
            async with asyncio.timeout(left_s):
                self.why |= await self._absences([one for one in open_ if one.live], self._started)
                lost = [one for one in open_ if not one.live]
                self.why |= await self._absences(lost, self._started - _EARLIER_LOOK_S)

    async def _look_for_the_lost(self) -> None:
        lost = [one for one in self._tally.known.values() if not one.live]
        if lost and self._absences is not None:
            self.why |= await self._absences(lost, self._started - _EARLIER_LOOK_S)

    @contextlib.contextmanager
    def _survived(self) -> Iterator[None]:
        """Whatever goes wrong with a look costs the reasons, never the answers; it is counted, told and logged."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  see above
            self._failed.append(error)
            if len(self._failed) == 1:
                _log.error("a look for why somebody is silent failed", exc_info=error)

    async def _repeat(self, keys: Collection[Key], why: Mapping[Key, Absence], inbox: Inbox) -> None:
        """Ask those once more that connected (again) only when they had been asked: they have not heard it."""
        for key in keys:
            if not self._came_late(why[key]) or key in self._repeated.values():
                continue
            ask = _ask_of(key)
            token, subject = self._tally.repeat(ask), ask.subject(self._plan.kind)
            self._repeated[token] = key
            with contextlib.suppress(BusError):  # a connection that breaks now is told to the inbox as well
                await self._bus.publish(subject, self._plan.body, reply=inbox.reply_to(token, subject))

    def _came_late(self, absence: Absence) -> bool:
        return absence.since is not None and absence.since >= self._started - _COMING_S


def _ask_of(key: Key) -> Ask:
    return Ask(service=key.service, instance=key.instance)
