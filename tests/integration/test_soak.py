"""The loaded demo in good health, on one server and on three: nothing is found; what is found fails it.

Ten minutes: `make soak ARGS=healthy`.
"""

import asyncio
import os
import re
import signal
from pathlib import Path
from typing import Final

import msgspec
import pytest

from diagmesh.contract.findings import Finding
from diagmesh.settings import RuleSettings
from soak.clustered import KINDS, run_cluster
from soak.healthy import processes, run, table
from soak.watch import ALL_KINDS, Memory, Told, slow_within, soak
from support.compiler import c_compiler
from support.godemo import build
from support.golang import Go
from support.ruling import UP, check, judge
from support.upping import Up

SLOW_MS: Final = 3000.0
"""Other tests run beside these: how fast a probe is says more of the machine than of the demo."""


@pytest.mark.timeout(900)
def test_the_healthy_demo_has_no_finding(go: Go, tmp_path: Path) -> None:
    c_compiler()  # -race needs one
    told = run(tmp_path, 60.0, build(go), build(go, "-race"), slow_ms=SLOW_MS)
    assert told.complaints == []
    assert told.answers.keys() == ALL_KINDS
    assert told.checks > 10
    assert told.asks > 20
    assert len(told.memory) == 6, "the coordinator and five sidecars"
    assert all(10 < one.late_mib < 200 for one in told.memory), told.memory


@pytest.mark.timeout(900)
def test_a_healthy_cluster_under_load_has_no_finding(go: Go, tmp_path: Path) -> None:
    told = run_cluster(tmp_path, 60.0, build(go), RuleSettings(code="PROC-005", limits={"slow_ms": SLOW_MS}))
    assert told.complaints == []
    assert told.checks > 10
    assert told.answers.keys() == set(KINDS)
    assert told.answers["server"] > 3 * 10
    assert told.answers["connection"] > 3 * 10
    assert told.answers["streams"] > 3 * 10


def test_a_sick_one_is_told(tmp_path: Path) -> None:
    with Up(tmp_path) as up:
        up.ready()
        (service,) = up.processes("--instance i2")
        os.kill(service, signal.SIGSTOP)
        told = asyncio.run(soak(up.url, processes(up), 5.0, print))
        os.kill(service, signal.SIGCONT)
    assert any(
        re.match(r"found: PROC-002 at orders/i2: process \d+ is stopped by a signal \(\dx\)", one)
        for one in told.complaints
    ), told


def test_of_slow_probes_those_are_let_through_that_pass_in_time_and_nothing_else_is() -> None:
    def slow(*took_ms: float) -> Finding:
        doors = (check(f"door{number}", took_ms=ms, phases_ms={"body": ms}) for number, ms in enumerate(took_ms))
        (finding,) = judge([msgspec.structs.replace(UP, checks=(*UP.checks, *doors))]).findings
        assert finding.code == "PROC-005"
        return finding

    assert slow_within(slow(600.0, SLOW_MS), SLOW_MS)
    assert not slow_within(slow(600.0, SLOW_MS + 1), SLOW_MS)
    assert not slow_within(slow(600.0), 0.0)
    assert not slow_within(slow(*[600.0] * 10), SLOW_MS), "there may be more than it holds"
    assert not slow_within(msgspec.structs.replace(slow(600.0), code="PROC-006"), SLOW_MS)


def test_the_table_and_the_complaints() -> None:
    told = Told(checks=3, asks=9, memory=[Memory("coordinator", 40.04, 41.0)])
    assert told.complaints == []
    told.answers["races"] += 0
    assert told.complaints == ["no answer: races of anybody"]
    told.answers["races"] += 2
    assert "answers of kind races              2" in table(told)
    assert told.complaints == []
    assert "checks made                        3" in table(told)
    assert "coordinator                     40.0    41.0" in table(told)
    told.findings["RES-001 at a/b: busy"] += 2
    told.lost["NoAnswer: x"] += 1
    assert told.complaints == ["found: RES-001 at a/b: busy (2x)", "not answered: NoAnswer: x (1x)"]
    assert Told().complaints == ["no check was made"]
