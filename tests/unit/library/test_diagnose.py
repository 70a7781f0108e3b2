"""The engine: found, clear, blind and broken are told apart; thresholds and suppressions are particular."""

from collections.abc import Iterator
from typing import Any, ClassVar

import msgspec
import pytest

from diagmesh.contract.codec import encode
from diagmesh.contract.findings import Advice, Fact, FindingClass, Severity
from diagmesh.contract.mesh import Silent
from diagmesh.contract.verdicts import Verdict
from diagmesh.contract.wire import Answer, Problem, Reply, Status
from diagmesh.declare import Hit, Limits, RuleSpec, Unjudged, rule
from diagmesh.diagnose import Diagnosis, Engine
from diagmesh.errors import DiagmeshError, SettingsError
from diagmesh.evidence import Evidence
from diagmesh.expected import Key
from diagmesh.packs import RulePack
from diagmesh.pages import SECTIONS, advice_for, parse_page, unsaid
from diagmesh.settings import RuleSettings


class Depth(Answer, frozen=True, kw_only=True, gc=False):
    """How deep."""

    metres: float | None = None


class Pulse(Answer, frozen=True, kw_only=True, gc=False):
    """How fast."""

    beats: int = 60


class Fish(Answer, frozen=True, kw_only=True, gc=False):
    """How many; not every pond has any."""

    may_lack: ClassVar[bool] = True
    count: int = 0


class DepthLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When it is too deep."""

    most_m: float = 10.0
    full_share: float = 0.9


@rule(
    "RES-901", "Too deep", severity=Severity.WARNING, issue=FindingClass.RESOURCE_EXHAUSTION, reads=(Depth,),
    limits=DepthLimits(),
)  # fmt: skip
def too_deep(seen: Evidence, limits: DepthLimits) -> Iterator[Hit | Unjudged]:
    """Nobody is deeper than the limit."""
    for where, depth in seen.each(Depth):
        if depth.metres is None:
            yield Unjudged(where=where, why="the depth is blind")
        elif depth.metres > limits.most_m:
            fact = Fact(what="depth", value=depth.metres, unit="m", limit=limits.most_m)
            severity = Severity.CRITICAL if depth.metres > 10 * limits.most_m else None
            title = f"{depth.metres:g} m deep"
            yield Hit(where=where, title=title, evidence=(fact,), severity=severity, now=("swim up",))


@rule("RES-903", "Drowned", severity=Severity.ERROR, issue=FindingClass.RESOURCE_EXHAUSTION, reads=(Depth,))
def drowned(seen: Evidence, limits: Limits) -> Iterator[Hit | Unjudged]:
    """Nobody is so deep that there is no way back."""
    for where, depth in seen.each(Depth):
        if (depth.metres or 0.0) > 1000.0:
            yield Hit(where=where, title="no way back", instead_of=("RES-901",))


@rule("PROC-902", "Breaks", severity=Severity.ERROR, issue=FindingClass.CRASH, reads=(Pulse,))
def breaks(seen: Evidence, limits: Limits) -> Iterator[Hit | Unjudged]:
    """Never found: it raises."""
    raise RuntimeError("on purpose")
    yield  # a generator


@rule("PROC-903", "Two kinds", severity=Severity.ERROR, issue=FindingClass.CRASH, reads=(Depth, Pulse))
def two_kinds(seen: Evidence, limits: Limits) -> Iterator[Hit | Unjudged]:
    """Whoever is deep has a pulse."""
    for where, depth in seen.each(Depth):
        pulse = seen.of(where, Pulse)
        if depth.metres and pulse is not None and pulse.beats == 0:
            yield Hit(where=where, title="deep and no pulse")


def page(code: str) -> str:
    return f"# {code} T\n\n" + "\n\n".join(f"## {name}\n\n- do {name.lower()}\n  at last" for name in SECTIONS)


def engine(*rules: RuleSpec, settings: tuple[RuleSettings, ...] = (), codes: tuple[str, ...] = ()) -> Engine:
    pack = RulePack({one.code: one for one in rules}, {one.code: parse_page(page(one.code), one.code) for one in rules})
    return Engine(pack, settings, codes)


def reply(name: str, answer: Answer | None = None, kind: str = "depth", problem: Problem | None = None) -> Reply:
    service, _, instance = name.partition("/")
    status = Status.ANSWERED if answer is not None else Status.UNAVAILABLE
    raw: Any = msgspec.Raw(encode(answer)) if answer is not None else msgspec.UNSET
    return Reply(v=1, service=service, instance=instance, kind=kind, status=status, answer=raw, problem=problem)


def verdict_of(diagnosis: Diagnosis, code: str) -> tuple[Verdict, tuple[str, ...], dict[str, str]]:
    (one,) = [verdict for verdict in diagnosis.verdicts if verdict.code == code]
    return one.verdict, one.judged, {missing.instance: missing.why for missing in one.not_judged}


def test_found_names_where_and_what() -> None:
    seen = Evidence([reply("a/1", Depth(metres=12)), reply("a/2", Depth(metres=3))])
    diagnosis = engine(too_deep).diagnose(seen)
    (finding,) = diagnosis.findings
    assert (finding.code, finding.severity, finding.instances) == ("RES-901", Severity.WARNING, ("a/1",))
    assert finding.title == "12 m deep"
    assert finding.evidence == (Fact(what="depth", value=12.0, unit="m", limit=10.0),)
    assert finding.advice.now == ("swim up", "do now at last")
    assert finding.advice.later == ("do later at last",)
    assert verdict_of(diagnosis, "RES-901") == (Verdict.FOUND, ("a/1", "a/2"), {})


def test_one_finding_a_severity_worst_first() -> None:
    seen = Evidence([reply("a/1", Depth(metres=12)), reply("a/2", Depth(metres=13)), reply("a/3", Depth(metres=500))])
    worst, mild = engine(too_deep).diagnose(seen).findings
    assert (worst.severity, worst.instances) == (Severity.CRITICAL, ("a/3",))
    assert (mild.instances, mild.title) == (("a/1", "a/2"), "Too deep: 2 instances")
    assert [fact.at for fact in mild.evidence] == ["a/1", "a/2"]


def test_clear_needs_everybody_judged() -> None:
    seen = Evidence([reply("a/1", Depth(metres=1))])
    assert verdict_of(engine(too_deep).diagnose(seen), "RES-901") == (Verdict.CLEAR, ("a/1",), {})


@pytest.mark.parametrize(
    ("replies", "silent", "why"),
    [
        ([reply("a/2", Depth())], (), "the depth is blind"),
        ([reply("a/2", problem=Problem(code=501, error="not here", detail="no"))], (), "unavailable: 501 not here: no"),
        ([], (Silent(service="a", instance="2", reason="not connected: gone"),), "not connected: gone"),
        ([reply("a/2", Pulse(), "pulse")], (), "no reply"),
        ([msgspec.structs.replace(reply("a/2"), answer=msgspec.Raw(b'{"metres":"x"}'))], (), "cannot be read"),
    ],
)
def test_blind_is_never_clear(replies: list[Reply], silent: tuple[Silent, ...], why: str) -> None:
    diagnosis = engine(too_deep).diagnose(Evidence([reply("a/1", Depth(metres=1)), *replies], silent=silent))
    verdict, judged, missing = verdict_of(diagnosis, "RES-901")
    assert (verdict, judged) == (Verdict.BLIND, ("a/1",))
    assert why in missing["a/2"]
    assert not diagnosis.findings


@rule("RES-904", "Sinks", severity=Severity.WARNING, issue=FindingClass.CRASH, reads=(Depth,))
def sinks(seen: Evidence, limits: Limits) -> Iterator[Hit | Unjudged]:
    """Nobody sinks; one in shallow water was watched for too short a time."""
    for where, depth in seen.each(Depth):
        if depth.metres is None:
            yield Unjudged(where=where, why="the depth is blind")
        elif depth.metres < 5:
            yield Unjudged(where=where, why="too young", again_in_s=10 * depth.metres)


def test_who_is_only_too_young_is_blind_and_marked_with_the_longest_wait() -> None:
    young = [reply("a/1", Depth(metres=1)), reply("a/2", Depth(metres=3)), reply("a/3", Depth(metres=9))]
    (one,) = engine(sinks).diagnose(Evidence(young)).verdicts
    assert (one.verdict, one.judged, one.again_in_s) == (Verdict.BLIND, ("a/3",), 30.0)
    assert [missing.again_in_s for missing in one.not_judged] == [10.0, 30.0]


@pytest.mark.parametrize("more", [reply("a/9", Depth()), reply("a/9", Pulse(), "pulse")])
def test_one_that_time_does_not_help_takes_the_mark_away_and_comes_first(more: Reply) -> None:
    (one,) = engine(sinks).diagnose(Evidence([reply("a/1", Depth(metres=1)), more])).verdicts
    assert (one.verdict, one.again_in_s) == (Verdict.BLIND, None)
    assert [(missing.instance, missing.again_in_s) for missing in one.not_judged] == [("a/9", None), ("a/1", 10.0)]


@rule("RES-905", "Dead fish", severity=Severity.WARNING, issue=FindingClass.CRASH, reads=(Fish,))
def dead_fish(seen: Evidence, limits: Limits) -> Iterator[Hit | Unjudged]:
    """All of them live."""
    for where, fish in seen.each(Fish):
        if not fish.count:
            yield Hit(where=where, title="all dead")


NO_FISH = Problem(code=501, error="not on this instance", detail="no fish", hint="buy some")


def test_one_who_need_not_have_it_is_told_and_leaves_the_others_clear() -> None:
    has, lacks = reply("a/2", Fish(count=3), "fish"), reply("a/1", problem=NO_FISH, kind="fish")
    (one,) = engine(dead_fish).diagnose(Evidence([has, lacks])).verdicts
    assert (one.verdict, one.judged) == (Verdict.CLEAR, ("a/2",))
    assert [(missing.instance, missing.not_here) for missing in one.not_judged] == [("a/1", True)]
    assert one.not_judged[0].why == "no fish"
    (one,) = engine(dead_fish).diagnose(Evidence([lacks, reply("a/2", Fish(), "fish")])).verdicts
    assert one.verdict is Verdict.FOUND


def test_where_nobody_has_it_nothing_is_clear() -> None:
    (one,) = engine(dead_fish).diagnose(Evidence([reply("a/1", problem=NO_FISH, kind="fish")])).verdicts
    assert (one.verdict, one.judged) == (Verdict.BLIND, ())
    assert all(missing.not_here for missing in one.not_judged)


def test_one_who_has_it_and_cannot_tell_now_is_blind_all_the_same() -> None:
    busy = Problem(code=503, error="unavailable", detail="later")
    replies = [reply("a/1", problem=NO_FISH, kind="fish"), reply("a/2", problem=busy, kind="fish")]
    (one,) = engine(dead_fish).diagnose(Evidence([*replies, reply("a/3", Fish(count=3), "fish")])).verdicts
    assert one.verdict is Verdict.BLIND
    assert [(missing.instance, missing.not_here) for missing in one.not_judged] == [("a/2", False), ("a/1", True)]


def test_nothing_seen_is_blind() -> None:
    verdict, judged, _ = verdict_of(engine(too_deep).diagnose(Evidence([])), "RES-901")
    assert (verdict, judged) == (Verdict.BLIND, ())


def test_a_broken_rule_hides_nothing_of_the_rest() -> None:
    diagnosis = engine(breaks, too_deep).diagnose(Evidence([reply("a/1", Depth(metres=12))]))
    assert verdict_of(diagnosis, "PROC-902")[0] is Verdict.BROKEN
    assert [one.reason for one in diagnosis.verdicts if one.code == "PROC-902"] == ["RuntimeError: on purpose"]
    assert [finding.code for finding in diagnosis.findings] == ["RES-901"]


def test_a_rule_over_two_kinds_judges_where_both_are_there() -> None:
    seen = Evidence(
        [
            reply("a/1", Depth(metres=1)), reply("a/1", Pulse(beats=0), "pulse"),
            reply("a/2", Depth(metres=1)),
        ]
    )  # fmt: skip
    verdict, judged, missing = verdict_of(engine(two_kinds).diagnose(seen), "PROC-903")
    assert (verdict, judged, missing) == (Verdict.FOUND, ("a/1",), {"a/2": "no reply"})


def test_the_sidecar_applies_only_rules_of_exactly_this_kind() -> None:
    seen = Evidence([reply("a/1", Depth(metres=12))])
    found = engine(too_deep, two_kinds, breaks).of_answer(seen, "depth", {})
    assert [finding.code for finding in found] == ["RES-901"]


@pytest.mark.parametrize(
    ("setting", "codes"),
    [
        (RuleSettings(code="RES-901", limits={"most_m": 20}), []),
        (RuleSettings(code="RES-901", services=("b",), limits={"most_m": 20}), ["RES-901"]),
        (RuleSettings(code="RES-901", instances=("a/1",), limits={"most_m": 20}), []),
        (RuleSettings(code="RES-901", labels={"zone": "x"}, limits={"most_m": 20}), []),
        (RuleSettings(code="RES-901", labels={"zone": "y"}, limits={"most_m": 20}), ["RES-901"]),
    ],
)
def test_thresholds_for_some(setting: RuleSettings, codes: list[str]) -> None:
    key = Key("a", "1")
    seen = Evidence([reply("a/1", Depth(metres=12))])
    diagnosis = engine(too_deep, settings=(setting,)).diagnose(seen, {key: {"zone": "x"}})
    assert [finding.code for finding in diagnosis.findings] == codes


def test_suppressed_is_counted_with_its_reason() -> None:
    setting = RuleSettings(code="RES-901", instances=("1",), suppress=True, why="a diver")
    seen = Evidence([reply("a/1", Depth(metres=12)), reply("a/2", Depth(metres=12))])
    diagnosis = engine(too_deep, settings=(setting,)).diagnose(seen)
    assert [finding.instances for finding in diagnosis.findings] == [("a/2",)]
    (quiet,) = diagnosis.suppressed
    assert (quiet.code, quiet.instances, quiet.why) == ("RES-901", ("a/1",), "a diver")
    assert verdict_of(diagnosis, "RES-901")[0] is Verdict.FOUND


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        (RuleSettings(code="RES-999"), "there is no rule 'RES-999'"),
        (RuleSettings(code="RES-901", services=("a",)), "rules[0] (RES-901): it changes nothing"),
        (RuleSettings(code="RES-901", why="for no reason"), "rules[0] (RES-901): it changes nothing"),
        (RuleSettings(code="RES-901", suppress=True), "suppress needs a reason"),
        (RuleSettings(code="RES-901", suppress=True, why=" "), "suppress needs a reason"),
        (RuleSettings(code="RES-901", limits={"most": 3}), "it has: most_m, full_share"),
        (RuleSettings(code="RES-901", limits={"most_m": "deep"}), "most_m"),
        (RuleSettings(code="RES-901", limits={"most_m": -5}), "most_m = -5 is no threshold"),
        (RuleSettings(code="RES-901", limits={"most_m": float("nan")}), "most_m = nan is no threshold"),
        (RuleSettings(code="RES-901", limits={"full_share": 90}), "full_share = 90 is no share: 90 % is 0.9"),
        (
            RuleSettings(code="RES-901", services=("Orders",), suppress=True, why="x"),
            "service 'Orders' is no legal name",
        ),
        (RuleSettings(code="RES-901", instances=("orders/",), suppress=True, why="x"), "instance 'orders/'"),
    ],
)
def test_wrong_settings_are_refused_at_the_start(setting: RuleSettings, says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        engine(too_deep, settings=(setting,))
    assert says in str(caught.value)
    assert "rules[0]" in str(caught.value)


def test_codes_and_families_choose() -> None:
    assert [one.code for one in engine(too_deep, two_kinds, codes=("RES",)).rules] == ["RES-901"]
    assert [one.code for one in engine(too_deep, two_kinds, codes=("PROC-903",)).rules] == ["PROC-903"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (page("RES-902"), "must begin with '# RES-901"),
        (page("RES-901").replace("## Soon", "## Some day"), "must have the sections"),
        (page("RES-901").replace("- do now\n  at last", ""), "empty: Now"),
    ],
)
def test_a_page_is_complete_or_refused(text: str, says: str) -> None:
    with pytest.raises(DiagmeshError) as caught:
        parse_page(text, "RES-901")
    assert says in str(caught.value)


def _yields_nothing(seen: Evidence, limits: Limits) -> None:
    """No generator."""


def _no_docstring(seen: Evidence, limits: Limits) -> Iterator[Hit]:
    yield Hit(where=Key("a", "1"), title="x")


def _one_parameter(seen: Evidence) -> Iterator[Hit]:
    """Too few parameters."""
    yield Hit(where=Key("a", "1"), title="x")


@pytest.mark.parametrize(
    ("code", "function", "says"),
    [
        ("RES-1", _no_docstring, "FAMILY-NNN"),
        ("XYZ-001", _no_docstring, "FAMILY-NNN"),
        ("RES-001", _yields_nothing, "must yield"),
        ("RES-001", _no_docstring, "docstring"),
        ("RES-001", _one_parameter, r"takes \(seen, limits\)"),
    ],
)
def test_a_wrong_declaration_says_what_is_missing(code: str, function: Any, says: str) -> None:
    with pytest.raises(TypeError, match=says):
        rule(code, "T", severity=Severity.INFO, issue=FindingClass.MESH, reads=())(function)


@pytest.mark.parametrize("order", [(too_deep, drowned), (drowned, too_deep)])
def test_where_one_rule_tells_instead_of_another_that_one_is_clear_there_and_told_elsewhere(
    order: tuple[RuleSpec, ...],
) -> None:
    both = engine(*order).diagnose(Evidence([reply("a/1", Depth(metres=2000)), reply("a/2", Depth(metres=20))]))
    assert {one.code: one.instances for one in both.findings} == {"RES-903": ("a/1",), "RES-901": ("a/2",)}
    one = engine(*order).diagnose(Evidence([reply("a/1", Depth(metres=2000))]))
    assert verdict_of(one, "RES-901")[:2] == (Verdict.CLEAR, ("a/1",))


def test_advice_names_the_instance_and_not_the_example() -> None:
    lines = "ask: `diagmesh ask depth orders/i1`, `ask depth orders`,\n  `app=orders -- ./orders`, then orders\n"
    text = page("RES-901").replace("do now\n", lines)
    pack = RulePack({"RES-901": too_deep}, {"RES-901": parse_page(text, "RES-901")})
    (finding,) = Engine(pack).diagnose(Evidence([reply("pay-1/x2", Depth(metres=12))])).findings
    assert finding.advice.now[1] == (
        "ask: `diagmesh ask depth pay-1/x2`, `ask depth pay-1`, `app=pay-1 -- ./pay-1`, then orders at last"
    )


def test_advice_names_what_the_rule_says_that_the_examples_stand_for() -> None:
    names = {"ORDERS": "IN VOICES", "HOST:4222": "n1:4333", "HOST": "n1"}
    lines = ("see `nats stream info ORDERS`, `ping HOST`, `nc HOST:4222`, `MY-ORDERS` and `orders`, not ORDERS",)
    said = "see `nats stream info 'IN VOICES'`, `ping n1`, `nc n1:4333`, `MY-ORDERS` and `pay`, not ORDERS"
    assert advice_for(Advice(now=lines), "pay", "i1", names).now == (said,)


def test_a_command_is_not_advised_twice() -> None:
    lines = ("see it: `a 1`", "think", "see both: `a 1`, `b 2`")
    assert unsaid(lines, ("look at it: `a 1`",)) == ("think", "see both: `a 1`, `b 2`")


def test_the_advice_of_the_page_is_told_however_many_have_steps_of_their_own() -> None:
    @rule("RES-909", "Wet", severity=Severity.WARNING, issue=FindingClass.MESH, reads=(Depth,))
    def wet(seen: Evidence, limits: Limits) -> Iterator[Hit]:
        """Nobody is wet."""
        for where, _ in seen.each(Depth):
            yield Hit(where=where, title="wet", now=(f"dry {where.instance}",))

    everybody = [reply(f"a/{number}", Depth(metres=1)) for number in range(10, 40)]
    (finding,) = engine(wet).diagnose(Evidence(everybody)).findings
    assert finding.advice.now == (*(f"dry {number}" for number in range(10, 15)), "do now at last")


@pytest.mark.parametrize("kept", ["`my-orders`", "`orders-2/i1`", "`orders/i12`", "`orders_total`", "orders/i1"])
def test_advice_keeps_what_only_looks_like_the_example(kept: str) -> None:
    assert advice_for(Advice(now=(kept,)), "payments", "i1") == Advice(now=(kept,))
