"""Faults and findings: some faults are made here, all of them by `make faults`, whose page tells what it should."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import psutil
import pytest

from diagmesh.packs import load_rules
from faults.catalogue import FAULTS
from faults.fault import Fault
from faults.run import HEALTHY, Outcome, Programs, run
from faults.table import complaints, page, text
from support.compiler import c_compiler
from support.godemo import SOURCE, build
from support.golang import Go
from support.house import ROOT
from support.programs import wait_until

PAGE: Final = SOURCE / "FAULTS.md"
QUICK: Final = [fault for fault in FAULTS if fault.quick]


def outcomes(*faults: Fault, **found: dict[str, int]) -> list[Outcome]:
    """As they should be, but for those that are given."""
    made = [Outcome(name=one.name, checks=9, found=found.get(one.name, dict.fromkeys(one.codes, 3))) for one in faults]
    return [*made, Outcome(name=HEALTHY, checks=99, found=found.get("untouched", {}))]


OWN_SERVER: Final = ("NATS-", "JS-", "SRV-")
"""What needs a server of its own to break; the test of each of these rules makes its fault on a real one."""


@pytest.mark.timeout(900)
async def test_each_of_some_faults_is_named_by_its_finding_and_by_no_other(go: Go, tmp_path: Path) -> None:
    assert len(QUICK) >= 6
    made = await run(QUICK, Programs(build(go)), tmp_path, lambda _: None)
    assert complaints(QUICK, made) == [], text(QUICK, made)


def test_when_it_is_told_to_end_nothing_that_it_started_goes_on(go: Go, tmp_path: Path) -> None:
    build(go)
    command = [sys.executable, "-m", "faults", "spin"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests"), "TMPDIR": str(tmp_path)}
    with (tmp_path / "said").open("wb") as said, subprocess.Popen(command, stderr=said, env=environment) as running:
        ours = psutil.Process(running.pid)
        wait_until(lambda: len(ours.children(recursive=True)) > 8, 60, "the mesh of the faults is there")
        started = ours.children(recursive=True)
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 130
    gone, alive = psutil.wait_procs(started, timeout=10)
    assert not alive, [one.cmdline() for one in alive]
    assert gone
    assert "everything that was started is ended" in (tmp_path / "said").read_text()


def test_names_and_codes_of_the_catalogue() -> None:
    names = [name for fault in FAULTS for name in fault.instances]
    assert len(set(names)) == len(names)
    rules = set(load_rules().rules)
    for fault in FAULTS:
        assert {*fault.codes, *fault.may, *fault.limits} <= rules, fault.name
        assert fault.codes or fault.family or fault.name == "sidecar-leaves", fault.name


def test_every_rule_has_its_fault() -> None:
    shown = {code for fault in FAULTS for code in fault.codes}
    rules = set(load_rules().rules)
    assert shown <= rules
    assert {code for code in rules - shown if not code.startswith(OWN_SERVER)} == set()


def test_every_switch_of_the_demo_is_turned() -> None:
    listed = re.findall(r'\{Name: "([a-z-]+)"', (SOURCE / "internal/faults/catalogue.go").read_text(encoding="utf-8"))
    assert len(listed) == 28
    told = " ".join(f"`{fault.name}` {fault.does}" for fault in FAULTS)
    assert [switch for switch in listed if f"`{switch}`" not in told] == []


def test_the_demo_tells_of_each_switch_which_findings_really_name_it() -> None:
    source = (SOURCE / "internal/faults/catalogue.go").read_text(encoding="utf-8")
    told = dict(re.findall(r'\{Name: "([a-z-]+)".*?Finding: "([^"]+)"', source, re.DOTALL))
    assert len(told) == 28
    for switch, finding in told.items():
        named = [fault for fault in FAULTS if f"`{switch}`" in f"`{fault.name}` {fault.does}"]
        codes = {code for fault in named for code in fault.codes}
        assert set(re.findall(r"[A-Z]+-[0-9]{3}", finding)) == codes, switch
        families = {family for fault in named for family in re.findall("[A-Z]+", fault.family)}
        assert families <= set(re.findall("[A-Z]+", finding)), switch


def test_the_page_tells_what_the_catalogue_promises() -> None:
    kept = PAGE.read_text(encoding="utf-8")
    versions = re.search(r"^make faults +# (.+)$", kept, re.MULTILINE)
    assert versions
    titles = {code: one.title for code, one in load_rules().rules.items()}
    assert page(FAULTS, outcomes(*FAULTS), versions[1], titles) == kept, "run `make faults`"


FIRST, SECOND, UNNAMED = (
    Fault(name="first", does="x", inject=lambda *_: None, codes=("RES-001",), may=("RES-002",)),
    Fault(name="second", does="y", inject=lambda *_: None, codes=("PROC-001",)),
    Fault(name="third", does="switch", inject=lambda *_: None, family="JS"),
)
ALL: Final = (FIRST, SECOND, UNNAMED)


def test_a_full_diagonal_is_no_complaint() -> None:
    assert complaints(ALL, outcomes(*ALL)) == []
    assert complaints(ALL, outcomes(*ALL, first={"RES-001": 3, "RES-002": 1})) == []


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ({"first": {}}, "first: RES-001 was not found"),
        ({"second": {"PROC-001": 3, "RES-001": 1}}, "second: RES-001 was found, too"),
        ({"third": {"RES-009": 1}}, "third: RES-009 was found, too"),
        ({"untouched": {"MESH-002": 1}}, "MESH-002 was found at somebody whom nobody touched"),
    ],
)
def test_what_is_missing_or_beside_is_told(found: dict[str, dict[str, int]], says: str) -> None:
    assert complaints(ALL, outcomes(*ALL, **found)) == [says]


def test_what_did_not_come_about_is_told() -> None:
    made = outcomes(*ALL)
    made[1] = Outcome(name="second", checks=7, found={"PROC-001": 2}, trouble="clear again: not within 9 s")
    assert complaints(ALL, made) == ["second: clear again: not within 9 s; found: PROC-001 in 2 of 7"]


def test_the_table_shows_what_should_have_been() -> None:
    made = outcomes(*ALL, first={}, second={"PROC-001": 3, "RES-001": 2})
    assert text(ALL, made).splitlines() == [
        "             checks  PROC-001  RES-001  RES-002",
        "first             9         .        -        .",
        "second            9         3        2        .",
        "third             9         .        .        .",
        "(untouched)      99         .        .        .",
    ]


def test_what_could_not_be_made_is_told() -> None:
    made = outcomes(*ALL)
    made[0] = Outcome(name="first", skipped="no group")
    assert complaints(ALL, made) == ["first: not made here: no group"]


def test_the_race_switch_is_made_where_there_is_a_compiler(go: Go) -> None:
    c_compiler()  # -race needs one
    assert (build(go, "-race") / "payments").is_file()
