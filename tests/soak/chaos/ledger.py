"""Who was hit when, and what may be said of him then.

An excuse is a fault that hit exactly the one named (its process, or the server that it was connected to), from the
instant of the fault until that one was *seen* to be back plus `SETTLE_S`; nothing else is one.
"""

from collections.abc import Sequence
from typing import Final

from soak.chaos.cluster import HEARTBEAT_S
from soak.chaos.records import Asked, Fault

__all__ = ["RETURN_S", "SETTLE_S", "Ledger"]

SETTLE_S: Final = 2 * HEARTBEAT_S
"""Whoever is seen to be back is trusted after two heartbeats: a fresh coordinator is warming for 1.2 of them."""
RETURN_S: Final = 3.5
"""A coordinator says for three seconds after its own connection came back that it does not know yet who is missing."""
_JUST_S: Final = 0.5
"""A request that began so shortly before somebody went, or came, may meet him in either state."""
_LOST_AFTER_S: Final = 4 * HEARTBEAT_S
"""The directory goes by heartbeats: three missed, and one more for the way."""
_DATED_S: Final = HEARTBEAT_S
"""A coordinator that was frozen tells by their count when heartbeats were sent; to a new server one more is sent."""
_SURELY_S: Final = 0.1
"""A signal takes effect a moment after it was sent."""
_LOOK_S: Final = 0.75
"""A look at the connections takes half a second where a server is silent; one that began earlier ended in time."""
_LEADERLESS_S: Final = 13.0
"""So long after the end of a server JetStream may be without a leader (measured: 4 to 13 s)."""
_AWAITS_S: Final = 30.0
"""So long a coordinator that could not read its registry at its start says that it may not know everybody."""
_UNHEARD_S: Final = 5.0
"""So long after it was reached again somebody behind a server is unknown: three seconds, and the looks until then."""
_EVER: Final = float("inf")


class Ledger:
    """Looks up faults.

    Args:
        faults: all of them.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        self._faults = faults

    def near(self, name: str, asked: Asked) -> list[Fault]:
        """The faults that hit somebody while a request was under way, or so shortly before that he need not be well."""
        return [
            fault
            for fault in self._faults
            if name in fault.hit and fault.at <= asked.until and asked.at <= fault.back.get(name, _EVER) + SETTLE_S
        ]

    def asker_hit(self, asked: Asked) -> bool:
        """Whether the server of the asker was; a command may have connected to any of them."""
        if not asked.by_command:
            return bool(self.near(asked.asker, asked))
        return any(self.near(fault.what, asked) for fault in self._faults if fault.of_server)

    def teller_hit(self, asked: Asked) -> bool:
        """Whether who made the sum was, and so cannot be blamed for what he did not hear."""
        return bool(self.near(asked.by, asked)) if asked.by else self.asker_hit(asked)

    def just_back(self, asked: Asked) -> bool:
        """Whether who made the sum came back so shortly before that it may say that it does not know yet."""
        if self.teller_hit(asked):
            return True
        return any(0 <= asked.at - fault.back.get(asked.by, _EVER) <= RETURN_S for fault in self._faults)

    def not_looked_up(self, asked: Asked) -> bool:
        """Whether a server was out when a look would have had to answer, so that nobody's connection was known."""
        return any(
            fault.of_server and fault.at <= asked.until and asked.until - _LOOK_S <= fault.back.get(fault.what, _EVER)
            for fault in self._faults
        )

    def just_reached(self, server: str, asked: Asked) -> bool:
        """Whether that server was out so shortly before that nobody behind it need have been heard since."""
        return any(
            fault.what == f"server {server}"
            and fault.at <= asked.until
            and asked.at <= fault.back.get(fault.what, _EVER) + _UNHEARD_S
            for fault in self._faults
        )

    def cut_off(self, name: str, asked: Asked) -> bool:
        """Whether he was not connected, so that his subscriptions were gone; who is frozen keeps them."""
        return any(fault.of_server or fault.act == "kill" for fault in self.near(name, asked))

    def cannot_have_answered(self, name: str, asked: Asked) -> bool:
        """Whether his process was dead or frozen from before the request until after its end."""
        return any(
            fault.what == name
            and self._sure_at(fault, asked) < asked.at
            and asked.until < (_EVER if fault.over is None else fault.over)
            for fault in self._faults
        )

    def _sure_at(self, fault: Fault, asked: Asked) -> float:
        if asked.how != "directory":
            return fault.at + _SURELY_S
        hits = [other for other in self._faults if other.back.get(asked.by, _EVER) <= asked.until]
        # What was said while it was frozen it reads up, and dates it; who starts or is cut off has heard nothing.
        backs = [hit.back[asked.by] for hit in hits if hit.act != "freeze" or hit.of_server]
        dated = _DATED_S if any(hit.back[asked.by] >= fault.at for hit in hits) else 0.0
        return max([fault.at + dated, *backs]) + _LOST_AFTER_S

    def never_met(self, name: str, asked: Asked) -> bool:
        """Whether the coordinator was killed, and he was hit before the new one could hear of him, and is not back."""
        kills = [fault for fault in self._faults if fault.what == asked.by and fault.act == "kill"]
        starts = [fault.back[asked.by] for fault in kills if asked.by in fault.back]
        met = [
            fault.at <= start + SETTLE_S for start in starts if start <= asked.until for fault in self.near(name, asked)
        ]
        return any(met)

    def registry_unread(self, asked: Asked) -> bool:
        """Whether the coordinator was started when its registry may have been without a leader: a server was hit."""
        starts = [fault.back[asked.by] for fault in self._faults if fault.act == "kill" and asked.by in fault.back]
        return any(
            start <= asked.until
            and asked.at <= start + _AWAITS_S
            and any(
                fault.of_server
                and fault.at <= asked.until
                and start - _LEADERLESS_S <= fault.back.get(fault.what, _EVER)
                for fault in self._faults
            )
            for start in starts
        )

    def states(self, name: str, asked: Asked) -> set[str]:
        """What may be said of him: the first words of a reason; empty when he was well."""
        return {state for fault in self.near(name, asked) for state in _states(fault, asked)}

    def told(self, name: str, asked: Asked) -> str:
        """The faults near him, for people."""
        return ", ".join(f"fault {fault.number} ({fault.act} {fault.what})" for fault in self.near(name, asked))


def _states(fault: Fault, asked: Asked) -> set[str]:
    if fault.of_server:
        return {"unknown", "not connected", "connected but silent"}
    if fault.act == "freeze":
        return {"connected but silent"}
    states = {"not connected"}
    if asked.at < fault.at + _JUST_S:
        states.add("connected but silent")
    if fault.over is not None and asked.until > fault.over:  # a new process is coming: connected, not yet subscribed
        states |= {"connected but silent", "unknown"}
    return states
