"""`diag.mesh.check`: ask for what the rules read, all kinds at once; tell what is the matter and what was not seen."""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import msgspec

from diagmesh.bus.core import Bus
from diagmesh.checking import check_of, kinds_of, notes_of, of_coordinators, selected
from diagmesh.contract.chunks import reply_limit
from diagmesh.contract.codec import encode
from diagmesh.contract.directory import ServicesQuestion
from diagmesh.contract.mesh import MeshQuestion
from diagmesh.contract.verdicts import Check, CheckQuestion
from diagmesh.diagnose import Engine, chosen
from diagmesh.errors import Declined, MessageTooLarge, NotPermitted, Unavailable
from diagmesh.expected import Gathered
from diagmesh.gather import Choice, Gather, Plan, agent_budget_ms, choose, gathering
from diagmesh.packs import RulePack
from diagmesh.serve import Asked
from diagmesh.settings import RuleSettings
from diagmesh_coordinator.check_fitting import fitted_check
from diagmesh_coordinator.coordinator import Itself
from diagmesh_coordinator.directory import Directory
from diagmesh_coordinator.fanout import coordinators_plan
from diagmesh_coordinator.services import services

__all__ = ["KIND", "Checker"]

KIND: Final = "check"
_JUDGING_SHARE: Final = 0.2
_LONGEST_JUDGING_S: Final = 1.0
_ENVELOPE_BYTES: Final = 4096
_REST_S: Final = 0.1
_GRAIN_S: Final = 0.001
"""A share of a share is not refused for the last bit of a number."""


class Checker:
    """Judges the mesh, or a part of it.

    Args:
        bus: our connection.
        directory: who should answer.
        itself: who we are, and by which settings we judge.
        pack: the rules.
        settings: thresholds and suppressions.

    Raises:
        SettingsError: a setting names a rule or a threshold that does not exist, or has a wrong type.
    """

    def __init__(
        self, bus: Bus, directory: Directory, itself: Itself, pack: RulePack, settings: Sequence[RuleSettings]
    ) -> None:
        self._bus = bus
        self._directory = directory
        self._us = itself.us
        self._fingerprint = itself.settings
        self._pack = pack
        self._settings = tuple(settings)
        self._all = Engine(pack, self._settings)
        self._usual = Engine(pack, self._settings, costly=False)

    async def check(self, question: CheckQuestion, asked: Asked) -> Check:
        """Ask, gather, judge.

        Raises:
            Declined: a rule that does not exist, or a selection that means nobody.
            Unavailable: we may not ask.
        """
        began = time.monotonic()
        engine = self._engine(question.codes)
        budget_s = asked.budget_s - min(_LONGEST_JUDGING_S, _JUDGING_SHARE * asked.budget_s)
        kinds = kinds_of(engine.rules)
        selection = MeshQuestion(
            services=question.services,
            instances=question.instances,
            labels=question.labels,
            batch=question.batch,
            pause_ms=question.pause_ms,
        )
        hoped = await self._directory.hoped(budget_s / 2)
        choice = choose(
            self._directory.roster, selection, hoped, self._directory.now(), warming=self._directory.warming
        )
        left_s = max(0.01, budget_s - (time.monotonic() - began))
        round_s = choice.round_s(left_s, len(kinds), _LONGEST_JUDGING_S + _REST_S)
        body = encode({"timeout_ms": agent_budget_ms(choice.share_s(round_s + _GRAIN_S)), "detail": question.detail})
        peers = of_coordinators(engine.rules, selection)
        directory, gathered, coordinators = await asyncio.gather(
            services(
                self._directory,
                self._us,
                ServicesQuestion(services=question.services),
                msgspec.structs.replace(asked, budget_s=left_s),
            ),
            self._gather(choice, kinds, body, round_s),
            self._gather_coordinators(peers, body, left_s),
        )
        labels = {known.key: known.labels for known in self._directory.roster}
        notes = notes_of(gathered, directory)
        # Thousands of answers take a while, and heartbeats and other questions must not wait for them.
        check = await asyncio.to_thread(
            check_of, engine, gathered, selected(directory, selection), labels, notes, coordinators
        )
        check = msgspec.structs.replace(check, settings=self._fingerprint)
        room = reply_limit(self._bus.max_payload, chunks=question.chunks) - _ENVELOPE_BYTES
        return fitted_check(check, room, msgpack=asked.msgpack)

    async def _gather_coordinators(self, kind: str, body: bytes, timeout_s: float) -> Gathered | None:
        """How the coordinators themselves are; None when no rule wants to know."""
        if not kind:
            return None
        plan = coordinators_plan(self._directory, self._us, MeshQuestion(), kind, lambda _: body, timeout_s)
        try:
            return await Gather(self._bus, plan, self._directory.absences).run()
        except (NotPermitted, MessageTooLarge) as error:
            raise Unavailable(f"the coordinator cannot ask: {error}") from None

    @property
    def engine(self) -> Engine:
        """All rules, with the settings of this coordinator."""
        return self._all

    def _engine(self, codes: tuple[str, ...]) -> Engine:
        if not codes:
            return self._usual
        wrong = [code for code in codes if not chosen(self._pack.rules.values(), (code,))]
        if wrong:
            known = dict.fromkeys((*(code.partition("-")[0] for code in self._pack.rules), *self._pack.rules))
            raise Declined(
                f"codes: there is no rule and no family {', '.join(wrong)[:200]}",
                hint=f"codes: {', '.join(known) or 'none, no rules are installed'}",
            )
        return Engine(self._pack, self._settings, codes)

    async def _gather(self, choice: Choice, kinds: Sequence[str], body: bytes, timeout_s: float) -> list[Gathered]:
        """Each kind as if it were asked for alone, all at the same time, or carefully; whatever came is kept."""
        plans = [choice.plan(kind, body, timeout_s) for kind in kinds]
        try:
            if choice.batches:
                return await self._one_by_one(plans)
            return await asyncio.gather(*(Gather(self._bus, plan, self._directory.absences).run() for plan in plans))
        except (NotPermitted, MessageTooLarge) as error:
            raise Unavailable(f"the coordinator cannot ask: {error}") from None

    async def _one_by_one(self, plans: Sequence[Plan]) -> list[Gathered]:
        """No instance is asked two questions at once, and between two batches is always the pause."""
        gathered: list[Gathered] = []
        for plan in plans:
            if gathered:
                await asyncio.sleep(plan.pause_s)
            gathered.append(await gathering(self._bus, plan, self._directory.absences).run())
        return gathered
