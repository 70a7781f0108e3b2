"""Rules over evidence: findings, and for each rule whom it could judge. No clock, no network."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from diagmesh.contract.findings import Finding
from diagmesh.contract.verdicts import NotJudged, RuleVerdict, Suppressed, Verdict
from diagmesh.declare import Hit, Limits, RuleSpec, Scope, Unjudged
from diagmesh.evidence import Evidence
from diagmesh.expected import Key, label
from diagmesh.finding import finding_of
from diagmesh.packs import Broken, RulePack
from diagmesh.settings import RuleSettings
from diagmesh.thresholds import check_setting, is_for

__all__ = ["Diagnosis", "Engine", "chosen"]

_MOST_HITS: Final = 10_000


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules say.

    Args:
        findings: worst first, one per code and severity, with everybody who has it.
        verdicts: one per rule, by code; then one per module that could not be used, named by it.
        suppressed: what the settings keep quiet.
    """

    findings: tuple[Finding, ...]
    verdicts: tuple[RuleVerdict, ...]
    suppressed: tuple[Suppressed, ...]


def chosen(rules: Iterable[RuleSpec], codes: Collection[str]) -> list[RuleSpec]:
    """The rules that a selection of codes or families means; all of them for an empty one."""
    return [one for one in rules if not codes or one.code in codes or one.code.partition("-")[0] in codes]


class _Outcome(NamedTuple):
    """What one rule said: what it found, whom it could not judge, and the error that broke it."""

    hits: list[Hit]
    why: Mapping[Key, Unjudged]
    broken: str = ""


class Engine:
    """Rules with the thresholds of the settings.

    Args:
        pack: the rules to apply, with their pages.
        settings: thresholds and suppressions, the more particular last.
        codes: apply only these codes or families; empty for all.
        costly: without codes, whether rules that cost the services something are among all.

    Raises:
        SettingsError: a setting names what does not exist, or has a wrong type or number.
    """

    def __init__(
        self, pack: RulePack, settings: Sequence[RuleSettings] = (), codes: Collection[str] = (), *, costly: bool = True
    ) -> None:
        meant = chosen(pack.rules.values(), codes)
        self.rules: Final = tuple(one for one in meant if costly or codes or not one.costly)
        self._broken: Final = tuple(_broken(one) for one in pack.broken)
        self._advice = {code: page.advice() for code, page in pack.pages.items()}
        self._limits: dict[str, list[RuleSettings]] = {}
        self._quiet: dict[str, list[RuleSettings]] = {}
        self._of_answers: dict[str, list[RuleSpec]] = {}
        for rule in self.rules:
            if rule.scope is Scope.ANSWER:
                self._of_answers.setdefault(rule.kinds[0], []).append(rule)
        for number, one in enumerate(settings):
            check_setting(one, f"rules[{number}]", pack.rules)
            if one.limits:
                self._limits.setdefault(one.code, []).append(one)
            if one.suppress:
                self._quiet.setdefault(one.code, []).append(one)

    def diagnose(
        self,
        seen: Evidence,
        labels: Mapping[Key, Mapping[str, str]] | None = None,
        coordinators: Evidence | None = None,
    ) -> Diagnosis:
        """Apply every rule; one that raises is *broken* and the rest goes on.

        Args:
            seen: of the instances.
            labels: of the instances, for settings that go by them.
            coordinators: what these say of themselves; None leaves out the rules that judge them: they were not meant.
        """
        findings: list[Finding] = []
        verdicts: list[RuleVerdict] = []
        suppressed: list[Suppressed] = []
        for one, verdict, hits in self._all(seen, labels or {}, coordinators):
            verdicts.append(verdict)
            told, quiet = self._split(one, hits, labels or {})
            findings += self._findings(one, told)
            suppressed += quiet
        findings.sort(key=lambda finding: (-finding.severity.rank, finding.code))
        verdicts += self._broken
        return Diagnosis(findings=tuple(findings), verdicts=tuple(verdicts), suppressed=tuple(suppressed))

    @property
    def answer_kinds(self) -> tuple[str, ...]:
        """The kinds of which one answer alone can be judged."""
        return tuple(self._of_answers)

    def of_answer(self, seen: Evidence, kind: str, labels: Mapping[Key, Mapping[str, str]]) -> tuple[Finding, ...]:
        """The findings of the rules that read exactly this kind of one answer."""
        # A sidecar does this for each answer that it gives, and nearly always nothing is found: no verdicts are made.
        outcomes = [
            (one, outcome) for one in self._of_answers.get(kind, ()) if (outcome := self._apply(one, seen, labels)).hits
        ]
        found: list[Finding] = []
        for one, hits in _told(outcomes):
            found += self._findings(one, self._split(one, hits, labels)[0])
        return tuple(sorted(found, key=lambda finding: (-finding.severity.rank, finding.code)))

    def _all(
        self, seen: Evidence, labels: Mapping[Key, Mapping[str, str]], coordinators: Evidence | None
    ) -> Iterator[tuple[RuleSpec, RuleVerdict, list[Hit]]]:
        """What each rule says of those whom it judges, in the order of the rules."""
        said = list(self._applied([one for one in self.rules if not one.of_coordinators], seen, labels))
        if coordinators is not None:
            said += self._applied([one for one in self.rules if one.of_coordinators], coordinators, labels)
        order = {one.code: position for position, one in enumerate(self.rules)}
        yield from sorted(said, key=lambda one: order[one[0].code])

    def _applied(
        self, rules: Iterable[RuleSpec], seen: Evidence, labels: Mapping[Key, Mapping[str, str]]
    ) -> Iterator[tuple[RuleSpec, RuleVerdict, list[Hit]]]:
        """What each rule says, without what another one tells in its place."""
        outcomes = [(one, _with_missing(one, seen, self._apply(one, seen, labels))) for one in rules]
        for (one, hits), (_, outcome) in zip(_told(outcomes), outcomes, strict=True):
            yield one, _verdict(one, seen, hits, outcome), hits

    # --- one rule

    def _apply(self, one: RuleSpec, seen: Evidence, labels: Mapping[Key, Mapping[str, str]]) -> _Outcome:
        """What it says of those that it sees."""
        hits: list[Hit] = []
        unjudged: dict[Key, Unjudged] = {}
        try:
            for limits, part in self._parts(one, seen, labels):
                for result in one.judge(seen, limits):
                    if part is not None and result.where not in part:
                        continue
                    if isinstance(result, Unjudged):
                        unjudged[result.where] = result
                    elif len(hits) < _MOST_HITS:
                        hits.append(result)
        except Exception as error:  # noqa: BLE001  a broken rule must not take the others with it
            return _Outcome([], {}, f"{type(error).__name__}: {error}")
        return _Outcome(hits, unjudged)

    def _parts(
        self, one: RuleSpec, seen: Evidence, labels: Mapping[Key, Mapping[str, str]]
    ) -> Iterable[tuple[Limits, Collection[Key] | None]]:
        """The instances grouped by the thresholds that hold for them; None means all of them, as is usual."""
        mine = self._limits.get(one.code)
        if mine is None:
            return [(one.limits, None)]
        groups: dict[Limits, list[Key]] = {}
        for key in seen.keys:
            limits = one.limits
            for setting in mine:
                if is_for(setting, key, labels.get(key, {})):
                    limits = msgspec.structs.replace(limits, **setting.limits)
            groups.setdefault(limits, []).append(key)
        return [(limits, frozenset(keys)) for limits, keys in groups.items()]

    def _split(
        self, one: RuleSpec, hits: list[Hit], labels: Mapping[Key, Mapping[str, str]]
    ) -> tuple[list[Hit], list[Suppressed]]:
        mine = self._quiet.get(one.code)
        if mine is None:
            return hits, []
        told: list[Hit] = []
        quiet: dict[str, list[str]] = {}
        for hit in hits:
            setting = next((one for one in mine if is_for(one, hit.where, labels.get(hit.where, {}))), None)
            if setting is None:
                told.append(hit)
            else:
                quiet.setdefault(setting.why, []).append(label(hit.where))
        return told, [Suppressed(code=one.code, instances=tuple(names), why=why) for why, names in quiet.items()]

    def _findings(self, one: RuleSpec, hits: Sequence[Hit]) -> list[Finding]:
        groups: dict[str, list[Hit]] = {}
        for hit in hits:
            groups.setdefault(hit.severity or one.severity, []).append(hit)
        return [finding_of(one, same, self._advice[one.code]) for same in groups.values()]


def _with_missing(one: RuleSpec, seen: Evidence, outcome: _Outcome) -> _Outcome:
    """Whom it could not judge because there is no answer of a type that it reads."""
    if outcome.broken:
        return outcome
    found, why = {hit.where for hit in outcome.hits}, {**outcome.why}
    for answer in one.reads:
        for key, missing in seen.missing(answer).items():
            if key not in found:
                lacks = seen.lacks(key, answer)
                why.setdefault(key, Unjudged(where=key, why=lacks or missing, not_here=bool(lacks)))
    return outcome._replace(why=why)


def _told(outcomes: Sequence[tuple[RuleSpec, _Outcome]]) -> Iterator[tuple[RuleSpec, list[Hit]]]:
    """What each rule found, without what another one tells in its place."""
    told = {(code, hit.where) for _, outcome in outcomes for hit in outcome.hits for code in hit.instead_of}
    for one, outcome in outcomes:
        yield one, [hit for hit in outcome.hits if (one.code, hit.where) not in told] if told else outcome.hits


def _verdict(one: RuleSpec, seen: Evidence, hits: Sequence[Hit], outcome: _Outcome) -> RuleVerdict:
    if outcome.broken:
        return RuleVerdict(code=one.code, title=one.title, verdict=Verdict.BROKEN, reason=outcome.broken)
    found, why = {hit.where for hit in hits}, outcome.why
    judged = tuple(label(key) for key in seen.keys if key not in why or key in found)
    blind = _not_judged([why[key] for key in sorted(why) if key not in found])
    reason = ""
    if hits:
        verdict = Verdict.FOUND
    elif any(not missing.not_here for missing in blind) or (one.reads and not judged):
        verdict = Verdict.BLIND
        reason = "" if blind else "nobody answered what it reads"
    elif one.scope is Scope.MESH and not one.reads and seen.directory is None:
        verdict, reason = Verdict.BLIND, "it needs the directory of a coordinator"
    else:
        verdict = Verdict.CLEAR
    return RuleVerdict(
        code=one.code,
        title=one.title,
        verdict=verdict,
        judged=judged,
        not_judged=blind,
        reason=reason,
        again_in_s=_again_in_s(blind),
    )


def _not_judged(missing: Sequence[Unjudged]) -> tuple[NotJudged, ...]:
    """Too young ones last, then whoever has nothing to judge: what is cut from a long list hides none that counts."""
    told = [
        NotJudged(instance=label(one.where), why=one.why, again_in_s=one.again_in_s, not_here=one.not_here)
        for one in missing
    ]
    return tuple(sorted(told, key=lambda one: (one.not_here, one.again_in_s is not None)))


def _again_in_s(missing: Sequence[NotJudged]) -> float | None:
    """When all of them can be judged, if time alone is missing."""
    counting = [one for one in missing if not one.not_here]
    waits = [one.again_in_s for one in counting if one.again_in_s is not None]
    return max(waits) if waits and len(waits) == len(counting) else None


def _broken(module: Broken) -> RuleVerdict:
    """Nobody knows which codes a module has that cannot be used, so none of them may pass for clear."""
    return RuleVerdict(code=module.module, title="module of a rule pack", verdict=Verdict.BROKEN, reason=module.reason)
