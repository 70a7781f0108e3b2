"""Hundreds of instances or services: the well ones are folded, the bad ones named, and the page stays one to read."""

import io

import msgspec
import pytest
from msgspec.structs import replace
from rich.console import RenderableType

from diagmesh.client import Mesh
from diagmesh.contract.answers.route import Hop, Link, Route, RouteState, Step, StepKind
from diagmesh.contract.directory import InstanceEntry, InstanceState, ServiceEntry, Services
from diagmesh.contract.mesh import Field, Silent
from diagmesh.contract.wire import Blind
from diagmesh_cli.commands.status import look
from diagmesh_cli.terminal import Terminal
from diagmesh_cli.views.replies import page, sum_of
from diagmesh_cli.views.status import MeshStatus, status_view
from support.crowd import Crowd
from support.replies import DOWN, FINDING, SILENT, UP, directory, earlier, heard, result

ONE_PAGE = 60
LOST = "its sidecar is not connected to NATS"
BAD = msgspec.structs.replace(DOWN, blind=())


@pytest.fixture(autouse=True)
def looked_at_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("diagmesh_cli.views.words._now", lambda: earlier(0))


def lines(view: RenderableType, width: int = 120) -> list[str]:
    file = io.StringIO()
    Terminal(file=file, width=width).print(view)
    return [line.rstrip() for line in file.getvalue().splitlines()]


def instance(number: int, *, lost: bool = False) -> InstanceEntry:
    return InstanceEntry(
        instance=f"i{number}",
        state=InstanceState.NOT_CONNECTED if lost else InstanceState.LIVE,
        reason=LOST if lost else "",
        last_seen=earlier(9_000 if lost else number % 5),
    )


def orders(count: int, lost: int = 0, lacking: int = 0) -> ServiceEntry:
    """That many instances, of which the first ones are lost."""
    every = tuple(instance(number, lost=number < lost) for number in range(count))
    return ServiceEntry(service="orders", instances=every, lacking=lacking)


def shown(answer: Services) -> list[str]:
    return lines(page(heard(answer, "mesh", "c1", kind="services")))


def test_of_300_instances_the_directory_names_the_missing_and_counts_the_live() -> None:
    told = shown(directory(orders(300, lost=3, lacking=2), ServiceEntry(service="nats", instances=(instance(1),))))
    assert len(told) < 20
    assert [line.split()[0] for line in told if LOST in line] == ["orders/i0", "orders/i1", "orders/i2"]
    assert any(line.split() == ["orders", "2", "missing"] for line in told)
    assert any(line.split()[:2] == ["orders", "297/302"] and "4.0 s ago or later" in line for line in told)
    assert any(line.split()[:2] == ["nats", "1/1"] for line in told)
    assert any("298 live · 5 missing" in line for line in told)


def test_of_300_missing_ones_the_directory_names_some_and_says_how_many_more() -> None:
    told = shown(directory(orders(300, lost=290)))
    assert sum(LOST in line for line in told) == 20
    assert "  … and 270 more (--json shows all)" in told
    assert len(told) < ONE_PAGE


def test_of_300_services_the_directory_shows_those_first_that_lack_somebody() -> None:
    well = [ServiceEntry(service=f"s{number:03}", instances=(instance(1),)) for number in range(299)]
    told = shown(directory(*well, ServiceEntry(service="zebra", instances=(instance(1, lost=True),))))
    missing = next(number for number, line in enumerate(told) if line.startswith("INSTANCE"))
    assert told[missing + 1].startswith("zebra/i1")
    folded = next(number for number, line in enumerate(told) if line.startswith("SERVICE"))
    assert told[folded + 1].split() == ["zebra", "0/1"]
    assert "  … and 280 more (--json shows all)" in told
    assert len(told) < ONE_PAGE


def test_a_small_directory_names_everybody() -> None:
    told = shown(directory(orders(20)))
    assert sum(line.startswith("orders/i") for line in told) == 20


def test_of_300_instances_status_names_the_bad_ones() -> None:
    answers = [heard(BAD if number < 8 else UP, instance=f"i{number}") for number in range(300)]
    silent = tuple(
        Silent(service="orders", instance=f"i{number}", reason=f"not connected: {LOST}") for number in range(300, 330)
    )
    finding = msgspec.structs.replace(FINDING, instances=tuple(f"orders/i{number}" for number in range(300)))
    health = result(*answers, silent=silent, findings=(finding,), fields={"state": Field(n=300)})
    told = lines(status_view(MeshStatus(services=directory(orders(330)), health=health)))
    row = next(line for line in told if line.startswith("orders "))
    text = " ".join(" ".join(told).split())
    assert row.split()[:6] == ["orders", "300/330", "292", "up,", "8", "down"]
    assert "i0 down: process 4711 has ended; also i1, i2, i3, i4, i5 and 2 more" in text
    assert "(orders/i0, orders/i1, orders/i2, orders/i3, orders/i4 and 295 more)" in text
    assert sum(line.startswith("  silent orders/i3") and "not connected" in line for line in told) == 20
    assert text.count(LOST) == 1, "what a reason means is said once"
    assert "  … and 10 more (--json shows all)" in told
    assert len(told) < ONE_PAGE


def test_what_many_could_not_see_and_all_notes_are_bounded() -> None:
    blind = msgspec.structs.replace(UP, blind=(Blind(what="x", why="y"),))
    answers = [heard(blind, instance=f"i{number}") for number in range(300)]
    health = result(*answers, notes=tuple(f"note {number}" for number in range(300)))
    doubtful = directory(orders(300), problems=tuple(f"problem {number}" for number in range(300)))
    told = lines(status_view(MeshStatus(services=doubtful, health=health)))
    assert [line for line in told if "more" in line] == ["  … and 280 more (--json shows all)"] * 3
    assert len(told) < 80


def many_services(unwell: int) -> MeshStatus:
    entries = [ServiceEntry(service=f"s{number:03}", instances=(instance(1),)) for number in range(300)]
    answers = [heard(BAD if number < unwell else UP, f"s{number:03}", "i1") for number in range(300)]
    return MeshStatus(services=directory(*entries), health=result(*answers))


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize(
    ("unwell", "rows", "folded"),
    [
        (0, 0, ["300 services: all 300 instances live and up"]),
        (3, 3, ["297 services more: all 297 instances live and up"]),
        (300, 20, ["  … and 280 more (--json shows all)"]),
        (30, 20, ["  … and 10 more (--json shows all)", "270 services more: all 270 instances live and up"]),
    ],
)
def test_of_300_services_status_shows_the_unwell(unwell: int, rows: int, folded: list[str], width: int) -> None:
    told = lines(status_view(many_services(unwell)), width)
    assert sum(line.startswith("s") for line in told) == rows
    assert [line for line in told if "more" in line or "all" in line] == folded
    assert max(map(len, told)) <= width
    assert len(told) < ONE_PAGE


def test_a_service_that_nobody_answered_for_is_not_folded_away() -> None:
    entries = [ServiceEntry(service=f"s{number:03}", instances=(instance(1),)) for number in range(300)]
    answers = [heard(UP, f"s{number:03}", "i1") for number in range(299)]
    told = lines(status_view(MeshStatus(services=directory(*entries), health=result(*answers))))
    assert next(line for line in told if line.startswith("s299")).split() == ["s299", "1/1", "not", "seen"]


async def test_a_look_at_a_crowd_without_a_coordinator_is_one_page() -> None:
    crowd = Crowd()
    for number in range(300):
        await crowd.instance("orders", f"i{number}", answer=BAD if number == 7 else UP)
    told = lines(status_view(await look(Mesh(crowd.server.bus()), 10.0)))
    assert any(line.split()[:6] == ["orders", "300/300", "299", "up,", "1", "down"] for line in told)
    assert "i7 down" in " ".join(told)
    assert len(told) < 20


def test_long_lists_say_what_they_leave_out() -> None:
    silent = tuple(msgspec.structs.replace(SILENT[0], instance=f"i{n}") for n in range(25))
    told = lines(sum_of(result(heard(UP), silent=silent), 120))
    assert "  … and 5 more (--json shows all)" in told


def test_of_a_thousand_subscriptions_a_route_shows_some_and_every_refusal() -> None:
    step = Step(kind=StepKind.DELIVERED, link=Link.CLIENT, cid=1, name="a", subject="x.>")
    refused = replace(step, name="deaf", error="Not delivered because subscription denies this subject", refused=True)
    hop = Hop(server="n1", steps=(*[step] * 999, refused), left_out=5)
    told = lines(page(heard(Route(subject="x", state=RouteState.REACHED, receivers=999, hops=(hop,)), kind="route")))
    assert len(told) < ONE_PAGE
    assert any("deaf" in line for line in told)
    assert any("… and 984 further steps" in line for line in told)
