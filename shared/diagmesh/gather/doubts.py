"""Replies that cannot be believed or counted, with the reason; and who lives under one name with somebody else."""

from typing import Final

from diagmesh.contract.directory import Rival
from diagmesh.contract.mesh import Unexpected
from diagmesh.contract.names import shown
from diagmesh.contract.wire import Reply
from diagmesh.expected import Key
from diagmesh.gather.plan import Ask

__all__ = ["REASON_CHARACTERS", "Doubts", "mismatch"]

_MOST_UNEXPECTED: Final = 100
REASON_CHARACTERS: Final = 300
_NAME_CHARACTERS: Final = 63
_MOST_RIVALS: Final = 4


class Doubts:
    """What was not counted in one gather, in words that may be shown; so many, the rest is only a number."""

    def __init__(self) -> None:
        self.unexpected: list[Unexpected] = []
        self.rivals: dict[Key, tuple[Rival, ...]] = {}
        self.uncounted = 0

    def add(self, key: Key, reason: str) -> None:
        """A reply of this one is not counted."""
        if len(self.unexpected) < _MOST_UNEXPECTED:
            service, instance = shown(key[0], _NAME_CHARACTERS), shown(key[1], _NAME_CHARACTERS)
            said = shown(reason, REASON_CHARACTERS)
            self.unexpected.append(Unexpected(service=service, instance=instance, reason=said))
        else:
            self.uncounted += 1

    def twice(self, key: Key, reply: Reply, first: Reply, *, repeated: bool) -> None:
        """A second reply to one question: of the same start it is a repetition, of another there are two of them.

        Args:
            key: whose.
            reply: what came second.
            first: what came first.
            repeated: whether it was asked once more; then a second reply of the same start was to be expected.
        """
        second, before = _rival(reply), _rival(first)
        if repeated and second.boot == before.boot:
            return  # it had heard the first question after all
        self.add(key, _twice(reply, first))
        rivals = self.rivals.get(key) or (before,)
        if len(rivals) < _MOST_RIVALS and second.boot not in [one.boot for one in rivals]:
            self.rivals[key] = (*rivals, second)


def mismatch(ask: Ask, kind: str, reply: Reply) -> str:
    """Why a reply is none to this question of this kind; empty when it is."""
    if reply.service != ask.service:
        return f"arrived where only {ask.service} can answer, but names itself otherwise"
    if reply.kind != kind:
        return f"answers the kind {shown(reply.kind, _NAME_CHARACTERS)!r}, not {kind!r}"
    if ask.instance and reply.instance != ask.instance:
        return f"arrived where only {ask.service}/{ask.instance} was asked"
    return ""


def _twice(reply: Reply, first: Reply) -> str:
    if reply.boot != first.boot:
        boots = f"{shown(first.boot, _NAME_CHARACTERS)} and {shown(reply.boot, _NAME_CHARACTERS)}"
        return f"two sidecars answer under this name (boots {boots}); the first is counted"
    return "answered more than once; counted once"


def _rival(reply: Reply) -> Rival:
    return Rival(boot=shown(reply.boot, _NAME_CHARACTERS), host=shown(reply.host, _NAME_CHARACTERS))
