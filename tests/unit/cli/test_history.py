"""What a watch remembers: bounded lines per instance and field, gaps with their reason, unknown kinds too."""

from typing import Any

import msgspec
import pytest

from diagmesh.contract.mesh import Silent
from diagmesh.contract.wire import Status
from diagmesh_cli.history import KEPT, History, Look
from support.replies import DOWN, PROBLEM, UP, USED, heard

I2 = Silent(service="orders", instance="i2", reason="not connected")


def line(history: History, where: str, path: str) -> list[Any]:
    return list(history.series[where].values[path])


def test_the_fields_are_those_that_the_view_names() -> None:
    watched = History("resources").fields
    assert [one.path for one in watched] == ["cpu.cores_used", "memory.rss_bytes", "descriptors.held", "threads.count"]
    assert [one.unit for one in watched] == ["cores", "bytes", "count", "count"]
    assert History("health").fields[0].verdicts == ("up", "degraded", "unknown", "down")


def test_values_come_one_after_the_other_and_limits_with_them() -> None:
    history = History("resources")
    more = msgspec.structs.replace(USED, threads=msgspec.structs.replace(USED.threads, count=99))
    for answer in (USED, more):
        history.add(Look(each=(heard(answer, kind="resources"),)))
    assert line(history, "orders/i1", "threads.count") == [USED.threads.count, 99]
    assert history.series["orders/i1"].limits["descriptors.held"] == USED.descriptors.soft_limit


def test_who_is_silent_leaves_a_gap_and_says_why() -> None:
    history = History("health")
    history.add(Look(each=(heard(UP), heard(UP, instance="i2"))))
    history.add(Look(each=(heard(DOWN),), silent=(I2,)))
    assert line(history, "orders/i1", "state") == ["up", "down"]
    assert line(history, "orders/i2", "state") == ["up", None]
    assert history.series["orders/i2"].trouble == "silent: not connected"
    history.add(Look(each=(heard(UP), heard(UP, instance="i2"))))
    assert line(history, "orders/i2", "state") == ["up", None, "up"]
    assert history.series["orders/i2"].trouble == ""


def test_who_comes_late_has_a_gap_before_and_who_is_gone_is_forgotten_at_last() -> None:
    history = History("health")
    history.add(Look(each=(heard(UP),)))
    history.add(Look(each=(heard(UP), heard(UP, instance="i2"))))
    assert line(history, "orders/i2", "state") == [None, "up"]
    history.add(Look(each=(heard(UP),)))
    assert history.series["orders/i2"].trouble.startswith("gone")
    for _ in range(KEPT):
        history.add(Look(each=(heard(UP),)))
    assert list(history.series) == ["orders/i1"]
    assert len(line(history, "orders/i1", "state")) == KEPT


def test_when_nobody_could_be_asked_nobody_is_gone() -> None:
    history = History("health")
    history.add(Look(each=(heard(UP),)))
    for _ in range(KEPT + 1):
        history.add(Look(trouble="cannot look: no connection"))
    assert line(history, "orders/i1", "state") == [None] * KEPT
    assert history.series["orders/i1"].trouble == history.trouble == "cannot look: no connection"


@pytest.mark.parametrize(
    ("one", "says"),
    [
        (heard(None, status=Status.DECLINED, problem=PROBLEM), PROBLEM.detail),
        (heard({"state": 7, "restarts_seen": "many"}), "cannot be read"),
    ],
)
def test_a_refusal_and_an_unreadable_answer_are_gaps_with_a_reason(one: Any, says: str) -> None:
    history = History("health")
    history.add(Look(each=(one,)))
    assert line(history, "orders/i1", "state") == [None]
    assert says in history.series["orders/i1"].trouble


def test_of_a_kind_that_nobody_knows_the_first_numbers_are_watched() -> None:
    history = History("spool")
    tree = {"name": "x", "waiting": 3, "open": True, "inner": {"age_s": 1.5}, "list": [1, 2]}
    history.add(Look(each=(heard(tree, kind="spool"),)))
    history.add(Look(each=(heard({**tree, "waiting": 4}, kind="spool"),)))
    assert [one.path for one in history.fields] == ["waiting", "inner.age_s"]
    assert line(history, "orders/i1", "waiting") == [3.0, 4.0]
