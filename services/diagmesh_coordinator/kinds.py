"""Which questions a coordinator answers: its own kinds, and every kind that an agent in the mesh answers."""

from collections.abc import Collection
from typing import Final

import msgspec

from diagmesh.bus.core import Bus
from diagmesh.contract.answers.coordinator import Coordinator, CoordinatorQuestion
from diagmesh.contract.codec import decode_question
from diagmesh.contract.directory import Services, ServicesQuestion
from diagmesh.contract.kinds import SUMS, summed_kind
from diagmesh.contract.mesh import MeshAnswer
from diagmesh.contract.names import check_token
from diagmesh.contract.verdicts import Check, CheckQuestion
from diagmesh.errors import BadName
from diagmesh.evidence import Evidence
from diagmesh.packs import AgentPack, RulePack
from diagmesh.serve import Asked, Endpoint, broken_endpoint
from diagmesh.settings import CoordinatorSettings
from diagmesh_coordinator import check, coordinator, services
from diagmesh_coordinator.bundles import Shelf
from diagmesh_coordinator.coordinator import Itself
from diagmesh_coordinator.directory import Directory
from diagmesh_coordinator.fanout import fan_out, fan_out_coordinators
from diagmesh_coordinator.measures import UNMEASURED, Measures
from diagmesh_coordinator.question import FanoutQuestion, decode_fanout

__all__ = ["MeshKinds"]

_LONGEST_S: Final = 60.0
_ANSWERING_S: Final = 0.25
"""What a default deadline is given on top, to add up and reply."""
_MOST_KINDS: Final = 64
_CHECKS: Final = 8
"""Checks at a time: each asks everybody several questions."""
_MOST_GUESSES: Final = 64
_OWN: Final = (check.KIND, coordinator.KIND, services.KIND)
_LOOKS: Final = 16
"""At ourselves, at a time: they are cheap, and whoever waits for another question asks for them."""
_TOKENS_OF_ANY: Final = 3
"""``diag.mesh.<kind>``: one more names a coordinator, or all of them."""


class MeshKinds:
    """Implements `diagmesh.serve.Kinds` for a coordinator.

    Args:
        bus: our connection.
        directory: who answers what.
        itself: who and how we are.
        settings: deadline and concurrency.
        pack: the agents installed here: their types tell what can be added up.
        rules: what is checked.
        measures: who counts what is gathered.
        shelf: where files go that no reply can carry; None for nowhere.

    Raises:
        SettingsError: the settings of the rules are wrong.
    """

    def __init__(  # noqa: PLR0913  all that answers are made of
        self,
        bus: Bus,
        directory: Directory,
        itself: Itself,
        settings: CoordinatorSettings,
        pack: AgentPack,
        rules: RulePack,
        measures: Measures = UNMEASURED,
        *,
        shelf: Shelf | None = None,
    ) -> None:
        self._bus = bus
        self._shelf = shelf
        self._directory = directory
        self._us = itself.us
        self._settings = settings
        self._pack = pack
        self._checker = check.Checker(bus, directory, itself, rules, settings.rules)
        self._itself = itself
        self._measures = measures
        self._guesses: set[str] = set()

    def names(self) -> Collection[str]:
        """Our own kinds, those of the agents, and what their sums are called beside; at most 64."""
        known = self._directory.roster.kinds()
        sums = {name for name, kind in SUMS.items() if kind in known}
        return [*_OWN, *sorted((known | sums) - {*_OWN})][:_MOST_KINDS]

    def find(self, kind: str) -> Endpoint | None:
        """How a kind is answered; None when nobody in the mesh answers it."""
        if kind == services.KIND:
            return self._services()
        if kind == check.KIND:
            return self._check()
        if kind == coordinator.KIND:
            return self._coordinator()
        kind = summed_kind(kind)
        known = kind in self._directory.roster.kinds()
        if not self._directory.warming and len(self._directory.roster):
            self._guesses.clear()
            return self._fanout(kind) if known else self._broken(kind)
        return self._fanout(kind) if known or self._may_exist(kind) else None

    def _broken(self, kind: str) -> Endpoint | None:
        """A kind that nobody answers because its agent cannot be loaded, here and likely there, is not unknown."""
        return next((broken_endpoint(one) for one in self._pack.broken if one.kind == kind), None)

    def _may_exist(self, kind: str) -> bool:
        """While we know nobody, we cannot say that nobody answers a kind; bounded, so that askers cannot fill us."""
        if kind in self._pack.agents:
            return True
        try:
            check_token(kind, "kind")
        except BadName:
            return False
        if len(self._guesses) < _MOST_GUESSES:
            self._guesses.add(kind)
        return kind in self._guesses

    def _services(self) -> Endpoint:
        async def look(question: ServicesQuestion, asked: Asked) -> Services:
            return await services.services(self._directory, self._us, question, asked)

        return Endpoint(
            kind=services.KIND,
            decode=lambda data: decode_question(data, ServicesQuestion),
            look=look,
            budget_s=self._settings.deadline_s,
            most_s=_LONGEST_S,
            concurrency=self._settings.concurrency,
            tells="Who is in the mesh, who should be, who is missing and why.",
        )

    def _check(self) -> Endpoint:
        async def look(question: CheckQuestion, asked: Asked) -> Check:
            check = await self._checker.check(question, asked)
            part = question.services or question.instances or question.labels or question.codes
            self._measures.checked(check, whole=not part)
            return check

        return Endpoint(
            kind=check.KIND,
            decode=lambda data: decode_question(data, CheckQuestion),
            look=look,
            budget_s=self._settings.deadline_s + _ANSWERING_S,
            most_s=_LONGEST_S,
            concurrency=_CHECKS,
            tells="What is the matter in the mesh, by all rules, and what they could not judge.",
        )

    def _coordinator(self) -> Endpoint:
        async def look(question: FanoutQuestion, asked: Asked) -> Coordinator | MeshAnswer:
            name = asked.subject.split(".")[_TOKENS_OF_ANY:]
            own = decode_question(question.body(1), CoordinatorQuestion)
            if name and not (own.sum and name == [self._us.instance]):  # of all at once each tells of itself
                return self._itself.look(own)
            each = {field: value for field, value in question.own.items() if field != "sum"}
            question = msgspec.structs.replace(question, own=each)
            return await fan_out_coordinators(self._bus, self._directory, self._us, Coordinator, question, asked)

        return Endpoint(
            kind=coordinator.KIND,
            decode=lambda data: decode_fanout(data, CoordinatorQuestion),
            look=look,
            budget_s=self._settings.deadline_s + _ANSWERING_S,
            most_s=_LONGEST_S,
            concurrency=_LOOKS,
            tells="How the coordinators themselves are: loop lag, work, process, connection.",
            judge=lambda reply: self._checker.engine.of_answer(Evidence([reply]), reply.kind, {}),
        )

    def _fanout(self, kind: str) -> Endpoint:
        spec = self._pack.agents.get(kind)

        async def look(question: FanoutQuestion, asked: Asked) -> MeshAnswer:
            answer = spec.answer if spec else None
            question = question.widened(spec.question if spec else None)
            asked = msgspec.structs.replace(asked, kind=kind)  # whatever the sum was called
            total = await fan_out(self._bus, self._directory, answer, question, asked, self._shelf)
            self._measures.gathered(total)
            return total

        return Endpoint(
            kind=kind,
            decode=lambda data: decode_fanout(data, spec.question if spec else None),
            look=look,
            budget_s=self._settings.deadline_s + _ANSWERING_S,
            most_s=_LONGEST_S,
            concurrency=self._settings.concurrency,
            tells=f"All instances: {spec.tells}" if spec else f"All instances: {kind}",
        )
