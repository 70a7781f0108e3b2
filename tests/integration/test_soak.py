"""The loaded demo in good health, on one server and on three: nothing is found; what is found fails it.

Ten minutes: `make soak ARGS=healthy`.
"""

import asyncio
import os
import re
import signal
from pathlib import Path

import pytest

from diagmesh.settings import RuleSettings
from soak.clustered import KINDS, run_cluster
from soak.healthy import processes, run, table
from soak.watch import ALL_KINDS, Memory, Told, soak
from support.compiler import c_compiler
from support.godemo import build
from support.golang import Go
from support.upping import Up


@pytest.mark.timeout(900)
def test_the_healthy_demo_has_no_finding(go: Go, tmp_path: Path) -> None:
    c_compiler()  # -race needs one
    told = run(tmp_path, 60.0, build(go), build(go, "-race"))
    assert told.complaints == []
    assert told.answers.keys() == ALL_KINDS
    assert told.checks > 10
    assert told.asks > 20
    assert len(told.memory) == 6, "the coordinator and five sidecars"
    assert all(10 < one.late_mib < 200 for one in told.memory), told.memory


@pytest.mark.timeout(900)
def test_a_healthy_cluster_under_load_has_no_finding(go: Go, tmp_path: Path) -> None:
    # Other tests run beside it: how fast a probe is says more of the machine than of the cluster.
    told = run_cluster(tmp_path, 60.0, build(go), RuleSettings(code="PROC-005", limits={"slow_ms": 3000.0}))
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
