"""Many replies added up."""

import math
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, ClassVar, Self

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from diagmesh.aggregate import add_up, measured
from diagmesh.contract.findings import Advice, Fact, Finding, FindingClass, Severity
from diagmesh.contract.measures import Measure, Ranked
from diagmesh.contract.mesh import Ended, MeshAnswer, Silent
from diagmesh.contract.wire import Answer, Problem, Reply, Status
from diagmesh.expected import Gathered
from support.crowd import reply


class State(StrEnum):
    UP = "up"
    DOWN = "down"


class Part(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    used_bytes: Annotated[int | None, Measure("bytes")] = None
    inner: "Part | None" = None
    words: str = ""


class Sick(Answer, frozen=True, kw_only=True):
    state: Annotated[State, Ranked(("up", "unknown", "degraded", "down"))]
    load: Annotated[float | None, Measure("share")] = None
    part: Part | None = None
    parts: tuple[Part, ...] = ()
    plain: int = 0


class Bare(Answer, frozen=True, kw_only=True):
    words: str = ""


def gathered(*replies: Reply, silent: tuple[Silent, ...] = (), ended: Ended = Ended.COMPLETE) -> Gathered:
    return Gathered(
        kind="sick",
        replies=list(replies),
        silent=silent,
        unexpected=(),
        expected=len(replies) + len(silent),
        newcomers=(),
        not_waited_for=0,
        ended=ended,
        took_s=0.1,
        notes=("from the gather",),
    )


def sick(number: int, state: str = "up", *, findings: tuple[Finding, ...] = (), **more: object) -> Reply:
    return reply("orders", f"i{number}", kind="sick", answer={"state": state, **more}, findings=findings)


def silent(instance: str = "gone") -> Silent:
    return Silent(service="orders", instance=instance, reason="not connected: x")


def problem(number: int, status: Status, code: int = 503) -> Reply:
    return reply("orders", f"i{number}", kind="sick", status=status, problem=Problem(code=code, error="nope"))


def finding(code: str, severity: Severity, *evidence: str, instances: tuple[str, ...] = ()) -> Finding:
    return Finding(
        code=code,
        severity=severity,
        class_=FindingClass.CRASH,
        title=f"{code} {severity}",
        instances=instances,
        evidence=tuple(Fact(what=what) for what in evidence),
    )


def test_declared_fields_are_found_by_their_names_on_the_wire() -> None:
    paths = [field.path for field in measured(Sick).fields]
    assert paths == ["state", "load", "part.usedBytes"], "lists are not added up, and a type in itself ends there"
    assert measured(Bare).fields == ()


def test_numbers_have_extremes_median_p95_and_places() -> None:
    total = add_up(gathered(*(sick(number, load=number / 100) for number in range(1, 101))), Sick)
    load = total.fields["load"]
    assert (load.n, load.unit) == (100, "share")
    assert (load.min, load.min_at, load.max, load.max_at) == (0.01, "orders/i1", 1.0, "orders/i100")
    assert (load.median, load.p95) == (0.505, 0.95)


def test_nested_fields_are_added_up() -> None:
    total = add_up(gathered(sick(1, part={"usedBytes": 7}), sick(2), sick(3, part={"inner": {"usedBytes": 9}})), Sick)
    assert total.fields["part.usedBytes"] == msgspec.structs.replace(
        total.fields["part.usedBytes"], n=1, min=7, max=7, median=7, p95=7, max_at="orders/i1"
    )


def test_verdicts_are_counted_best_first_and_the_worst_is_placed() -> None:
    total = add_up(gathered(sick(1), sick(2, "down"), sick(3, "down"), sick(4, "unknown")), Sick)
    state = total.fields["state"]
    assert list(state.counts.items()) == [("up", 1), ("unknown", 1), ("down", 2)]
    assert (state.worst, state.worst_at) == ("down", ("orders/i2", "orders/i3"))
    assert total.worst is not None
    assert (total.worst.instance, total.worst.verdict, total.worst.reason) == ("i2", "down", "state is down")


def test_when_all_are_well_nobody_is_the_worst() -> None:
    total = add_up(gathered(sick(1), sick(2)), Sick)
    assert total.worst is None
    assert (total.fields["state"].worst, total.fields["state"].worst_at) == ("up", ())


def test_a_verdict_of_a_newer_version_is_never_taken_for_health() -> None:
    total = add_up(gathered(sick(1), sick(2, "on-fire")), Sick)
    assert total.fields["state"].worst == "on-fire"
    assert total.worst is not None
    assert total.worst.instance == "i2"


def test_silence_is_counted_as_silence_and_looked_at_before_health() -> None:
    total = add_up(gathered(sick(1), silent=(silent(),)), Sick)
    assert total.by_status == {"answered": 1, "silent": 1}
    assert (total.expected, total.answered) == (2, 1)
    assert total.fields["state"].n == 1, "the silent are in no field"
    assert total.worst is not None
    assert (total.worst.status, total.worst.instance) == (Status.SILENT, "gone")


def test_seen_to_be_down_comes_before_silent_and_silent_before_degraded() -> None:
    down = add_up(gathered(sick(1, "down"), silent=(silent(),)), Sick).worst
    degraded = add_up(gathered(sick(1, "degraded"), silent=(silent(),)), Sick).worst
    assert down is not None
    assert degraded is not None
    assert (down.instance, degraded.instance) == ("i1", "gone")


def test_problems_are_statuses_not_health() -> None:
    total = add_up(gathered(sick(1), problem(2, Status.FAILED, 500), problem(3, Status.UNAVAILABLE)), Sick)
    assert total.by_status == {"answered": 1, "failed": 1, "unavailable": 1}
    assert total.answered == 3, "a problem is a reply too"
    assert total.worst is not None
    assert (total.worst.instance, total.worst.reason) == ("i2", "500 nope")
    why = Problem(code=501, error="not on this instance", detail="its program was built without -race")
    lacks = msgspec.structs.replace(problem(2, Status.UNAVAILABLE), problem=why)
    worst = add_up(gathered(lacks), Sick).worst
    assert worst is not None
    assert worst.reason == "501 not on this instance: its program was built without -race"


class Rare(Sick, frozen=True, kw_only=True):
    may_lack: ClassVar[bool] = True


def test_who_has_nothing_of_the_kind_and_need_not_is_counted_apart_and_not_looked_at() -> None:
    lacks, ill = problem(2, Status.UNAVAILABLE, 501), problem(3, Status.UNAVAILABLE, 503)
    total = add_up(gathered(sick(1), lacks), Rare)
    assert (total.answered, total.without, total.worst) == (2, 1, None)
    assert total.by_status == {"answered": 1, "unavailable": 1}
    total = add_up(gathered(sick(1), lacks, ill), Rare)
    assert (total.without, total.worst.instance if total.worst is not None else "") == (1, "i3")
    for total in (add_up(gathered(lacks), Rare), add_up(gathered(sick(1), lacks), Sick)):
        assert total.without == 0
        assert total.worst is not None


def test_an_unknown_type_is_counted_only_and_says_so() -> None:
    total = add_up(gathered(sick(1), problem(2, Status.LATE)), None)
    assert (total.fields, total.by_status) == ({}, {"answered": 1, "late": 1})
    assert any("not known here: counts only" in note for note in total.notes)


def test_an_answer_that_cannot_be_added_up_is_noted_by_name() -> None:
    total = add_up(gathered(sick(1, load=0.5), sick(2, load="much")), Sick)
    assert total.fields["load"].n == 1
    (note,) = [note for note in total.notes if "could not be added up" in note]
    assert "orders/i2" in note
    assert "$.load" in note


def test_an_odd_byte_in_one_answer_does_not_spoil_the_sum() -> None:
    odd = msgspec.structs.replace(sick(2), answer=msgspec.Raw(b'{"state":"\xff"}'))
    total = add_up(gathered(sick(1), odd), Sick)
    assert total.fields["state"].counts == {"up": 1}
    assert any("could not be added up: orders/i2" in note for note in total.notes)


def test_a_verdict_of_half_a_megabyte_is_cut_wherever_it_is_told() -> None:
    total = add_up(gathered(sick(1), sick(2, "s" * 600_000, reason="r" * 600_000)), Sick)
    assert len(msgspec.json.encode(total)) < 2000
    (worst,) = [value for value in total.fields["state"].counts if value != "up"]
    assert (len(worst), worst[:3]) == (63, "sss")
    assert total.fields["state"].worst == worst
    assert total.worst is not None
    assert (total.worst.instance, total.worst.verdict) == ("i2", worst)


def test_what_would_steer_a_terminal_is_not_told() -> None:
    wild = "\x1b[2J\u202edown"
    told = add_up(gathered(sick(1, wild, reason=wild, findings=(finding("RES-001", Severity.INFO, wild),))), Sick)
    assert told.worst is not None
    texts = (told.worst.verdict, told.worst.reason, *told.fields["state"].counts, told.findings[0].evidence[0].what)
    for text in texts:
        assert text.isprintable()
        assert "down" in text


def test_made_up_verdicts_are_counted_but_only_some_are_named() -> None:
    total = add_up(gathered(*(sick(number, f"made-up-{number}") for number in range(500)), sick(501)), Sick)
    state = total.fields["state"]
    assert state.n == sum(state.counts.values()) == 501
    assert len(state.counts) < 30
    assert state.counts["up"] == 1
    assert state.counts["(others)"] > 400


def test_the_words_of_findings_are_bounded() -> None:
    long = Finding(
        code="RES-001",
        severity=Severity.WARNING,
        class_=FindingClass.MESH,
        title="t" * 300_000,
        evidence=(Fact(what="w" * 300_000, value="v" * 300_000, unit="u" * 300_000),),
        advice=Advice(now=("n" * 300_000,) * 100, soon=("s" * 9000,), later=("l" * 9000,)),
    )
    total = add_up(gathered(sick(1, findings=(long,)), sick(2)), Sick)
    assert len(msgspec.json.encode(total)) < 10_000
    (kept,) = total.findings
    assert (kept.title[:2], kept.title[-1], kept.instances) == ("tt", "…", ("orders/i1",))
    assert total.worst is not None
    assert len(total.worst.reason) <= 300
    short = finding("RES-002", Severity.WARNING, "short")
    assert add_up(gathered(sick(1, findings=(short,))), Sick).findings[0].evidence == short.evidence


def test_findings_are_merged_by_code_worst_first_and_placed_by_origin() -> None:
    total = add_up(
        gathered(
            sick(1, findings=(finding("RES-001", Severity.WARNING, "a", instances=("payments/forged",)),)),
            sick(2, findings=(finding("RES-001", Severity.ERROR, "b"), finding("GO-001", Severity.CRITICAL, "c"))),
        ),
        Sick,
    )
    assert [(one.code, one.severity, one.instances) for one in total.findings] == [
        ("GO-001", Severity.CRITICAL, ("orders/i2",)),
        ("RES-001", Severity.ERROR, ("orders/i1", "orders/i2")),
    ]
    assert total.findings[1].title == "RES-001 error"
    assert [seen.what for seen in total.findings[1].evidence] == ["a", "b"]
    assert total.worst is not None
    assert (total.worst.instance, total.worst.severity) == ("i2", "critical")


def test_single_replies_only_when_asked_for() -> None:
    assert add_up(gathered(sick(1)), Sick).each is None
    assert [one.instance for one in add_up(gathered(sick(1)), Sick, each=True).each or ()] == ["i1"]


def test_the_silent_count_whether_named_or_not() -> None:
    came = gathered(sick(1), silent=(silent(),))
    came.unnamed, came.expected = 40, 42
    total = add_up(came, Sick)
    assert (total.expected, total.by_status) == (42, {"answered": 1, "silent": 41})


def test_a_sum_survives_the_wire() -> None:
    total = add_up(gathered(sick(1, load=0.5), silent=(silent(),)), Sick, each=True)
    again = msgspec.json.decode(msgspec.json.encode(total), type=MeshAnswer)
    assert (again.fields, again.silent, again.by_status) == (total.fields, total.silent, total.by_status)
    assert again.notes[0] == "from the gather"


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=60))
def test_p95_and_median_lie_where_they_should(loads: list[float]) -> None:
    load = add_up(gathered(*(sick(number, load=value) for number, value in enumerate(loads))), Sick).fields["load"]
    assert load.p95 is not None
    assert load.median is not None
    at_most = sum(value <= load.p95 for value in loads)
    assert at_most >= math.ceil(0.95 * len(loads))
    assert sum(value < load.p95 for value in loads) < 0.95 * len(loads)
    assert load.min is not None
    assert load.max is not None
    assert load.min <= load.median <= load.max or math.isinf(load.median)


@given(st.lists(st.sampled_from(["up", "unknown", "degraded", "down", "new"]), max_size=30), st.integers(0, 5))
def test_nothing_is_lost_in_the_counts(states: list[str], gone: int) -> None:
    total = add_up(
        gathered(
            *(sick(n, state) for n, state in enumerate(states)), silent=tuple(silent(f"g{n}") for n in range(gone))
        ),
        Sick,
    )
    assert sum(total.by_status.values()) == len(states) + gone == total.expected
    assert sum(total.fields["state"].counts.values() if states else ()) == len(states)
    assert (total.worst is None) == (gone == 0 and set(states) <= {"up"})


class Listed(Answer, frozen=True, kw_only=True):
    words: tuple[str, ...]

    @classmethod
    def as_one(cls, answers: Sequence[tuple[str, Self]]) -> Self:
        return cls(words=tuple(f"{name} {word}" for name, answer in answers for word in answer.words))


def test_a_kind_that_can_be_told_as_one_is() -> None:
    broken = reply("orders", "i3", kind="sick", answer={"words": 3})
    replies = [reply("orders", f"i{n}", kind="sick", answer={"words": [f"w{n}"]}) for n in (1, 2)]
    total = add_up(gathered(*replies, broken, problem(4, Status.UNAVAILABLE)), Listed)
    assert isinstance(total.merged, msgspec.Raw)
    assert msgspec.json.decode(total.merged) == {"words": ["orders/i1 w1", "orders/i2 w2"]}
    assert add_up(gathered(sick(1)), Sick).merged is msgspec.UNSET
