"""What is printed, to the letter, at 80 and 120 columns. Changed on purpose? Run with DIAGMESH_UPDATE_GOLDEN=1."""

import io
import os
import pkgutil
import re
import subprocess
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from rich.console import Group, RenderableType

from diagmesh.client import answer_type_of
from diagmesh.contract.answers.coordinator import CoordinatorState
from diagmesh.contract.answers.goroutines import DumpForm, Goroutines
from diagmesh.contract.answers.profile import Edge, Peeked, Profile, ProfileCost, Row
from diagmesh.contract.answers.races import Detector, Races
from diagmesh.contract.answers.runtime import Grown, Runtime
from diagmesh.contract.answers.stacks import Frame
from diagmesh.contract.answers.streams import Streams
from diagmesh.contract.codec import encode
from diagmesh.contract.directory import CoordinatorEntry, InstanceState, Registry, RegistryState
from diagmesh.contract.findings import FindingClass, Severity
from diagmesh.contract.mesh import Ended, Field, Silent, Worst
from diagmesh.contract.verdicts import Check, NotJudged, RuleVerdict, Verdict
from diagmesh.contract.wire import Blind, Status
from diagmesh.packs import Broken
from diagmesh_cli import views
from diagmesh_cli.history import History, Look
from diagmesh_cli.local.issued import SERVER_FILE, seed_path, settings_file
from diagmesh_cli.local.permissions import roles
from diagmesh_cli.racerun.run import RaceRun, RunEnded, TestedPackages
from diagmesh_cli.terminal import Terminal
from diagmesh_cli.views import stacks, table, words
from diagmesh_cli.views.check import check_view
from diagmesh_cli.views.explain import Explained, Listed, list_view, page_view
from diagmesh_cli.views.init import Handed, Made, made_view
from diagmesh_cli.views.race_run import run_view
from diagmesh_cli.views.replies import page, sum_of
from diagmesh_cli.views.status import MeshStatus, status_view
from diagmesh_cli.views.table import view_of
from diagmesh_cli.views.up import Offered, banner, changes, fault_command, live_page, seen_of, tries, way_to_us
from diagmesh_cli.views.watch import WatchView, plain_lines
from support import replies
from support.connections import LINKED, SHUT
from support.coordinators import WELL
from support.looks_of_go import CRASHED, STUCK
from support.profiles import surveyed
from support.racing import RACES
from support.replies import CHECK, DIRECTORY, DOWN, FINDING, PROBLEM, RUNS, SILENT, STREAMS, UP, USED, heard, result

SEED = Path("/tmp/diagmesh-up-abc/app.nk")  # noqa: S108  only shown
GOLDEN = Path(__file__).parent / "golden"
UPDATE = bool(os.environ.get("DIAGMESH_UPDATE_GOLDEN"))  # read before the tests are given a clean environment


@pytest.fixture(autouse=True)
def looked_at_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long after their collection the tests run."""
    monkeypatch.setattr("diagmesh_cli.views.words._now", lambda: replies.NOW)


def printed(view: RenderableType, width: int, *, colour: bool = False) -> str:
    kind: Any = "standard" if colour else None
    console = Terminal(file=io.StringIO(), width=width, force_terminal=colour, color_system=kind)
    console.print(view)
    file = console.file
    assert isinstance(file, io.StringIO)
    return "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())


def unwell() -> MeshStatus:
    answers = (heard(DOWN), heard(UP, "nats"), heard(None, "payments", status=Status.DECLINED, problem=PROBLEM))
    health = result(
        *answers,
        silent=SILENT,
        unexpected=replies.UNEXPECTED,
        findings=(FINDING,),
        fields={"state": replies.STATE},
        ended=Ended.TIMEOUT,
        notes=("a note",),
    )
    return MeshStatus(services=DIRECTORY, health=health)


def numbers(width: int) -> RenderableType:
    fields = {
        "state": replies.STATE,
        "memory.rss_bytes": Field(
            n=1, unit="bytes", min=3e7, min_at="a/1", median=3e7, p95=3e7, max=3e7, max_at="orders/i1"
        ),
        "cpu.cores_used": Field(n=2, unit="cores", min=0.1, min_at="a/1", median=0.2, p95=0.3, max=0.3, max_at="a/2"),
        "network.errors": Field(n=2, unit="count", min=0, min_at="a/1", median=0, p95=0, max=0, max_at="a/1"),
    }
    asked = result(heard(UP), heard(DOWN), fields=fields, worst=replies.WORST, show_each=False, silent=SILENT)
    return sum_of(asked, width)


PROFILED = msgspec.structs.replace(
    surveyed(
        cpu={"harm.compute": 950_000_000, "store.(*Store).Put": 50_000_000},
        heap={
            "store.(*Store).Put": 3 << 20,
            "a-long-package-name.(*WithALongType).AndAVeryLongMethodName.func1": 1 << 20,
        },
    ),
    cost=ProfileCost(
        words="CPU sampled 100 times a second and core for 1 s (about 1 % of what it uses meanwhile); heap written out",
        sampled_s=1.0,
        fetched_bytes=6400,
        took_ms=1110.0,
        read_cpu_ms=112.0,
        read_rss_bytes=26 << 20,
    ),
    blind=(Blind(what="mutex", why="the service does not count", fix="call runtime.SetMutexProfileFraction(10)"),),
)
SPINS = surveyed(cpu={"harm.compute": 950_000_000})
_HEAP = PROFILED.counted[1]
GROWN = msgspec.structs.replace(
    RUNS,
    heap=msgspec.structs.replace(
        RUNS.heap,
        grown=Grown(
            age_s=4.0,
            over_s=40.0,
            grown_bytes=40 * 1024**2,
            rows=(
                Row(
                    function="example.com/shop/cart.keep", file="/src/cart.go", line=31, flat=1, cum=1, flat_share=0.93
                ),
                Row(function="main.other", flat=1, cum=1, flat_share=0.07),
            ),
        ),
    ),
)
GREW = Profile(
    counted=(
        msgspec.structs.replace(
            _HEAP,
            base="previous, 12 s ago",
            rows=(
                msgspec.structs.replace(_HEAP.rows[0], flat=5 << 20, cum=6 << 20, flat_share=1.25, cum_share=1.5),
                msgspec.structs.replace(_HEAP.rows[1], flat=-(1 << 19), cum=-(1 << 19), flat_share=-0.125),
            ),
            rows_left=7,
            peeked=(
                Peeked(
                    function="shop/internal/store.(*Store).Put",
                    flat=5 << 20,
                    cum=6 << 20,
                    callers=(Edge(function="main.main", value=6 << 20),),
                    callees=(Edge(function="runtime.mallocgc", value=1 << 20),),
                ),
            ),
            labels={"tenant": {"acme": 3 << 20, "other": 1 << 20}, "bytes": {"48": 1}},
        ),
    ),
)
UNKNOWN = {
    "waiting": 3,
    "share": 0.25,
    "open": True,
    "none": None,
    "tags": ["a", "b"],
    "inner": {"deep": {"value": 1.5}},
    "consumers": [{"name": "one", "pending": 1}, {"name": "two", "lag": 2.5}],
}


def watched(kind: str) -> History:
    """Forty looks at an instance that grows, and at one that falls silent and is well again."""
    history = History(kind)
    for number in range(40):
        used = msgspec.structs.replace(
            USED,
            memory=msgspec.structs.replace(USED.memory, rss_bytes=20_000_000 + 1_000_000 * number),
            cpu=msgspec.structs.replace(USED.cpu, cores_used=abs(number % 10 - 5) / 10),
        )
        answer = used if kind == "resources" else (DOWN if 10 <= number < 15 else UP)
        first, second = (heard(answer, instance=name, kind=kind) for name in ("i1", "i2"))
        if 20 <= number < 25 or number == 39:
            history.add(Look(each=(first,), silent=(SILENT[0],)))
        else:
            history.add(Look(each=(first, second)))
    return history


def watch_view(kind: str) -> RenderableType:
    return WatchView(watched(kind), "of orders · every 2 s", replies.NOW)


CLEAR = Check(
    verdicts=(RuleVerdict(code="RES-001", title="t", verdict=Verdict.CLEAR, judged=("orders/i1",)),), expected=1
)
TOO_YOUNG = NotJudged(
    instance="orders/i1", why="growth of its memory was seen, but watched for less than 60 s", again_in_s=55.2
)
YOUNG = msgspec.structs.replace(
    CLEAR,
    verdicts=(
        RuleVerdict(
            code="RES-004", title="t", verdict=Verdict.BLIND, not_judged=(TOO_YOUNG,), again_in_s=TOO_YOUNG.again_in_s
        ),
        *CLEAR.verdicts,
    ),
)
NOT_HERE = msgspec.structs.replace(
    CLEAR,
    verdicts=(
        RuleVerdict(
            code="RACE-001",
            title="t",
            verdict=Verdict.BLIND,
            not_judged=(
                NotJudged(
                    instance="orders/i1",
                    why="unavailable: 501 not on this instance: its program was built without -race",
                    not_here=True,
                ),
            ),
        ),
        *CLEAR.verdicts,
    ),
)
RACED = msgspec.Raw(encode(Races.as_one([("orders/i1", RACES), ("payments/i1", RACES)])))
RUN = RaceRun(
    command="go test -race ./...",
    directory="/src",
    go="go1.26.8",
    ended=RunEnded.COMPLETE,
    took_s=12.3,
    answer=RACES,
    tests=TestedPackages(
        of=5, passed=1, without_tests=1, not_built=("shop/c",), raced=("shop/a.TestPut",), failed=("shop/b.TestBad",)
    ),
    said="# shop/c\nc/c_test.go:5:28: undefined: missing",
)
FEWER = msgspec.structs.replace(
    DIRECTORY,
    coordinators=(
        *DIRECTORY.coordinators,
        CoordinatorEntry(
            instance="c2",
            boot="b2",
            host="node-8",
            last_seen=replies.earlier(40),
            state=InstanceState.SILENT,
            reason="it is hung, frozen or overloaded",
        ),
    ),
    coordinators_declared=3,
    coordinators_lacking=1,
    registry=Registry(state=RegistryState.OFF, reason="JetStream is not enabled here"),
)
YOUNG_ONE = msgspec.structs.replace(WELL, state=CoordinatorState.WARMING, reason="x", loop_lag=None, process=None)
RULE = Explained(
    code="RES-003",
    title="Memory near its limit",
    severity=Severity.WARNING,
    class_=FindingClass.RESOURCE_EXHAUSTION,
    reads=("resources",),
    holds="there is room",
    limits={"most_share": 0.9},
    page="# RES-003 Memory near its limit\n\n## What should hold\n\nThere is *room*.\n\n## Now\n\n- `ps aux`\n",
)
MESH_RULE = Explained(
    code="MESH-001",
    title="An instance is silent",
    severity=Severity.ERROR,
    class_=FindingClass.MESH,
    reads=(),
    holds="everybody answers",
)

VIEWS: dict[str, Callable[[int], RenderableType]] = {
    "check": lambda _: check_view(CHECK, "c1"),
    "check_not_asked": lambda _: check_view(msgspec.structs.replace(CLEAR, not_asked=replies.NOT_ASKED), "c1"),
    "check_young": lambda _: check_view(YOUNG, "c1"),
    "connection": lambda _: page(heard(LINKED, kind="connection")),
    "connection_shut": lambda _: page(heard(SHUT, kind="connection")),
    "connection_rows": lambda width: sum_of(
        result(heard(LINKED, kind="connection"), heard(SHUT, "payments", kind="connection"), kind="connection"), width
    ),
    "races": lambda _: page(heard(RACES, kind="races", findings=(FINDING,))),
    "races_none": lambda _: page(heard(Races(distinct=0, reports=0, detector=Detector.ON), kind="races")),
    "races_sum": lambda width: sum_of(
        result(heard(RACES, kind="races"), heard(RACES, "payments", kind="races"), kind="races", merged=RACED), width
    ),
    "race_run": lambda _: run_view(RUN),
    "check_not_here": lambda _: check_view(NOT_HERE, "c1"),
    "check_clear": lambda _: check_view(CLEAR, "c1"),
    "coordinator": lambda _: page(heard(WELL, "mesh", "c1", kind="coordinator")),
    "coordinator_rows": lambda width: sum_of(
        result(
            heard(WELL, "mesh", "c1", kind="coordinator"),
            heard(YOUNG_ONE, "mesh", "c2", kind="coordinator"),
            kind="coordinator",
        ),
        width,
    ),
    "explain": lambda _: list_view(Listed(rules=(RULE, MESH_RULE), broken=(Broken("bad.module", "ImportError: no"),))),
    "explain_page": lambda _: page_view(RULE, rendered=True),
    "explain_plain": lambda _: page_view(RULE, rendered=False),
    "health_up": lambda _: page(heard(UP)),
    "health_launched": lambda _: page(heard(replies.LAUNCHED)),
    "health_down": lambda _: page(heard(DOWN, findings=(FINDING,))),
    "health_rows": lambda width: sum_of(result(heard(UP), heard(DOWN, instance="i2"), silent=SILENT), width),
    "health_sum": numbers,
    "health_interrupted": lambda width: sum_of(
        result(heard(UP), ended=Ended.INTERRUPTED, expected=9, not_asked=replies.NOT_ASKED), width
    ),
    "streams": lambda _: page(heard(STREAMS, kind="streams")),
    "streams_rows": lambda width: sum_of(
        result(heard(STREAMS, kind="streams"), heard(Streams(), instance="i2", kind="streams"), kind="streams"), width
    ),
    "problem": lambda _: page(heard(None, status=Status.DECLINED, problem=PROBLEM)),
    "profile": lambda _: page(heard(PROFILED, kind="profile")),
    "profile_difference": lambda _: page(heard(GREW, kind="profile")),
    "profile_rows": lambda width: sum_of(
        result(heard(PROFILED, kind="profile"), heard(SPINS, instance="i2", kind="profile"), kind="profile"), width
    ),
    "resources": lambda _: page(heard(USED, kind="resources")),
    "runtime": lambda _: page(heard(RUNS, kind="runtime")),
    "runtime_grown": lambda _: page(heard(GROWN, kind="runtime")),
    "runtime_little": lambda _: page(heard(Runtime(goroutines=7, sources={"goroutines": "metrics"}), kind="runtime")),
    "runtime_rows": lambda width: sum_of(
        result(heard(RUNS, kind="runtime"), heard(Runtime(), instance="i2", kind="runtime"), kind="runtime"), width
    ),
    "route": lambda _: page(heard(replies.ROUTE, kind="route")),
    "route_nobody": lambda _: page(heard(replies.NO_ROUTE, kind="route", findings=(FINDING,))),
    "route_rows": lambda width: sum_of(
        result(heard(replies.ROUTE, kind="route"), heard(replies.NO_ROUTE, instance="i2", kind="route"), kind="route"),
        width,
    ),
    "resources_rows": lambda width: sum_of(
        result(
            heard(USED, kind="resources"),
            heard(USED, instance="a-rather-long-pod-name-7d9f", kind="resources"),
            kind="resources",
        ),
        width,
    ),
    "goroutines": lambda _: page(heard(STUCK, kind="goroutines")),
    "goroutines_rows": lambda width: sum_of(
        result(heard(STUCK, kind="goroutines"), heard(Goroutines(total=12), kind="goroutines"), kind="goroutines"),
        width,
    ),
    "health_crashed": lambda _: page(heard(CRASHED)),
    "services": lambda _: page(heard(DIRECTORY, "mesh", "c1", kind="services")),
    "services_unkept": lambda _: page(heard(replies.UNKEPT, "mesh", "c1", kind="services")),
    "services_coordinators": lambda _: page(heard(FEWER, "mesh", "c1", kind="services")),
    "status_unwell": lambda _: status_view(unwell()),
    "status_without_coordinator": lambda _: status_view(MeshStatus(services=None, health=result(heard(UP)))),
    "plain": lambda _: page(heard_plain(UNKNOWN)),
    "plain_rows": lambda width: sum_of(result(heard_plain(UNKNOWN), heard_plain({"a": 1}), kind="consumers"), width),
    "up_banner": lambda _: banner(
        "nats://127.0.0.1:4222",
        tries("nats://127.0.0.1:4222", "orders", {}),
        Offered(
            "Go services of deploy/demo, built with go1.26.8",
            "Lock up the store of payments",
            fault_command("nats://127.0.0.1:4222", SEED, "demo.payments.fault", '{"fault":"hold-lock"}', {}),
        ),
        found=False,
        way=". .venv/bin/activate",
    ),
    "up_banner_safe": lambda _: banner(
        "nats://127.0.0.1:4222",
        tries("nats://127.0.0.1:4222", "orders", {}),
        Offered("Python stand-ins, not the Go services: there is no Go toolchain", "Make payments slow"),
        note="4222 is in use",
        found=True,
        way="",
    ),
    "init": lambda _: made_view(made()),
    "init_rotating": lambda _: made_view(
        made(
            "operator",
            did="operator has a new key; the one before works until finished",
            rotating=("operator",),
            changed=("settings/coordinator.toml",),
            left=('sidecars that may be controlled: operators = ["UNEW", "UOLD"]',),
        )
    ),
    "watch_health": lambda _: watch_view("health"),
    "watch_resources": lambda _: watch_view("resources"),
    "watch_plain": lambda width: Group(*plain_lines(watched("resources"), replies.NOW, width)),
    "up_live": lambda _: live_page(unwell(), "cannot look: x"),
}


def test_who_has_not_activated_the_environment_hears_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    program = tmp_path / "diagmesh"
    assert way_to_us(str(program)) == "", "it is no environment"
    (tmp_path / "activate").touch()
    assert way_to_us(str(program)) == f". {tmp_path}/activate"
    assert way_to_us(str(tmp_path / "__main__.py")) == ""
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert way_to_us(str(program)) == ""


def test_no_command_of_the_banner_is_wider_than_80_columns_and_a_shell_takes_each_as_one() -> None:
    url = "nats://127.0.0.1:41234"
    fault = fault_command(url, SEED, "demo.payments.fault", '{"fault":"hold-lock"}', {})
    shown = printed(banner(url, tries(url, "orders", {}), Offered("Go services", "Lock it", fault), found=True), 300)
    assert max(map(len, shown.splitlines())) <= 80
    heard = subprocess.run(
        ["/bin/sh"],
        input="nats() { echo $#; }\n" + shown.partition("look again:")[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert heard.stdout == "7\n", "-s URL --nkey FILE req SUBJECT BODY"


def made(*only: str, **more: Any) -> Made:
    """What `init` tells of two services."""
    handed = [
        Handed(
            role=role.name,
            holder=role.holder,
            key_file=str(seed_path(Path(), role.name)),
            settings_file=settings_file(role.name),
            inbox_prefix=role.inbox,
            public=("U1",),
        )
        for role in roles(("orders", "payments"))
        if role.name in only or not only
    ]
    more = {"did": "made mesh", **more}
    return Made(directory="mesh", server_file=SERVER_FILE, handed=tuple(handed), **more)


def heard_plain(tree: Any) -> Any:
    return heard(msgspec.to_builtins(tree), kind="consumers")


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", sorted(VIEWS))
def test_the_view_is_as_it_was_approved(name: str, width: int) -> None:
    shown = printed(VIEWS[name](width), width)
    golden = GOLDEN / f"{name}.{width}.txt"
    if UPDATE:
        golden.write_text(shown, encoding="utf-8")
    assert shown == golden.read_text(encoding="utf-8")
    assert max(map(len, shown.splitlines())) <= width


@pytest.mark.parametrize("width", [20, 40, 61])
@pytest.mark.parametrize("name", sorted(VIEWS))
def test_a_narrow_terminal_breaks_no_view(name: str, width: int) -> None:
    shown = printed(VIEWS[name](width), width)
    assert max(map(len, shown.splitlines())) <= width


def test_a_watch_draws_as_many_as_there_is_room_for_the_silent_first() -> None:
    history = History("resources")
    each = [heard(USED, instance=f"i{number:03}", kind="resources") for number in range(100)]
    history.add(Look(each=each, silent=(SILENT[0],)))
    console = Terminal(file=io.StringIO(), width=80, height=24, force_terminal=True, color_system=None)
    console.print(WatchView(history, "of orders · every 2 s", replies.NOW))
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue().splitlines()
    assert len(shown) <= 24
    assert any("orders/i2 silent" in line for line in shown)
    assert any(line.startswith("… and 8") for line in shown)


def test_each_line_of_a_log_says_of_whom_it_tells_and_fits() -> None:
    history = watched("resources")
    history.add(Look(each=(heard(USED, kind="resources"),), not_asked=replies.NOT_ASKED[:1]))
    lines = [line.plain for line in plain_lines(history, replies.NOW, 80)]
    assert max(map(len, lines)) <= 80
    assert {line[:27].split()[1] for line in lines} == {"orders/i1", "orders/i2", "orders/odd"}
    assert any("threads.count 9" in line for line in lines), "nothing is left out"
    assert any("orders/odd not asked: nobody knows" in line for line in lines)
    history.add(Look(trouble="cannot look: " + "word " * 40))
    lines = [line.plain for line in plain_lines(history, replies.NOW, 80)]
    assert max(map(len, lines)) <= 80
    assert " ".join(line[9:] for line in lines).count("word") == 40


def test_a_terminal_without_blocks_gets_plain_characters() -> None:
    console = Terminal(file=io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="replace"), width=80)
    console.print(watch_view("resources"))
    console.file.flush()
    assert isinstance(console.file, io.TextIOWrapper)
    shown = console.file.buffer.getvalue().decode()
    row = next(line for line in shown.splitlines() if line.startswith("orders/i1"))
    assert "#" in row
    assert "?" not in row


def test_what_concerns_a_whole_service_is_told_by_its_name() -> None:
    lacking = msgspec.structs.replace(CHECK.findings[0], instances=("mesh/", "orders/i1"))
    assert "  at mesh, orders/i1" in printed(check_view(msgspec.structs.replace(CHECK, findings=(lacking,)), "c1"), 80)


def test_colour_is_never_the_only_sign() -> None:
    plain, coloured = printed(page(heard(DOWN)), 80), printed(page(heard(DOWN)), 80, colour=True)
    assert "\x1b[" in coloured
    assert "\x1b[" not in plain
    assert "down" in plain


def test_text_from_the_wire_is_no_markup() -> None:
    tricky = msgspec.structs.replace(DOWN, reason="[red]not red[/red] [/nothing]")
    assert "[red]not red[/red] [/nothing]" in printed(page(heard(tricky)), 120)
    assert "[bold]" in printed(page(heard_plain({"[bold]": "[/x]", "items": [{"[i]": "[/i]"}]})), 80)


def test_control_characters_from_the_wire_do_not_reach_the_terminal() -> None:
    nasty = msgspec.structs.replace(DOWN, reason="a\x1b[2Jb\x07c")
    shown = printed(page(heard(nasty)), 80)
    assert "\x1b" not in shown
    assert "\x07" not in shown


def test_an_answer_of_another_form_is_told_as_such() -> None:
    shown = printed(page(heard({"state": "sideways", "reason": "", "restarts_seen": 0})), 200)
    assert "the answer of orders/i1" in shown
    assert "--json shows what came" in shown


LACKING = Silent(service="orders", instance="", reason="not connected: 30 of 31 declared replicas are missing (…)")


def test_replicas_without_a_name_are_told_in_one_line_that_reads_as_one() -> None:
    worst = Worst(service="orders", instance="", status=Status.SILENT, reason=LACKING.reason)
    answer = result(heard(UP), silent=(LACKING,) * 30 + (SILENT[0],), worst=worst, show_each=False)
    shown = printed(sum_of(answer, 120), 120)
    assert shown.count("silent orders: 30 of 31 declared replicas are missing") == 1
    assert "31 silent" in shown, "all of them count"
    assert "look first at orders: not connected: 30 of 31" in shown
    assert "silent orders/i2 not connected" in shown, "and they push nobody with a name out"
    assert "orders/ " not in shown
    assert "orders/?" not in shown
    changed = changes({}, seen_of(MeshStatus(services=None, health=answer)))
    assert [line.plain for line in changed if "missing" in line.plain] == [
        "orders not connected: 30 of 31 declared replicas are missing (…)"
    ]


def test_changes_are_states_not_reasons() -> None:
    before = seen_of(unwell())
    assert before["orders/i2"][0] == "not connected"
    assert changes(before, before) == []
    now = {**before, "orders/i1": ("up", "well again"), "nats/i1": ("up", "another reason")}
    del now["payments/i1"]
    assert [line.plain for line in changes(before, now)] == ["orders/i1 up: well again", "payments/i1 is gone"]


def test_commands_are_plain_where_the_plain_ones_work() -> None:
    url = "nats://127.0.0.1:4222"
    assert tries(url, "orders", {})[0] == "nats req diag.orders.health ''"
    assert tries("nats://127.0.0.1:5000", "orders", {})[0] == "nats -s nats://127.0.0.1:5000 req diag.orders.health ''"
    assert tries(url, "orders", {"NATS_URL": "x"})[2] == f"nats -s {url} req diag.mesh.health ''"


def test_a_chosen_context_of_the_nats_cli_is_overridden(tmp_path: Path) -> None:
    (tmp_path / "nats").mkdir()
    (tmp_path / "nats" / "context.txt").write_text("prod")
    url = "nats://127.0.0.1:4222"
    assert "-s" in tries(url, "orders", {"XDG_CONFIG_HOME": str(tmp_path)})[0]


def test_each_kind_finds_its_view_and_is_decoded_for_it() -> None:
    assert view_of("health").columns[0] == "STATE"
    assert all(view.answer is answer_type_of(kind) for kind, view in table.VIEWS.items())


def test_every_view_of_a_kind_stands_in_the_table() -> None:
    modules = [import_module(f"{views.__name__}.{info.name}") for info in pkgutil.iter_modules(views.__path__)]
    found = {module.VIEW for module in modules if hasattr(module, "VIEW")}
    assert found == {*table.VIEWS.values(), view_of("a-kind-without-a-view")}


@given(st.one_of(st.text(), st.sampled_from(["no.such", "health.x", "", ".", "..", "words", "view", "table", "a/b"])))
def test_any_kind_from_the_wire_is_shown(kind: str) -> None:
    assume(kind not in table.VIEWS)
    one = heard({"a": 1}, kind=kind)
    assert re.search(r"\ba +1\b", printed(page(one), 80))
    assert "a=1" in printed(sum_of(result(one, kind=kind), 80), 80)


@pytest.mark.parametrize(("seconds", "said"), [(12, "12 s ago"), (7525, "2 h 5 min ago"), (-3, "0.0 s ago")])
def test_how_long_ago_counts_from_now_and_never_back(seconds: float, said: str) -> None:
    assert words.ago(replies.earlier(seconds)) == said


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (words.size(None), "-"),
        (words.size(0), "0 B"),
        (words.size(1023), "1023 B"),
        (words.size(29_800_000), "28.4 MiB"),
        (words.size(5 * 1024**3), "5.0 GiB"),
        (words.size(-(650 << 10)), "-650 KiB"),
        (words.share(None), "-"),
        (words.share(0), "0 %"),
        (words.share(0.0004), "<0.1 %"),
        (words.share(0.031), "3.1 %"),
        (words.share(0.97), "97 %"),
        (words.share(-0.031), "-3.1 %"),
        (words.share(-0.97), "-97 %"),
        (words.share(-0.0004), ">-0.1 %"),
        (words.took(0.42), "0.4 ms"),
        (words.took(1234), "1.2 s"),
        (words.duration(7525), "2 h 5 min"),
        (words.duration(59.6), "60 s"),
        (words.duration(90_000), "1 d 1 h"),
        (words.amount(20_000), "20,000"),
        (words.cores(0.254), "0.25"),
        (words.quantity(1.5, "msg/s"), "1.5 msg/s"),
        (words.quantity(0.0042, "s"), "4.2 ms"),
        (words.quantity(0, "s"), "0.0 s"),
        (words.quantity(12.1, "s"), "12 s"),
        (words.plural(1, "instance"), "1 instance"),
        (words.ago(None), "never"),
    ],
)
def test_words(given: str, said: str) -> None:
    assert given == said


@given(st.floats(min_value=0, max_value=1e18), st.sampled_from(["bytes", "share", "s", "ms", "cores", "count", "x"]))
def test_no_number_is_said_as_missing_or_at_length(value: float, unit: str) -> None:
    said = words.quantity(value, unit)
    assert said != words.MISSING
    assert len(said) <= 32


def test_a_function_that_calls_itself_is_told_once() -> None:
    main, deep = (
        Frame(function=name, file="/src/main.go", line=line) for name, line in (("main.main", 5), ("main.f", 6))
    )
    assert [line.plain for line in stacks.folded((deep, *[deep] * 40, main))] == [
        "  main.f  src/main.go:6",
        "  … 40 frames",
        "  main.main  src/main.go:5",
    ]


def test_counts_say_neither_where_goroutines_were_started_nor_that_none_waits() -> None:
    only = msgspec.structs.replace(
        STUCK, form=DumpForm.COUNTS, growth=tuple(msgspec.structs.replace(one, waiting=0) for one in STUCK.growth)
    )
    told = printed(page(heard(only, kind="goroutines")), 80)
    assert "more than before, by where they are\n" in told
    assert "3 → 448 in 1 min 40 s, 4.45/s\n" in told
