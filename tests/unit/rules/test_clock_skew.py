from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from diagmesh.client import Mesh
from diagmesh.clocks import Offset
from diagmesh.contract.findings import Severity
from diagmesh.contract.verdicts import Verdict as Judged
from diagmesh.contract.wire import Reply
from diagmesh.expected import Key
from diagmesh.settings import RuleSettings
from support.meshchecks import RULES, finding, until_told, verdict_of
from support.ruling import UP, codes, found, judge, reply, verdict
from support.shifted import shifted_clock
from support.smallmesh import SmallMesh

LOW = RuleSettings(code="MESH-004", limits={"most_s": 0.05})


def offsets(**told: tuple[float, float]) -> dict[Key, Offset]:
    return {Key("orders", name): Offset(*each) for name, each in told.items()}


def on(host: str, name: str) -> Reply:
    return replace(reply(UP, name=f"orders/{name}"), host=host)


@pytest.mark.parametrize(
    ("told", "title"),
    [
        ((1.1, 1.2), "its clock is 1.1 s ahead of that of whoever asked"),
        ((-400.0, -300.0), "its clock is 5 min behind that of whoever asked"),
    ],
)
def test_a_clock_that_surely_differs_is_found(told: tuple[float, float], title: str) -> None:
    diagnosis = judge([on("node-7", "i1")], offsets=offsets(i1=told))
    assert codes(diagnosis) == ["MESH-004"]
    one = found(diagnosis, "MESH-004")
    assert (one.severity, one.title, one.instances) == (Severity.WARNING, title, ("orders/i1",))
    assert {fact.what: fact.value for fact in one.evidence}["host"] == "node-7"


@pytest.mark.parametrize("told", [(-0.001, 0.002), (-1.0, 1.0), (0.9, 1.0)])
def test_what_surely_does_not_differ_is_clear(told: tuple[float, float]) -> None:
    assert verdict(judge([UP], offsets=offsets(i1=told)), "MESH-004").verdict is Judged.CLEAR


@pytest.mark.parametrize("told", [(-3.0, 0.1), (0.9, 1.1), (-9.0, 9.0)])
def test_a_slow_reply_is_blind_and_no_skew(told: tuple[float, float]) -> None:
    diagnosis = judge([UP], offsets=offsets(i1=told))
    one = verdict(diagnosis, "MESH-004")
    assert (codes(diagnosis), one.verdict) == ([], Judged.BLIND)
    assert "too slow on its way to tell its clock" in one.not_judged[0].why


def test_what_nobody_measured_is_blind() -> None:
    assert "is not known" in verdict(judge([UP]), "MESH-004").not_judged[0].why


def test_the_limit_is_that_of_the_settings() -> None:
    assert codes(judge([UP], LOW, offsets=offsets(i1=(0.06, 0.07)))) == ["MESH-004"]


@pytest.mark.parametrize(
    ("second", "host", "ours"),
    [((2.5, 2.6), "b", True), ((2.5, 2.6), "a", False), ((0.0, 0.1), "b", False), ((-2.6, -2.5), "b", False)],
    ids=["alike", "one host", "one is right", "to both sides"],
)
def test_where_all_hosts_differ_alike_the_askers_own_clock_is_suspected(
    second: tuple[float, float], host: str, ours: bool
) -> None:
    diagnosis = judge([on("a", "i1"), on(host, "i2")], offsets=offsets(i1=(2.0, 2.1), i2=second))
    assert ("look at the clock of whoever asked first" in found(diagnosis, "MESH-004").advice.now[0]) is ours


@pytest.mark.parametrize("shift_s", [-100, 3600])
async def test_a_real_sidecar_under_another_clock_until_it_is_right(tmp_path: Path, shift_s: int) -> None:
    other: dict[str, Any] = {"environment": shifted_clock(tmp_path, shift_s)}
    with SmallMesh(tmp_path) as small:
        small.sidecar("orders", "i1", **other)
        small.sidecar("payments", "p1")
        small.coordinator(more=RULES)
        async with Mesh.connect(url=small.url) as mesh:
            check = await until_told(mesh, {"MESH-004": ("orders/i1",)})
            (least, most) = [fact.value for fact in finding(check, "MESH-004").evidence[:2]]
            assert isinstance(least, float)
            assert isinstance(most, float)
            assert least <= abs(shift_s) <= most
            assert small.sidecars["orders/i1"].stop() == 0
            small.sidecar("orders", "i1")
            check = await until_told(mesh, {}, lambda one: one.expected == 2)
            assert verdict_of(check, "MESH-004").judged == ("orders/i1", "payments/p1")
