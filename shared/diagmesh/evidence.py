"""Evidence: the replies gathered for one question, decoded into a type only when a rule asks for it. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar

import msgspec

from diagmesh.clocks import Offset
from diagmesh.contract.directory import InstanceState, Rival, Services
from diagmesh.contract.kinds import kind_of_type
from diagmesh.contract.mesh import NotAsked, Silent
from diagmesh.contract.wire import NOT_HERE, Answer, Reply
from diagmesh.expected import Key

__all__ = ["Evidence"]

A = TypeVar("A", bound=Answer)

_decoders: Final[dict[type[Any], "msgspec.json.Decoder[Any]"]] = {}


class Evidence:
    """What was seen, by instance and kind, and who was expected.

    Args:
        replies: all of them, of all kinds; at most one per instance and kind.
        silent: who was expected and not heard, per kind or as a whole.
        not_asked: who was meant and not asked: nobody judges them, and they are not silent.
        directory: who is there and who should be; None where only single answers are judged.
        offsets: how far the clock of each instance is ahead of ours, where that was measured.
        rivals: instances for which several sidecars replied to one question.
    """

    def __init__(
        self,
        replies: Iterable[Reply],
        *,
        silent: Iterable[Silent] = (),
        not_asked: Iterable[NotAsked] = (),
        directory: Services | None = None,
        offsets: Mapping[Key, Offset] | None = None,
        rivals: Mapping[Key, tuple[Rival, ...]] | None = None,
    ) -> None:
        self._replies: dict[tuple[str, Key], Reply] = {}
        self._answers: dict[tuple[type[Any], Key], Any] = {}
        self._errors: dict[tuple[type[Any], Key], str] = {}
        self.silent: Final = tuple(silent)
        self.directory: Final = directory
        self._each: dict[type[Any], tuple[tuple[Key, Any], ...]] = {}
        self._missing: dict[type[Any], dict[Key, str]] = {}
        self._silence: dict[Key, str] = {}
        self._states: dict[Key, InstanceState] | None = None
        self.offsets: Final = offsets or {}
        self.rivals: Final = rivals or {}
        keys: dict[Key, None] = {}
        for reply in replies:
            key = Key(reply.service, reply.instance)
            self._replies[(reply.kind, key)] = reply
            keys[key] = None
        self.heard: Final = frozenset(keys)
        """Who replied at all, to whatever question, with an answer or a problem."""
        for one in self.silent:
            if one.instance:
                keys[Key(one.service, one.instance)] = None
                self._silence.setdefault(Key(one.service, one.instance), one.reason)
        for left_out in not_asked:
            keys[Key(left_out.service, left_out.instance)] = None
            self._silence.setdefault(Key(left_out.service, left_out.instance), f"not asked: {left_out.reason}")
        self.keys: Final = tuple(sorted(keys))

    def each(self, answer: type[A]) -> Iterator[tuple[Key, A]]:
        """Every instance that gave this answer, with it; read once, however many rules ask."""
        pairs = self._each.get(answer)
        if pairs is None:
            pairs = tuple((key, found) for key in self.keys if (found := self.of(key, answer)) is not None)
            self._each[answer] = pairs
        yield from pairs

    def of(self, key: Key, answer: type[A]) -> A | None:
        """The answer of one instance; None when there is none that can be read (`why_not` says why)."""
        found: A | None = self._answers.get((answer, key))
        if found is None and (answer, key) not in self._errors:
            found = self._decode(key, answer)
        return found

    def why_not(self, key: Key, answer: type[Answer]) -> str:
        """Why there is no answer of this type from that instance; empty when there is one."""
        if self.of(key, answer) is not None:
            return ""
        return self._errors.get((answer, key), "not asked")

    def lacks(self, key: Key, answer: type[Answer]) -> str:
        """Why the instance has nothing of a kind that it need not have (501), in its own words; empty when it has."""
        reply = self._replies.get((kind_of_type(answer), key)) if answer.may_lack else None
        problem = reply.problem if reply is not None else None
        if problem is None or problem.code != NOT_HERE:
            return ""
        return problem.detail or problem.error

    def missing(self, answer: type[Answer]) -> Mapping[Key, str]:
        """Every instance without an answer of this type, and why."""
        known = self._missing.get(answer)
        if known is None:
            known = {key: why for key in self.keys if (why := self.why_not(key, answer))}
            self._missing[answer] = known
        return known

    def siblings(self, answer: type[A]) -> Iterator[tuple[str, list[tuple[Key, A]]]]:
        """Per service the instances that gave this answer."""
        groups: dict[str, list[tuple[Key, A]]] = {}
        for key, found in self.each(answer):
            groups.setdefault(key.service, []).append((key, found))
        yield from groups.items()

    def reply(self, key: Key, answer: type[Answer]) -> Reply | None:
        """The envelope of that answer."""
        return self._replies.get((kind_of_type(answer), key))

    def state(self, key: Key) -> InstanceState | None:
        """Where the directory sees the sidecar of an instance; None without a directory or when it is not known."""
        if self._states is None:
            services = self.directory.services if self.directory is not None else ()
            self._states = {
                Key(service.service, one.instance): one.state for service in services for one in service.instances
            }
        return self._states.get(key)

    def _decode(self, key: Key, answer: type[A]) -> A | None:
        reply = self._replies.get((kind_of_type(answer), key))
        if reply is None:
            self._errors[(answer, key)] = self._silence.get(key, "no reply")
            return None
        if reply.problem is not None or not isinstance(reply.answer, msgspec.Raw):
            problem = reply.problem
            said = "no answer"
            if problem is not None:
                said = f"{problem.code} {problem.error}" + (f": {problem.detail}" if problem.detail else "")
            self._errors[(answer, key)] = f"{reply.status}: {said}"
            return None
        decoder = _decoders.get(answer)
        if decoder is None:
            decoder = _decoders[answer] = msgspec.json.Decoder(answer)
        try:
            found: A = decoder.decode(reply.answer)
        except (msgspec.DecodeError, RecursionError) as error:
            self._errors[(answer, key)] = f"its answer cannot be read: {error}"
            return None
        self._answers[(answer, key)] = found
        return found
