"""`diag.mesh.check` on the bus in memory: what is asked, what is found, and what could not be judged."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import msgspec
import pytest

from diagmesh.bus.core import Message
from diagmesh.bus.memory import MemoryServer
from diagmesh.contract import subjects
from diagmesh.contract.codec import decode_reply, encode
from diagmesh.contract.coding import coded
from diagmesh.contract.findings import Advice, Fact, Finding, FindingClass, Severity
from diagmesh.contract.mesh import Ended, Silent
from diagmesh.contract.presence import Heartbeat
from diagmesh.contract.verdicts import Check, NotJudged, RuleVerdict, Suppressed, Verdict
from diagmesh.contract.wire import Answer, Reply
from diagmesh.declare import Hit, Limits, Unjudged, rule
from diagmesh.errors import SettingsError
from diagmesh.evidence import Evidence
from diagmesh.expected import Key
from diagmesh.packs import Broken, RulePack
from diagmesh.pages import SECTIONS, parse_page
from diagmesh.settings import CoordinatorSettings, RuleSettings
from diagmesh_coordinator.check_fitting import fitted_check
from diagmesh_coordinator.program import Running
from support.crowd import Crowd, connz_reply, reply

WARM_S = 30.0


class Depth(Answer, frozen=True, kw_only=True, gc=False):
    """How deep."""

    metres: float


class Pulse(Answer, frozen=True, kw_only=True, gc=False):
    """How fast."""

    beats: int


class DepthLimits(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When it is too deep."""

    most_m: float = 10.0


@rule("RES-901", "Too deep", severity=Severity.WARNING, issue=FindingClass.RESOURCE_EXHAUSTION, reads=(Depth,),
      limits=DepthLimits())  # fmt: skip
def too_deep(seen: Evidence, limits: DepthLimits) -> Iterator[Hit | Unjudged]:
    """Nobody is deeper than the limit."""
    for where, depth in seen.each(Depth):
        if depth.metres > limits.most_m:
            yield Hit(where=where, title=f"{depth.metres:g} m deep", evidence=(Fact(what="depth", value=depth.metres),))


@rule("PROC-901", "No pulse", severity=Severity.CRITICAL, issue=FindingClass.CRASH, reads=(Pulse,))
def no_pulse(seen: Evidence, limits: Limits) -> Iterator[Hit | Unjudged]:
    """Everybody has a pulse."""
    for where, pulse in seen.each(Pulse):
        if pulse.beats == 0:
            yield Hit(where=where, title="no pulse")


@rule("MESH-901", "Silent", severity=Severity.ERROR, issue=FindingClass.MESH, reads=())
def silent(seen: Evidence, limits: Limits) -> Iterator[Hit | Unjudged]:
    """Everybody answers and is listed."""
    listed = {(entry.service, one.instance) for entry in seen.directory.services for one in entry.instances}  # type: ignore[union-attr]
    for one in seen.silent:
        if (one.service, one.instance) in listed:
            yield Hit(where=Key(one.service, one.instance), title="silent")


@rule("PROC-902", "Breaks", severity=Severity.ERROR, issue=FindingClass.CRASH, reads=(Pulse,))
def breaks(seen: Evidence, limits: Limits) -> Iterator[Hit | Unjudged]:
    """Never found: it raises."""
    raise RuntimeError("on purpose")
    yield  # a generator


RULES = {one.code: one for one in (silent, no_pulse, breaks, too_deep)}


def pack(*codes: str) -> RulePack:
    rules = {code: RULES[code] for code in codes or ("MESH-901", "PROC-901", "RES-901")}
    text = "\n\n".join(f"## {name}\n\n- do it" for name in SECTIONS)
    return RulePack(
        rules,
        {code: parse_page(f"# {code} T\n\n{text}", code) for code in rules},
    )


def decoded(answered: Reply) -> Check:
    assert isinstance(answered.answer, msgspec.Raw), answered.problem
    return msgspec.json.decode(answered.answer, type=Check)


class Pool:
    """A coordinator with rules of ours, and divers that answer."""

    def __init__(self, known: RulePack, **settings: Any) -> None:
        self.crowd = Crowd(MemoryServer())
        self.bus = self.crowd.server.bus()
        self.connected: list[str] = []
        self.server_tells = True
        self.asked: list[str] = []
        given = CoordinatorSettings(instance="c1", heartbeat_s=0.1, deadline_s=1.0, **settings)
        self.coordinator = Running(self.crowd.server.bus(), given, "c1", known)

    async def start(self) -> "Pool":
        await self.crowd.on("$SYS.REQ.ACCOUNT.PING.CONNZ", lambda _: [connz_reply(*self.connected)] * self.server_tells)
        await self.coordinator.start()
        self.coordinator.directory._warm = True  # heard for long enough, and nobody waits for it here
        return self

    async def join(self, name: str, depth: Depth | None, pulse: Pulse | None, **labels: str) -> None:
        """A diver; None lets him say nothing to that question."""
        service, _, instance = name.partition("/")
        answers = {"depth": depth, "pulse": pulse, "health": Pulse(beats=1)}

        def say(message: Message) -> list[bytes]:
            kind = subjects.kind_of(message.subject)
            self.asked.append(kind)
            found = answers[kind]
            return [] if found is None else [encode(reply(service, instance, kind=kind, answer=found))]

        await self.crowd.on(f"diag.{service}.*.all", say)
        await self.crowd.on(f"diag.{service}.*.{instance}", say)
        self.connected.append(f"diag/{name}")
        beat = Heartbeat(v=1, boot="b1", interval_s=WARM_S, server="memory", kinds=tuple(answers), labels=labels)
        await self.bus.publish(f"diagev.hb.{service}.{instance}", encode(beat))

    async def reply(self, **body: object) -> Reply:
        data = msgspec.json.encode(body)
        return decode_reply((await self.bus.request("diag.mesh.check", data, timeout_s=5.0)).data)

    async def check(self, **body: object) -> Check:
        return decoded(await self.reply(**body))


MakePool = Callable[..., Awaitable[Pool]]


@pytest.fixture
async def make_pool() -> AsyncIterator[MakePool]:
    made: list[Pool] = []

    async def make(*codes: str, known: RulePack | None = None, **settings: Any) -> Pool:
        made.append(Pool(known or pack(*codes), **settings))
        return await made[-1].start()

    yield make
    for pool in made:
        await pool.coordinator.stop()


def verdicts(check: Check) -> dict[str, Verdict]:
    return {one.code: one.verdict for one in check.verdicts}


async def test_what_is_found_comes_worst_first_and_what_is_not_is_clear(make_pool: MakePool) -> None:
    pool = await make_pool()
    await pool.join("a/1", Depth(metres=30), Pulse(beats=0))
    await pool.join("b/1", Depth(metres=3), Pulse(beats=60))
    check = await pool.check()
    assert [(one.code, one.instances) for one in check.findings] == [("PROC-901", ("a/1",)), ("RES-901", ("a/1",))]
    assert verdicts(check) == {"MESH-901": Verdict.CLEAR, "PROC-901": Verdict.FOUND, "RES-901": Verdict.FOUND}
    assert check.verdicts[1].judged == ("a/1", "b/1")
    assert (check.expected, check.ended, check.silent) == (2, Ended.COMPLETE, ())
    assert check.notes == ()


async def test_a_module_of_rules_that_cannot_be_used_is_a_broken_verdict(make_pool: MakePool) -> None:
    known = pack("RES-901")
    pool = await make_pool(known=RulePack(known.rules, known.pages, (Broken("acme.bad", "ImportError: no acme"),)))
    await pool.join("a/1", Depth(metres=3), Pulse(beats=60))
    check = await pool.check()
    assert verdicts(check) == {"RES-901": Verdict.CLEAR, "acme.bad": Verdict.BROKEN}
    assert check.verdicts[1].reason == "ImportError: no acme"


async def test_only_the_kinds_that_the_chosen_rules_read_are_asked(make_pool: MakePool) -> None:
    pool = await make_pool()
    await pool.join("a/1", Depth(metres=30), Pulse(beats=0))
    check = await pool.check(codes=["RES"])
    assert (check.asked, pool.asked, list(verdicts(check))) == (("depth",), ["depth"], ["RES-901"])
    check = await pool.check(codes=["RES-901", "PROC-901"])
    assert check.asked == ("depth", "pulse")
    pool.asked.clear()
    check = await pool.check(codes=["MESH"])
    assert (check.asked, pool.asked) == (("health",), ["health"]), "who is silent is known when somebody was asked"


async def test_whoever_is_silent_to_one_question_is_blind_for_its_rules_only(make_pool: MakePool) -> None:
    pool = await make_pool()
    await pool.join("a/1", Depth(metres=3), None)
    await pool.join("b/1", Depth(metres=3), Pulse(beats=60))
    check = await pool.check(timeout_ms=800)
    assert verdicts(check) == {"MESH-901": Verdict.FOUND, "PROC-901": Verdict.BLIND, "RES-901": Verdict.CLEAR}
    (missing,) = check.verdicts[1].not_judged
    assert (missing.instance, missing.why.partition(":")[0]) == ("a/1", "connected but silent")
    assert check.verdicts[1].judged == ("b/1",)
    assert ([one.instance for one in check.silent], check.ended) == (["1"], Ended.TIMEOUT)


async def test_the_kinds_are_asked_at_the_same_time_within_one_deadline(make_pool: MakePool) -> None:
    pool = await make_pool()
    await pool.join("a/1", None, None)
    answered = await pool.reply(timeout_ms=600)
    assert answered.took_ms < 1500
    check = decoded(answered)
    assert verdicts(check)["RES-901"] is verdicts(check)["PROC-901"] is Verdict.BLIND
    assert len(check.silent) == 1


async def test_a_server_that_does_not_tell_its_connections_costs_a_short_check_no_answer(make_pool: MakePool) -> None:
    pool = await make_pool()
    pool.server_tells = False
    await pool.join("a/1", Depth(metres=30), None)
    check = await pool.check(timeout_ms=300)
    assert verdicts(check)["RES-901"] is Verdict.FOUND, "what came is told, whatever did not"
    assert [(one.instance, one.reason.partition(":")[0]) for one in check.silent] == [("1", "unknown")]


async def test_a_broken_rule_is_told_and_hides_nothing(make_pool: MakePool) -> None:
    pool = await make_pool("PROC-902", "RES-901")
    await pool.join("a/1", Depth(metres=30), Pulse(beats=1))
    check = await pool.check()
    assert verdicts(check) == {"PROC-902": Verdict.BROKEN, "RES-901": Verdict.FOUND}
    assert check.verdicts[0].reason == "RuntimeError: on purpose"


async def test_thresholds_and_suppressions_of_the_settings_hold_by_label(make_pool: MakePool) -> None:
    deep = RuleSettings(code="RES-901", labels={"gear": "deep"}, limits={"most_m": 100})
    quiet = RuleSettings(code="PROC-901", services=("b",), suppress=True, why="a dummy")
    pool = await make_pool(rules=(deep, quiet))
    await pool.join("a/1", Depth(metres=30), Pulse(beats=60), gear="deep")
    await pool.join("b/1", Depth(metres=30), Pulse(beats=0))
    check = await pool.check()
    assert [(one.code, one.instances) for one in check.findings] == [("RES-901", ("b/1",))]
    assert check.suppressed == (Suppressed(code="PROC-901", instances=("b/1",), why="a dummy"),)


async def test_carefully_each_kind_after_the_other(make_pool: MakePool) -> None:
    pool = await make_pool()
    for number in (1, 2, 3):
        await pool.join(f"a/{number}", Depth(metres=30), Pulse(beats=60))
    check = await pool.check(batch=1, timeout_ms=5000)
    assert pool.asked == ["depth"] * 3 + ["pulse"] * 3
    assert (check.expected, check.silent, check.not_asked, check.ended) == (3, (), (), Ended.COMPLETE)
    assert check.findings == (await pool.check()).findings
    refused = await pool.reply(batch=1, pause_ms=900, timeout_ms=5000)
    assert refused.problem is not None
    assert refused.problem.detail.startswith("batch: 6 batches with 900 ms between them")


async def test_whose_labels_cannot_be_read_is_not_judged_and_not_silent(make_pool: MakePool) -> None:
    pool = await make_pool()
    await pool.join("a/1", Depth(metres=30), Pulse(beats=60), gear="g1")
    await pool.join("a/2", Depth(metres=30), Pulse(beats=60), gear="no value")
    check = await pool.check(labels={"gear": "g1"})
    assert ([one.instance for one in check.not_asked], check.silent, check.expected) == (["2"], (), 2)
    left_out = {one.instance: one.why for verdict in check.verdicts for one in verdict.not_judged}
    assert left_out["a/2"].startswith("not asked: nobody knows whether it is meant")
    assert all(finding.instances == ("a/1",) for finding in check.findings)


async def test_a_part_of_the_mesh_by_service_instance_and_label(make_pool: MakePool) -> None:
    pool = await make_pool()
    for number in (1, 2):
        await pool.join(f"a/{number}", Depth(metres=30), Pulse(beats=60), gear=f"g{number}")
    await pool.join("b/1", Depth(metres=30), Pulse(beats=60))
    for selection, where in (
        ({"services": ["a"]}, ("a/1", "a/2")),
        ({"instances": ["b/1"]}, ("b/1",)),
        ({"labels": {"gear": "g2"}}, ("a/2",)),
    ):
        check = await pool.check(**selection)
        assert (check.findings[0].instances, check.expected) == (where, len(where))


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        ({"codes": ["RES-999"]}, 400, "RES-999"),
        ({"codes": ["XYZ"]}, 400, "XYZ"),
        ({"services": ["nobody"]}, 404, "no such service: nobody"),
        ({"instances": ["nobody"]}, 404, "no such instance"),
        ({"limit": 3}, 400, "unknown field `limit`"),
    ],
)
async def test_what_does_not_exist_is_declined(make_pool: MakePool, body: dict[str, Any], code: int, says: str) -> None:
    pool = await make_pool()
    await pool.join("a/1", Depth(metres=3), Pulse(beats=60))
    refused = await pool.reply(**body)
    assert refused.problem is not None
    assert refused.problem.code == code
    assert says in refused.problem.detail
    if "codes" in body:
        assert refused.problem.hint == "codes: MESH, PROC, RES, MESH-901, PROC-901, RES-901"


def test_wrong_settings_of_rules_end_the_start() -> None:
    for wrong in (RuleSettings(code="RES-999"), RuleSettings(code="RES-901", limits={"nonsense": 1})):
        with pytest.raises(SettingsError, match=r"rules\[0\]"):
            Pool(pack(), rules=(wrong,))


# --- into one message


def large(count: int) -> Check:
    names = tuple(f"service/instance-{number}" for number in range(count))
    fact = Fact(what="depth", value=1.0)
    finding = Finding(
        code="RES-901", severity=Severity.WARNING, class_=FindingClass.MESH, title="t", instances=names,
        evidence=(fact,) * 20, advice=Advice(now=("swim up",)),
    )  # fmt: skip
    blind = tuple(NotJudged(instance=name, why="no reply") for name in names)
    verdict = RuleVerdict(code="RES-901", title="t", verdict=Verdict.FOUND, judged=names, not_judged=blind)
    return Check(
        findings=(finding,),
        verdicts=(verdict,) * 3,
        suppressed=(Suppressed(code="RES-901", instances=names),),
        silent=tuple(Silent(service="service", instance=name, reason="r") for name in names),
    )


def test_what_fits_is_not_touched() -> None:
    check = large(3)
    assert fitted_check(check, 100_000) is check


def test_the_names_of_the_judged_are_shortened_first_and_it_is_noted() -> None:
    check = large(1000)
    cut = fitted_check(check, 180_000)
    assert len(encode(cut)) <= 180_000
    assert cut.findings == check.findings
    assert cut.silent == check.silent
    assert len(cut.verdicts) == 3
    assert len(cut.verdicts[0].judged) < 1000
    (note,) = cut.notes
    assert note.startswith("left out to fit into one message: ")
    assert "of 3000 judged of verdicts" in note


def test_in_the_worst_case_the_findings_and_verdicts_are_counted_and_it_still_fits() -> None:
    cut = fitted_check(large(5000), 6_000)
    assert len(encode(cut)) <= 6_000
    assert [one.code for one in cut.findings] == ["RES-901"]
    assert [one.verdict for one in cut.verdicts] == [Verdict.FOUND] * 3
    assert any("of 5000 silent" in note for note in cut.notes)


@pytest.mark.parametrize("msgpack", [False, True])
@pytest.mark.parametrize("limit_bytes", [6_000, 60_000, 180_000])
def test_it_fits_in_the_coding_that_is_sent(limit_bytes: int, msgpack: bool) -> None:
    check = large(1000)
    facts = tuple(Fact(what="w", value=0.5, limit=0.5) for _ in range(2000))
    found = tuple(msgspec.structs.replace(one, evidence=facts) for one in check.findings)
    cut = fitted_check(msgspec.structs.replace(check, findings=found), limit_bytes, msgpack=msgpack)
    assert len(coded(cut, msgpack=msgpack)) <= limit_bytes


def test_what_fits_as_json_only_is_cut_for_messagepack() -> None:
    fact = Fact(what="w", value=0.5, limit=0.5)
    finding = msgspec.structs.replace(large(1).findings[0], evidence=(fact,) * 2000)
    check = Check(findings=(finding,))
    limit_bytes = len(coded(check, msgpack=False))
    assert len(coded(check, msgpack=True)) > limit_bytes
    assert fitted_check(check, limit_bytes) is check
    assert len(coded(fitted_check(check, limit_bytes, msgpack=True), msgpack=True)) <= limit_bytes


def test_the_silent_and_the_not_judged_are_never_cut_to_nobody() -> None:
    check = large(5000)
    blind = tuple(NotJudged(instance=f"orders/i{number:04}", why="cannot look") for number in range(5000))
    verdicts = tuple(msgspec.structs.replace(one, not_judged=blind) for one in check.verdicts)
    cut = fitted_check(msgspec.structs.replace(check, verdicts=verdicts), 6_000)
    assert len(encode(cut)) <= 6_000
    assert [[one.instance for one in verdict.not_judged] for verdict in cut.verdicts] == [["orders/i0000"]] * 3
    assert [one.instance for one in fitted_check(check, 1).silent] == ["service/instance-0"]
    assert any("of 15000 not judged of verdicts" in note for note in cut.notes)
